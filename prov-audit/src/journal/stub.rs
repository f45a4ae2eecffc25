//! How far a log was pruned: a statement, signed with the log's key, that stands in the place of what
//! is gone.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::files::read_if_there;
use crate::merkle::Hash;
use crate::note::{
    Checkpoint, CosignerKey, SigningKey, VerifierKey, is_seconded, open_text, sign_text,
};

/// The file's name in the log's directory.
pub(crate) const FILE: &str = "pruned";

/// The first line: no checkpoint begins with it.
const KIND: &str = "prov.dev/audit-pruned/v1";

/// What the statement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stub {
    /// The number of the oldest record that is kept.
    pub(crate) before: u64,
    /// The root over all records before it.
    pub(crate) root: Hash,
    /// When it was said.
    pub(crate) at: Timestamp,
    /// The signed note.
    pub(crate) note: String,
}

impl Stub {
    pub(crate) fn sign(key: &SigningKey, before: u64, root: Hash, at: Timestamp) -> Self {
        let (origin, root_text) = (key.verifier().name(), STANDARD.encode(root));
        let note = sign_text(key, &format!("{KIND}\n{origin}\n{before}\n{root_text}\n{at}\n"));
        Self { before, root, at, note }
    }

    /// Reads a signed statement about the log of this key; `None` for anything else.
    pub(crate) fn open(note: &str, key: &VerifierKey) -> Option<Self> {
        let text = open_text(note, key)?;
        let mut lines = text.lines();
        let known = lines.next() == Some(KIND) && lines.next() == Some(key.name());
        let before = lines.next()?;
        let before = before.parse().ok().filter(|n: &u64| n.to_string() == before)?;
        let root = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
        let at = lines.next()?.parse().ok()?;
        known.then(|| Self { before, root, at, note: note.to_owned() })
    }

    /// What it says of the log, as a checkpoint would.
    pub(super) fn as_checkpoint(&self, origin: &str) -> Checkpoint {
        let (origin, note) = (origin.to_owned(), self.note.clone());
        Checkpoint { origin, size: self.before, root: self.root, note }
    }

    /// Whether the log signed it with this key for ML-DSA-44 too.
    pub(crate) fn is_seconded(&self, key: &CosignerKey) -> bool {
        is_seconded(key, &self.as_checkpoint(key.name()), self.at)
    }

    /// The statement in a log's directory: none, one that is signed, or something else (`Err(())`).
    pub(crate) fn read(dir: &Path, key: &VerifierKey) -> io::Result<Result<Option<Self>, ()>> {
        let Some(bytes) = read_if_there(&dir.join(FILE))? else { return Ok(Ok(None)) };
        let stub = String::from_utf8(bytes).ok().and_then(|note| Self::open(&note, key));
        Ok(stub.map(Some).ok_or(()))
    }
}

#[cfg(test)]
mod tests {
    use prov_core::SecretBytes;

    use super::*;
    use crate::note::sign;

    #[test]
    fn a_statement_opens_with_its_key_and_is_no_checkpoint() {
        let key = SigningKey::from_seed("a.example/log", &SecretBytes::new(vec![1; 32])).unwrap();
        let stub = Stub::sign(&key, 42, [9; 32], Timestamp::UNIX_EPOCH);
        assert_eq!(Stub::open(&stub.note, key.verifier()), Some(stub.clone()));
        assert!(Checkpoint::open(&stub.note, key.verifier()).is_err());
        assert!(Stub::open(&sign(&key, 42, [9; 32]).note, key.verifier()).is_none());
        for at in 0..stub.note.len() {
            let mut bytes = stub.note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(Stub::open(&text, key.verifier()).is_none(), "byte {at}");
        }
    }
}
