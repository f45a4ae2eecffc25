use std::fmt;
use std::path::Path;
use std::str::FromStr;

use age::x25519::{Identity, Recipient};
use prov_core::{Error, Result};

use crate::codes;
use crate::key_file::{about, read_private, unreadable};

/// Longer than any list of recipients.
const MAX_RECIPIENTS: usize = 64 * 1024;

/// Recipients (`age1…`, public) to encrypt to, and identities (`AGE-SECRET-KEY-1…`) to decrypt
/// with, from the files that `age-keygen` makes: one key a line, `#` starts a comment.
pub struct AgeKeys {
    /// Never empty.
    recipients: Vec<Recipient>,
    /// Empty where there is no private key.
    identities: Vec<Identity>,
}

impl AgeKeys {
    /// Reads keys. Without a file of recipients, encrypts to the identities' own; without one of
    /// identities, can't decrypt.
    ///
    /// # Errors
    /// * [`codes::KEY_FILE_UNREADABLE`]: a file is not there; or neither was given.
    /// * [`codes::KEY_FILE_EXPOSED`]: the identities are accessible to others.
    /// * [`codes::KEY_FILE_DAMAGED`]: a line is no X25519 key, or no key is there, or none of the
    ///   identities belongs to a recipient (what was encrypted could not be decrypted here).
    pub fn load(public: Option<&Path>, private: Option<&Path>) -> Result<Self> {
        let identities = private.map(load_identities).transpose()?.unwrap_or_default();
        let own: Vec<Recipient> = identities.iter().map(Identity::to_public).collect();
        let recipients = match public {
            Some(path) => {
                let recipients = load_recipients(path)?;
                let shared = own.is_empty() || recipients.iter().any(|r| own.contains(r));
                if !shared {
                    return Err(about(
                        Error::new(codes::KEY_FILE_DAMAGED).detail(
                            "the age private key does not belong to any of the age public keys",
                        ),
                        path,
                    ));
                }
                recipients
            }
            None => own,
        };
        if recipients.is_empty() {
            return Err(Error::new(codes::KEY_FILE_UNREADABLE)
                .detail("age needs a public key file or a private key file"));
        }
        Ok(Self { recipients, identities })
    }

    /// Whether there is an identity to decrypt with.
    #[must_use]
    pub fn can_decrypt(&self) -> bool {
        !self.identities.is_empty()
    }

    pub(super) fn recipients(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.recipients.iter().map(|recipient| recipient as &dyn age::Recipient)
    }

    pub(super) fn identities(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.identities.iter().map(|identity| identity as &dyn age::Identity)
    }
}

/// The public part.
impl fmt::Debug for AgeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recipients: Vec<_> = self.recipients.iter().map(ToString::to_string).collect();
        f.debug_struct("AgeKeys")
            .field("recipients", &recipients)
            .field("can_decrypt", &self.can_decrypt())
            .finish_non_exhaustive()
    }
}

/// Private keys: the file must be its owner's alone.
fn load_identities(path: &Path) -> Result<Vec<Identity>> {
    let text =
        read_private(path)?.ok_or_else(|| unreadable(path, std::io::ErrorKind::NotFound.into()))?;
    parse(&text).ok_or_else(|| damaged(path, "an age private key is `AGE-SECRET-KEY-1…`"))
}

/// Public keys: anybody may read the file.
fn load_recipients(path: &Path) -> Result<Vec<Recipient>> {
    let text = std::fs::read(path).map_err(|e| unreadable(path, e))?;
    let text = Some(text).filter(|text| text.len() <= MAX_RECIPIENTS);
    text.and_then(|text| parse(&text))
        .ok_or_else(|| damaged(path, "an age public key is `age1…` of the X25519 kind"))
}

/// Every line that is not empty or a comment; `None` when one is no such key, or there is none.
fn parse<K: FromStr>(text: &[u8]) -> Option<Vec<K>> {
    let lines = std::str::from_utf8(text).ok()?.lines().map(str::trim);
    let keys: Option<Vec<K>> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.parse().ok())
        .collect();
    keys.filter(|keys| !keys.is_empty())
}

fn damaged(path: &Path, what: &'static str) -> Error {
    about(
        Error::new(codes::KEY_FILE_DAMAGED).detail(format!("the age key file is damaged: {what}")),
        path,
    )
}
