//! The second signature of a log under its own checkpoints, with ML-DSA-44: beside the one with Ed25519,
//! which every tool reads, as a cosigner of the log's own name (C2SP tlog-checkpoint).

use std::sync::Arc;

use jiff::Timestamp;
use prov_core::{Clock, Error, Result, SecretBytes};

use super::cosigner::MlDsa;
use super::{Checkpoint, CosignerKey, VerifierKey, cosigned_at, split};
use crate::codes;

/// What the cosigner is called that says how far a log is pruned. It has the log's key: what it signs is
/// no checkpoint all the same, because the message names the cosigner.
const PRUNING: &str = "/pruned";

/// The key with which a log signs for the second time.
#[derive(Debug)]
pub(crate) struct SecondKey {
    key: MlDsa,
    clock: Arc<dyn Clock>,
    /// Whether everything that was signed last was signed so: the store remembers it. What is found
    /// without is then not the log's own.
    pub(crate) is_in_force: bool,
}

impl SecondKey {
    /// The key of the log of this name, from its 32-byte seed.
    pub(crate) fn from_seed(
        name: &str,
        seed: &SecretBytes,
        clock: Arc<dyn Clock>,
        is_in_force: bool,
    ) -> Result<Self> {
        Ok(Self { key: MlDsa::from_seed(name, seed)?, clock, is_in_force })
    }

    /// The public half.
    pub(crate) fn key(&self) -> &CosignerKey {
        self.key.key()
    }

    /// Adds the second signature to a checkpoint that has the first alone.
    pub(crate) fn second(&self, mut checkpoint: Checkpoint) -> Result<Checkpoint> {
        let line = self.key.cosign(&checkpoint, self.clock.now())?;
        checkpoint.note.push_str(&line);
        Ok(checkpoint)
    }

    /// The second signature under the statement that everything before `pruned` is gone.
    pub(crate) fn second_pruning(&self, pruned: &Checkpoint, at: Timestamp) -> Result<String> {
        self.key.cosign_as(&pruning(self.key()), pruned, at)
    }
}

fn pruning(key: &CosignerKey) -> CosignerKey {
    key.named(format!("{}{PRUNING}", key.name()))
}

/// Whether a statement of pruning, made then, has the second signature.
pub(crate) fn is_seconded(key: &CosignerKey, pruned: &Checkpoint, at: Timestamp) -> bool {
    let Some((text, lines)) = split(&pruned.note) else { return false };
    let time = cosigned_at(&pruning(key), pruned, text, &lines);
    time.is_ok_and(|time| time.is_some_and(|time| time.as_second() == at.as_second().max(1)))
}

impl CosignerKey {
    /// Checks that a log signed its own checkpoint with this key of its for ML-DSA-44 too.
    ///
    /// # Errors
    /// [`codes::BAD_VERIFIER_KEY`] for a key of another log or algorithm;
    /// [`core_codes::INVALID_REQUEST`](prov_core::codes::INVALID_REQUEST) when it did not.
    pub fn check_second(&self, checkpoint: &Checkpoint) -> Result<Timestamp> {
        if !self.is_ml_dsa_44() || self.name() != checkpoint.origin {
            return Err(Error::new(codes::BAD_VERIFIER_KEY)
                .detail("the second key is no key for ML-DSA-44 of this log"));
        }
        self.check(checkpoint)
    }
}

impl Checkpoint {
    /// The note with the signature of the log's key alone: the others are of those that know it already.
    pub(crate) fn alone(&self, key: &VerifierKey) -> String {
        let Some((text, lines)) = split(&self.note) else { return self.note.clone() };
        let own = lines.iter().filter(|line| key.claims(line));
        let own: String = own.flat_map(|line| [line.text, "\n"]).collect();
        format!("{text}\n{own}")
    }

    /// Whether both say the same, whoever else signed.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        (self.size, &self.root, &self.origin) == (other.size, &other.root, &other.origin)
    }
}

#[cfg(test)]
mod tests {
    use prov_core::SystemClock;

    use super::*;
    use crate::note::{SigningKey, open, sign};

    #[test]
    fn the_second_signature_holds_beside_the_first_and_for_one_thing_only() {
        let seed = SecretBytes::new(vec![1; 32]);
        let first = SigningKey::from_seed("a.example/log", &seed).unwrap();
        let clock = Arc::new(SystemClock::new());
        let second = SecondKey::from_seed("a.example/log", &seed, clock, false).unwrap();
        let (plain, other) = (sign(&first, 42, [9; 32]), sign(&first, 43, [9; 32]));
        let both = second.second(plain.clone()).unwrap();
        assert!(second.key().check(&both).is_ok());
        assert!(second.key().check(&plain).unwrap_err().to_string().contains("is not signed with"));
        assert_eq!(open(&both.note, first.verifier()).unwrap(), both);
        assert_eq!(both.alone(first.verifier()), plain.note);
        assert!(both.is_of(&plain) && !both.is_of(&other));
        let line = both.note.strip_prefix(&plain.note).unwrap();
        let moved = Checkpoint { note: other.note.clone() + line, ..other };
        assert!(second.key().check(&moved).is_err(), "of another checkpoint");
        // What says that events are gone is no checkpoint, and a checkpoint says nothing of the kind.
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        assert!(!is_seconded(second.key(), &both, at));
        let line = second.second_pruning(&plain, at).unwrap();
        let pruned = Checkpoint { note: plain.note.clone() + &line, ..plain };
        assert!(is_seconded(second.key(), &pruned, at));
        assert!(!is_seconded(second.key(), &pruned, Timestamp::UNIX_EPOCH));
        assert!(second.key().check(&pruned).is_err());
    }
}
