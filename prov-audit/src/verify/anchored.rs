//! What authorities say of a log.

use std::io;
use std::path::Path;

use super::findings::Findings;
use super::{FindingKind, Trust};
use crate::anchors::{Anchor, Kept, read_all};
use crate::note::{Checkpoint, VerifierKey, open};

/// The checkpoints that were time-stamped, and those of the time stamps that hold.
#[derive(Debug, Default)]
pub(super) struct Anchored {
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) anchors: Vec<Anchor>,
}

/// Reads what was time-stamped. Where the word of authorities is wanted there must be some, and each must
/// hold.
pub(super) fn anchored(
    dir: &Path,
    key: &VerifierKey,
    trust: &Trust,
    findings: &mut Findings,
) -> io::Result<Anchored> {
    let mut tell = |what: String| findings.add(FindingKind::Anchor, None, what);
    let mut found = Anchored::default();
    for kept in read_all(dir)? {
        let name = &kept.name;
        let note = std::str::from_utf8(&kept.note).ok();
        let checkpoint = note.and_then(|note| open(note, key));
        let checkpoint = checkpoint.filter(|c| *name == format!("{:020}.checkpoint", c.size));
        let Some(checkpoint) = checkpoint else {
            tell(format!(
                "`{name}` is not the checkpoint it is called after, signed with this key"
            ));
            continue;
        };
        match stamped(&kept, checkpoint.size, trust) {
            Ok(anchor) => found.anchors.extend(anchor),
            Err(what) => tell(format!("`{name}`: {what}")),
        }
        found.checkpoints.push(checkpoint);
    }
    #[cfg(feature = "timestamps")]
    if trust.time_stamps.is_some() && found.anchors.is_empty() {
        tell("there is no time stamp that holds, and one is wanted".to_owned());
    }
    Ok(found)
}

/// The time stamp of a checkpoint, if it was looked at.
fn stamped(kept: &Kept, size: u64, trust: &Trust) -> Result<Option<Anchor>, String> {
    let answer = kept.answer.as_ref().ok_or("its time stamp is missing")?;
    #[cfg(feature = "timestamps")]
    if let Some(roots) = &trust.time_stamps {
        let time = crate::anchoring::verify_token(answer, &kept.note, None, roots, None)?.time;
        return Ok(Some(Anchor { size, time }));
    }
    let _ = (answer, size, trust);
    Ok(None)
}
