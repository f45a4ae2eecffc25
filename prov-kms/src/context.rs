//! What a ciphertext is bound to.

mod parse;

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use prov_core::{Error, Result};

use crate::codes;
use crate::encoding::framed;

/// Names and values that a ciphertext is bound to: where it belongs, not a secret. Decrypting takes
/// the same ones, in any order; anything else fails.
///
/// The text `env=prod,service=api` and the JSON object `{"service": "api", "env": "prod"}` mean the
/// same. At most 64 pairs and 8 KiB; names are not empty and appear once; no control characters.
/// Bytes are compared exactly: no case folding, no trimming, no Unicode normalisation.
///
/// ```
/// use prov_kms::EncryptionContext;
///
/// let text: EncryptionContext = "env=prod,service=api".parse().unwrap();
/// let object = EncryptionContext::new([("service", "api"), ("env", "prod")]).unwrap();
/// assert_eq!(text, object);
/// assert!("env=prod,env=dev".parse::<EncryptionContext>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionContext {
    pairs: BTreeMap<String, String>,
    digest: [u8; 32],
}

impl EncryptionContext {
    /// The most pairs.
    pub const MAX_PAIRS: usize = 64;
    /// The most bytes of all names and values together.
    pub const MAX_BYTES: usize = 8 * 1024;

    /// A context of these pairs.
    ///
    /// # Errors
    /// [`codes::CONTEXT_INVALID`] for an empty or repeated name, a control character, or more than
    /// the limits.
    pub fn new<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self>
    where
        N: Into<String>,
        V: Into<String>,
    {
        let mut collected = BTreeMap::new();
        let mut bytes = 0_usize;
        for (name, value) in pairs {
            let (name, value) = (name.into(), value.into());
            check(&name, &value)?;
            bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
            if bytes > Self::MAX_BYTES || collected.len() >= Self::MAX_PAIRS {
                return Err(invalid("at most 64 pairs and 8 KiB of names and values"));
            }
            if collected.insert(name, value).is_some() {
                return Err(invalid("each name may appear once only"));
            }
        }
        Ok(Self::of(collected))
    }

    /// No pairs: binds to nothing but the key.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(BTreeMap::new())
    }

    /// Whether there are no pairs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The pairs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// SHA-256 of the one encoding: a word that says what it is, then each name and value, sorted by
    /// name and each behind its length.
    pub(crate) const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    fn of(pairs: BTreeMap<String, String>) -> Self {
        let parts = pairs.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let parts: Vec<&[u8]> = std::iter::once(&b"prov-kms context v1"[..]).chain(parts).collect();
        let hash = digest(&SHA256, &framed(&parts));
        let mut digest = [0; 32];
        digest.copy_from_slice(hash.as_ref());
        Self { pairs, digest }
    }
}

impl Default for EncryptionContext {
    fn default() -> Self {
        Self::empty()
    }
}

/// The names only: values say whose data it is.
impl fmt::Debug for EncryptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.pairs.keys()).finish()
    }
}

fn check(name: &str, value: &str) -> Result<()> {
    if name.is_empty() {
        return Err(invalid("a name is empty"));
    }
    if name.trim() != name {
        return Err(invalid("a name starts or ends with a space; write `env=prod,service=api`"));
    }
    if name.chars().chain(value.chars()).any(char::is_control) {
        return Err(invalid("control characters are not allowed"));
    }
    Ok(())
}

pub(crate) fn invalid(why: &'static str) -> Error {
    Error::new(codes::CONTEXT_INVALID).field("context", why)
}
