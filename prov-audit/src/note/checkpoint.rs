use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::{Error, Result, codes as core_codes};

use super::lines::split;
use super::{SigningKey, VerifierKey};
use crate::merkle::Hash;

/// What the log vouches for at one moment: so many events, with this root.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// How many events.
    pub size: u64,
    /// The root of the Merkle tree over them (RFC 6962, section 2.1).
    pub root: Hash,
    /// The signed note (C2SP tlog-checkpoint): the three lines above and the signature.
    pub note: String,
}

impl Checkpoint {
    /// Reads a signed note (C2SP tlog-checkpoint) and checks its signature by `key`; other signatures
    /// (witnesses) may stand beside it.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] when it is none, or is not signed with this key.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self> {
        open(note, key).ok_or_else(|| {
            Error::new(core_codes::INVALID_REQUEST)
                .detail("not a checkpoint that is signed with this key")
        })
    }
}

/// Signs that the log has `size` events with this root.
pub(crate) fn sign(key: &SigningKey, size: u64, root: Hash) -> Checkpoint {
    let origin = key.verifier().name().to_owned();
    let note = sign_text(key, &format!("{origin}\n{size}\n{}\n", STANDARD.encode(root)));
    Checkpoint { origin, size, root, note }
}

/// Reads a signed note and checks the signature by `key`; other signatures (witnesses) may stand
/// beside it. `None` when anything is not exactly as it must be.
pub(crate) fn open(note: &str, key: &VerifierKey) -> Option<Checkpoint> {
    let text = open_text(note, key)?;
    let checkpoint = read(&text, note)?;
    (checkpoint.origin == key.name()).then_some(checkpoint)
}

/// The checkpoint that a text is (C2SP tlog-checkpoint), whoever signed it. Lines of extensions may
/// follow; a line that is empty may not.
pub(crate) fn read(text: &str, note: &str) -> Option<Checkpoint> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let origin = lines.next().filter(|origin| !origin.is_empty())?.to_owned();
    let size_text = lines.next()?;
    let size: u64 = size_text.parse().ok().filter(|n: &u64| n.to_string() == size_text)?;
    let root: Hash = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
    lines.all(|line| !line.is_empty()).then(|| Checkpoint {
        origin,
        size,
        root,
        note: note.to_owned(),
    })
}

/// The signed note of a text, which ends with a line break (C2SP signed-note).
pub(crate) fn sign_text(key: &SigningKey, text: &str) -> String {
    let mut signature = key.verifier().id().to_vec();
    signature.extend(key.sign(text.as_bytes()));
    format!("{text}\n\u{2014} {} {}\n", key.verifier().name(), STANDARD.encode(signature))
}

/// The text of a signed note, if it is signed by `key`.
pub(crate) fn open_text(note: &str, key: &VerifierKey) -> Option<String> {
    let (text, lines) = split(note)?;
    let signed = lines.iter().try_fold(false, |found, line| {
        let ours = key.claims(line);
        if ours && !key.verifies(text.as_bytes(), &line.signature) {
            return None;
        }
        Some(found || ours)
    })?;
    signed.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use prov_core::SecretBytes;

    use super::*;

    #[test]
    fn a_note_opens_with_its_key_and_no_changed_byte_does() {
        let key = SigningKey::from_seed("a.example/log", &SecretBytes::new(vec![1; 32])).unwrap();
        let other = SigningKey::from_seed("a.example/log", &SecretBytes::new(vec![2; 32])).unwrap();
        let checkpoint = sign(&key, 42, [9; 32]);
        assert_eq!(open(&checkpoint.note, key.verifier()).unwrap(), checkpoint);
        assert!(open(&checkpoint.note, other.verifier()).is_none());
        for at in 0..checkpoint.note.len() {
            let mut bytes = checkpoint.note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(open(&text, key.verifier()).is_none(), "byte {at}");
        }
    }
}
