use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::{Error, Result, SecretBytes, codes as core_codes};

use super::Line;
use crate::codes;

/// The algorithm byte of Ed25519 in a signed note's key.
const ED25519_TYPE: u8 = 1;

/// The public key that checkpoints are verified with, and the name of the log it speaks for:
/// `origin+hash+key`, as every signed-note tool reads it.
///
/// A key that lies beside a log proves nothing alone: whoever can rewrite the log can rewrite the
/// key. Keep a copy elsewhere and verify with that one.
///
/// ```
/// # fn main() -> prov_core::Result<()> {
/// use prov_audit::VerifierKey;
/// let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
/// let key: VerifierKey = text.parse()?;
/// assert_eq!(key.name(), "PeterNeumann");
/// assert_eq!(key.to_string(), text);
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: Vec<u8>,
}

impl VerifierKey {
    /// The name of the key, which is the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a signature line says that it was made with this key.
    pub(crate) fn claims(&self, line: &Line<'_>) -> bool {
        line.name == self.name && line.id == self.id()
    }

    /// The key alone: two keys of different names may be one.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// The first four bytes of SHA-256 over name, newline, algorithm and key.
    pub(super) fn id(&self) -> [u8; 4] {
        let mut bytes = self.name.clone().into_bytes();
        bytes.extend([b'\n', ED25519_TYPE]);
        bytes.extend(&self.public);
        let hash = digest(&SHA256, &bytes);
        hash.as_ref().first_chunk().copied().unwrap_or_default()
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519_TYPE];
        key.extend(&self.public);
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            Error::new(codes::BAD_VERIFIER_KEY).detail(
                "a verifier key looks like `name+hash+base64`, as the log's checkpoint shows it",
            )
        };
        let mut parts = text.trim_end_matches('\n').splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse());
        };
        let key = STANDARD.decode(key).map_err(|_| refuse())?;
        let Some((&ED25519_TYPE, public)) = key.split_first() else { return Err(refuse()) };
        let parsed = Self { name: checked_name(name)?.to_owned(), public: public.to_vec() };
        if public.len() == 32 && hex::encode(parsed.id()) == id {
            Ok(parsed)
        } else {
            Err(refuse())
        }
    }
}

/// What a key may be called: not empty, no white space, no plus sign (C2SP signed-note).
pub(crate) fn checked_name(name: &str) -> Result<&str> {
    let bad = name.is_empty() || name.chars().any(|c| c.is_whitespace() || c == '+');
    if bad || name.len() > 200 {
        return Err(Error::new(core_codes::INVALID_REQUEST).detail(
            "the origin of a log is a name without white space and `+`, such as `prov.example/audit`",
        ));
    }
    Ok(name)
}

/// The private half.
pub(crate) struct SigningKey {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl SigningKey {
    /// The key of this name from its 32-byte seed.
    pub(crate) fn from_seed(name: &str, seed: &SecretBytes) -> Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|e| {
            Error::new(core_codes::INTERNAL).context("reading the checkpoint key").source(e)
        })?;
        let public = pair.public_key().as_ref().to_vec();
        Ok(Self { pair, verifier: VerifierKey { name: checked_name(name)?.to_owned(), public } })
    }

    /// The public half.
    pub(crate) fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_cut_renamed_or_of_another_algorithm_are_refused() {
        let seed = SecretBytes::new(vec![7; 32]);
        let good = SigningKey::from_seed("a.example/log", &seed).unwrap().verifier().to_string();
        assert!(good.parse::<VerifierKey>().is_ok());
        let renamed = good.replace("a.example", "b.example");
        let mut cut = good.clone();
        cut.truncate(good.len() - 4);
        for text in [renamed.as_str(), cut.as_str(), "", "a+b", "a+00000000+AA==", "a b+c+d"] {
            assert!(text.parse::<VerifierKey>().is_err(), "{text}");
        }
    }
}
