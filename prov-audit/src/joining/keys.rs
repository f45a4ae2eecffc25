//! What a log of another node is believed by.

use super::part::Refused;
use super::{JoinAlarmKind, JoinOptions};
use crate::journal::Stub;
use crate::note::{Checkpoint, CosignerKey, VerifierKey, open};

/// The keys of a log: all that is taken in of it must be signed with each of them.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// The one that it showed first, or that was given.
    pub(crate) first: VerifierKey,
    /// The one for ML-DSA-44, where it was given.
    pub(crate) second: Option<CosignerKey>,
}

impl Keys {
    pub(super) fn new(first: VerifierKey, options: &JoinOptions) -> Self {
        let second = options.ml_dsa_44.iter().find(|key| key.name() == first.name()).cloned();
        Self { first, second }
    }

    /// Reads a checkpoint of the log; `what` it is for whoever is told that it is none.
    pub(super) fn open(&self, note: &str, what: &str) -> Result<Checkpoint, Refused> {
        let checkpoint = open(note, &self.first).ok_or_else(|| forged(what, FIRST))?;
        match &self.second {
            // Who made it has the first key, and so much it proves.
            Some(second) if second.check(&checkpoint).is_err() => {
                Err(forged(what, SECOND).signed(&checkpoint))
            }
            _ => Ok(checkpoint),
        }
    }

    /// Reads the statement of how far the log is pruned.
    pub(super) fn open_stub(&self, note: &str) -> Result<Stub, Refused> {
        let what = "the statement of what was pruned";
        let stub = Stub::open(note, &self.first).ok_or_else(|| forged(what, FIRST))?;
        match &self.second {
            Some(second) if !stub.is_seconded(second) => Err(forged(what, SECOND)),
            _ => Ok(stub),
        }
    }
}

const FIRST: &str = "the log's key";
const SECOND: &str = "the log's key for ML-DSA-44";

fn forged(what: &str, key: &str) -> Refused {
    Refused::new(JoinAlarmKind::Forged, format!("{what} is not signed with {key}"))
}
