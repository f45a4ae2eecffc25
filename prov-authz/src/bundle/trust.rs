//! Whose signatures a set needs.

use std::num::NonZeroUsize;

use prov_core::{Error, Result, codes};

use super::Bundle;
use super::key::PublicKey;
use super::manifest::Manifest;
use super::note::Note;
use crate::load::BUNDLE_FILE;
use crate::{Finding, PolicyFiles};

/// No site has more signers.
const MOST_KEYS: usize = 32;

/// The keys that policy sets are signed with, and how many of them a set needs.
///
/// Each signature of a set is tried with each key: a name or a hash that stands beside a signature
/// chooses nothing. A key counts once, however often it signed and under however many names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRoot {
    keys: Vec<PublicKey>,
    threshold: NonZeroUsize,
}

impl TrustRoot {
    /// Sets need the signatures of `threshold` of these keys, `name+hash+base64` each.
    ///
    /// # Errors
    /// [`INVALID_REQUEST`](codes::INVALID_REQUEST) for what is no key, for a key that stands twice
    /// (also under two names), and for a threshold of none or of more than there are.
    pub fn new(keys: impl IntoIterator<Item = impl AsRef<str>>, threshold: usize) -> Result<Self> {
        let refuse = |what: String| Error::new(codes::INVALID_REQUEST).detail(what);
        let mut known: Vec<PublicKey> = Vec::new();
        for text in keys {
            let key = PublicKey::parse(text.as_ref())?;
            if known.iter().any(|other| other.bytes == key.bytes || other.name == key.name) {
                let what = format!("the key or the name of `{}` stands twice", key.name);
                return Err(refuse(what));
            }
            known.push(key);
        }
        let threshold = NonZeroUsize::new(threshold)
            .filter(|threshold| threshold.get() <= known.len() && known.len() <= MOST_KEYS)
            .ok_or_else(|| {
                refuse(format!(
                    "from 1 to {} of the {} trusted keys must sign, not {threshold}",
                    known.len().min(MOST_KEYS),
                    known.len()
                ))
            })?;
        Ok(Self { keys: known, threshold })
    }

    /// Whether a set is signed by enough of the keys, and is what they signed. Whether it is newer
    /// than the one before is for whoever knows that one.
    ///
    /// # Errors
    /// Everything for which it is refused.
    pub fn verify(&self, set: &PolicyFiles) -> Result<Bundle, Vec<Finding>> {
        let refuse =
            |what: String, remedy: &str| Err(vec![Finding::file(BUNDLE_FILE, what, remedy)]);
        let Some(note) = &set.bundle else {
            let remedy = "sign it by `prov policy bundle`; unsigned sets are refused here";
            return refuse("the set is not signed".to_owned(), remedy);
        };
        let parsed = Note::parse(note)
            .and_then(|note| Manifest::parse(note.text).map(|manifest| (note, manifest)));
        let Some((note, manifest)) = parsed else {
            let remedy = "make it by `prov policy bundle create` and `sign`";
            return refuse("this is no signed list of a policy set".to_owned(), remedy);
        };
        let signed = |key: &&PublicKey| {
            note.signatures.iter().any(|signature| key.verifies(note.text, signature))
        };
        let signers: Vec<_> = self.keys.iter().filter(signed).map(|key| key.name.clone()).collect();
        if signers.len() < self.threshold.get() {
            let (found, needed) = (signers.len(), self.threshold);
            let what = format!("{found} trusted signatures, and {needed} are needed");
            return refuse(what, "have it signed by more of those who are trusted");
        }
        // Only now is the list worth anything.
        let differences = manifest.differences(set);
        if !differences.is_empty() {
            return Err(differences);
        }
        Ok(Bundle { version: manifest.version, signers })
    }

    /// As [`verify`](Self::verify), and no older than what was accepted before: the version and the
    /// revision of the newest.
    pub(crate) fn admit(
        &self,
        set: &PolicyFiles,
        newest: Option<&(u64, String)>,
    ) -> Result<(Bundle, String), Vec<Finding>> {
        let bundle = self.verify(set)?;
        let signed = set.bundle.as_deref().and_then(Note::parse);
        let content = signed.map(|note| hex::encode(crate::load::digest_of(note.text)));
        let content = content.unwrap_or_default();
        let Some((version, known)) = newest else { return Ok((bundle, content)) };
        let what = if bundle.version < *version {
            format!("version {} is older than {version}, which was in force", bundle.version)
        } else if bundle.version == *version && content != *known {
            format!("another set had the version {version} already")
        } else {
            return Ok((bundle, content));
        };
        let remedy = "sign it under a higher version; to go back, use `prov policy rollback`";
        Err(vec![Finding::file(BUNDLE_FILE, what, remedy)])
    }
}
