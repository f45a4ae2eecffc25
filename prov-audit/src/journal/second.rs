//! Signing with ML-DSA-44 as well: beginning with it, and not believing what should have it and has not.

use prov_core::{Error, Result};

use super::JournalOptions;
use super::recovery::Recovered;
use super::stub::{self, Stub};
use crate::codes;
use crate::files::{io_error, write_whole};
use crate::merkle::Hash;
use crate::note::{Checkpoint, sign};

/// The file with the public key, in the log's directory.
pub(crate) const FILE: &str = "log-ml-dsa-44.vkey";

impl JournalOptions {
    /// Signs that the log has `size` events with this root, with every key it has.
    pub(super) fn sign(&self, size: u64, root: Hash) -> Result<Checkpoint> {
        let signed = sign(&self.key, size, root);
        match &self.second {
            Some(second) => second.second(signed),
            None => Ok(signed),
        }
    }

    /// Signs a statement of pruning for the second time, where the log does that.
    pub(super) fn second(&self, mut stub: Stub) -> Result<Stub> {
        if let Some(second) = &self.second {
            let pruned = stub.as_checkpoint(self.key.verifier().name());
            stub.note.push_str(&second.second_pruning(&pruned, stub.at)?);
        }
        Ok(stub)
    }

    /// Of a log as it was found: that the second signature is under what was signed last, if it must be,
    /// and puts it there if it is not there yet.
    pub(super) fn settle_second(&self, found: &mut Recovered) -> Result<()> {
        let Some(second) = &self.second else { return Ok(()) };
        let (key, own) = (second.key(), self.key.verifier());
        let failed = |e| io_error(e, "signing the log with ML-DSA-44");
        let path = self.dir.join(FILE);
        write_whole(&path, format!("{key}\n").as_bytes(), true).map_err(failed)?;
        let is_signed = found.published.as_ref().is_some_and(|known| key.check(known).is_ok());
        let stub_is_signed = found.stub.as_ref().is_none_or(|stub| stub.is_seconded(key));
        if second.is_in_force && !(is_signed && stub_is_signed) {
            return Err(Error::new(codes::DAMAGED).detail(
                "what the audit log signed last is gone, or not signed with its key for ML-DSA-44, and \
                 was: it is not what the log wrote; verify it with that key to see more",
            ));
        }
        if key.check(&found.checkpoint).is_err() {
            found.checkpoint.note = found.checkpoint.alone(own);
            found.checkpoint = second.second(found.checkpoint.clone())?;
        }
        if let Some(stub) = found.stub.take_if(|_| !stub_is_signed) {
            let alone = stub.as_checkpoint(own.name()).alone(own);
            let stub = self.second(Stub { note: alone, ..stub })?;
            write_whole(&self.dir.join(stub::FILE), stub.note.as_bytes(), true).map_err(failed)?;
            found.stub = Some(stub);
        }
        Ok(())
    }
}
