//! That a log signed with ML-DSA-44 as well.

use std::io;
use std::path::Path;

use super::FindingKind;
use super::findings::Findings;
use crate::files::read_if_there;
use crate::journal::{SECOND_KEY_FILE, Stub};
use crate::note::{Checkpoint, CosignerKey, VerifierKey};

/// Where the log is held against its second key.
pub(super) struct Seconded<'a> {
    pub(super) dir: &'a Path,
    pub(super) first: &'a VerifierKey,
    pub(super) second: &'a CosignerKey,
}

impl Seconded<'_> {
    /// Wants the second signature under the newest checkpoint, and under what says how far it is pruned.
    /// Of those signed before nothing is wanted: the root of the newest is over all that they speak of.
    pub(super) fn check(
        &self,
        published: Option<&Checkpoint>,
        newest: Option<&Checkpoint>,
        stub: Option<&Stub>,
        findings: &mut Findings,
    ) -> io::Result<()> {
        let mut tell = |kind, what: &str| findings.add(kind, None, what.to_owned());
        if self.second.name() != self.first.name() {
            tell(FindingKind::Key, "the key for ML-DSA-44 is of a log of another name");
            return Ok(());
        }
        let beside = read_if_there(&self.dir.join(SECOND_KEY_FILE))?;
        if beside.is_some_and(|beside| beside != format!("{}\n", self.second).into_bytes()) {
            let what = "the key for ML-DSA-44 beside the log is not the one it is verified with";
            tell(FindingKind::Key, what);
        }
        let Some(published) = published.filter(|known| self.second.check(known).is_ok()) else {
            let what = "the checkpoint is not signed with the log's key for ML-DSA-44";
            tell(FindingKind::Checkpoint, what);
            return Ok(());
        };
        if newest.is_some_and(|newest| !newest.is_of(published)) {
            let what = "the newest checkpoint is not signed with the log's key for ML-DSA-44; after a \
                        crash it is when the log is opened";
            tell(FindingKind::Checkpoint, what);
        }
        if stub.is_some_and(|stub| !stub.is_seconded(self.second)) {
            let what = "the statement of how far the log is pruned is not signed with the log's key for \
                        ML-DSA-44";
            tell(FindingKind::Pruned, what);
        }
        Ok(())
    }
}
