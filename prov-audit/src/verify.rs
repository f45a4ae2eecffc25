//! Verifying a log from its files alone: no store, no secret, only the public key.
//!
//! Checked are, of every record: frame, CRC-32 and number; its hash against the hash tile and its
//! bytes against the entry bundle; of every tile above: that it follows from the records; of every
//! checkpoint that was ever signed: signature, order and root; of the directory: that nothing is
//! missing and nothing is foreign. Of what was pruned, by a signed statement, the hashes are checked: that
//! they lead to every root that was signed; so they must to the checkpoint that witnesses cosigned. What stands behind the newest checkpoint is covered by CRC-32
//! only, which no signature protects: the report says how many records that are.

mod anchored;
mod findings;
mod pruned;
mod report;
mod seconded;
mod trust;
mod walk;
mod witnessed;

use std::io;
use std::path::Path;
use std::time::Duration;

use prov_core::{Error, Result, codes as core_codes};
pub use report::{Finding, FindingKind, Report};
pub use trust::Trust;

use crate::disk::{self, MetadataExt};
use crate::files::{io_error, read_if_there};
use crate::journal::{HISTORY_FILE, History, Stub, parse_history};
use crate::note::{Checkpoint, VerifierKey, open};
use crate::segment;
use anchored::anchored;
use findings::Findings;
use seconded::Seconded;
use walk::Walk;
use witnessed::cosigned;

/// Verifies the log in `dir` (the directory of one class: `…/standard`) with this key.
///
/// Take the key from somewhere else than the directory: whoever can rewrite the log can rewrite the
/// `log.vkey` that lies beside it. [`key_beside`] reads that one for want of a better.
///
/// What a rollback of the whole directory took away can't be seen in the directory; keep the newest
/// checkpoint elsewhere, and compare [`Report::signed_size`].
///
/// # Errors
/// When `dir` can't be read at all. Everything that is wrong with the log is in the report.
pub fn verify(dir: &Path, key: &VerifierKey) -> Result<Report> {
    run(dir, key, None, &Trust::default())
}

/// As [`verify`](fn@verify), and the word of others is wanted too.
///
/// # Errors
/// As [`verify`](fn@verify).
pub fn verify_with(dir: &Path, key: &VerifierKey, trust: &Trust) -> Result<Report> {
    run(dir, key, None, trust)
}

/// The key that lies beside a log: it proves that the log is whole in itself, not whose it is.
///
/// # Errors
/// When there is none, or it is no key.
pub fn key_beside(dir: &Path) -> Result<VerifierKey> {
    let text = std::fs::read_to_string(dir.join("log.vkey"))
        .map_err(|e| Error::new(core_codes::NOT_FOUND).detail("there is no log here").source(e))?;
    text.parse()
}

/// As [`verify_with`], of a log that is written meanwhile: records up to `durable` are looked at.
pub(crate) fn verify_open(
    dir: &Path,
    key: &VerifierKey,
    durable: u64,
    trust: &Trust,
) -> Result<Report> {
    run(dir, key, Some(durable), trust)
}

/// In a log that is written meanwhile a partial tile may be missing because a newer checkpoint replaced
/// it, or be there for one that is about to be signed. A log that changed while something seemed wrong
/// with it is looked at again as one that does.
fn run(dir: &Path, key: &VerifierKey, durable: Option<u64>, trust: &Trust) -> Result<Report> {
    let state = || state_of(dir).map_err(|e| io_error(e, "reading the log"));
    let before = state()?;
    let report = look(dir, key, durable, trust)?;
    if report.intact || durable.is_some() || state()? == before {
        return Ok(report);
    }
    look(dir, key, Some(u64::MAX), trust)
}

/// What changes in the directory of a log when it grows: its checkpoint, and its last segment.
fn state_of(dir: &Path) -> io::Result<impl PartialEq + use<>> {
    // What can't be listed is told by whoever reads it.
    let last = segment::list(dir).ok().and_then(|all| all.last().copied());
    let file = last.and_then(|first| disk::metadata(segment::file(dir, first)).ok());
    let written = file.map(|file| (file.mtime(), file.mtime_nsec()));
    Ok((read_if_there(&dir.join("checkpoint"))?, last, written))
}

fn look(dir: &Path, key: &VerifierKey, durable: Option<u64>, trust: &Trust) -> Result<Report> {
    let unreadable = |e| io_error(e, "reading the log");
    let mut findings = Findings::new(dir);
    // Before the list of all that were signed: a log may be written meanwhile.
    let policy = trust.witnesses.as_ref();
    let witnessed = cosigned(dir, key, policy, &mut findings).map_err(unreadable)?;
    let anchored = anchored(dir, key, trust, &mut findings).map_err(unreadable)?;
    let (published, mut history) =
        checkpoints(dir, key, durable.is_some(), &mut findings).map_err(unreadable)?;
    let newest = history.checkpoints.last().cloned();
    let beside = read_if_there(&dir.join("log.vkey")).map_err(unreadable)?;
    if beside != Some(format!("{key}\n").into_bytes()) {
        let what = "the key beside the log is not the one it is verified with";
        findings.add(FindingKind::Key, None, what.to_owned());
    }
    let stub = Stub::read(dir, key).map_err(unreadable)?.unwrap_or_else(|()| {
        let what =
            "the statement of how far the log is pruned is damaged, or not signed with this key";
        findings.add(FindingKind::Pruned, None, what.to_owned());
        None
    });
    for second in trust.seconds(key.name(), published.as_ref()) {
        let seconded = Seconded { dir, first: key, second };
        let (published, newest) = (published.as_ref(), newest.as_ref());
        seconded.check(published, newest, stub.as_ref(), &mut findings).map_err(unreadable)?;
    }
    let checkpoints = history.checkpoints.len();
    let cosigned = witnessed.checkpoint.iter().map(|cosigned| (FindingKind::Witness, cosigned));
    let stamped = anchored.checkpoints.iter().map(|stamped| (FindingKind::Anchor, stamped));
    for (kind, vouched) in cosigned.chain(stamped) {
        let at = history.checkpoints.partition_point(|known| known.size < vouched.size);
        if at == history.checkpoints.len() {
            let size = vouched.size;
            let what = format!("others vouch for {size} events, more than the log has signed");
            findings.add(kind, None, what);
        } else {
            history.checkpoints.insert(at, vouched.clone());
        }
    }
    let mut walk = Walk::new(dir, key.name(), history.checkpoints, durable, findings);
    walk.pruned(stub).map_err(unreadable)?;
    walk.segments().map_err(unreadable)?;
    walk.finish().map_err(unreadable)?;
    let mut report = walk.into_report(key.name(), newest, checkpoints);
    report.cosigned_size = witnessed.checkpoint.map(|cosigned| cosigned.size);
    report.witnessed = witnessed.by;
    report.anchors = anchored.anchors;
    Ok(report)
}

/// A log that is written meanwhile is asked so often for its checkpoints, with so much time between.
const LOOKS: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(20);

/// The checkpoint in its file, and all that were signed. The file must hold the newest: but for a moment when
/// one is signed, which is waited for, and after a crash, when it may hold the one before.
fn checkpoints(
    dir: &Path,
    key: &VerifierKey,
    is_open: bool,
    findings: &mut Findings,
) -> io::Result<(Option<Checkpoint>, History)> {
    let mut tell = |what: String| findings.add(FindingKind::Checkpoint, None, what);
    let mut looks = if is_open { LOOKS } else { 1 };
    loop {
        looks -= 1;
        let published = read_if_there(&dir.join("checkpoint"))?;
        let bytes = read_if_there(&dir.join(HISTORY_FILE))?.unwrap_or_default();
        let history = parse_history(&bytes, key);
        let published = published.and_then(|bytes| String::from_utf8(bytes).ok());
        let published = published.as_deref().and_then(|note| open(note, key));
        let is_whole = history.whole_bytes == bytes.len();
        let place = published.as_ref().and_then(|published| {
            history.checkpoints.iter().rev().position(|known| known.is_of(published))
        });
        if looks > 0 && !(is_whole && place == Some(0)) {
            std::thread::sleep(BETWEEN);
            continue;
        }
        if !is_whole {
            tell(format!("signed checkpoint number {} is damaged", history.next_number));
        }
        match (&published, place) {
            (Some(_), Some(0 | 1)) => {}
            (Some(_), _) => {
                tell("the checkpoint is not the newest of those that were signed".to_owned());
            }
            (None, _) => {
                tell("the checkpoint is missing, damaged or signed with another key".to_owned());
            }
        }
        return Ok((published, history));
    }
}
