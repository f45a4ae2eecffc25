//! Checkpoints that were signed, in one file, so that a log that was cut back behind one of them is
//! found out.
//!
//! Each entry is a line with its number, the note as the log's key signed it, and an empty line: what
//! others signed, and the log itself with ML-DSA-44, stands under the newest only, in a file of its own. The newest are all there;
//! of older ones fewer, the older the fewer, always the first one. What a checkpoint in between says
//! follows from the next one that is there: the roots of both are those of the same records.

use std::io::{self, Write};
use std::path::Path;

use crate::disk::{self, FileExt, OpenOptions};
use crate::note::{Checkpoint, VerifierKey, open};

/// The file's name in the log's directory.
pub(crate) const FILE: &str = "checkpoints";

/// With more entries than this the file is thinned.
const MOST: usize = 4096;

/// The newest so many entries are never thinned.
const RECENT: u64 = 256;

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The checkpoints, oldest first.
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// The number of the next one.
    pub(crate) next_number: u64,
    /// How many bytes of the file they fill; what follows is no whole entry.
    pub(crate) whole_bytes: usize,
    /// How many of these the newest fills.
    newest_bytes: usize,
    /// Whether a signed checkpoint follows behind them: then what is between is damaged, not torn.
    pub(crate) more_follow: bool,
}

/// Reads entries until the first that is not whole, in order and signed by `key`, or before which one
/// is missing that is never thinned out.
pub(crate) fn parse(bytes: &[u8], key: &VerifierKey) -> History {
    // Only whole UTF-8 can be whole entries; a torn one may end within a character.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid).unwrap_or_default()
        }
    };
    let mut found: Vec<(u64, Checkpoint, usize)> = Vec::new();
    let mut rest = text;
    while let Some((entry, length)) = next_entry(rest) {
        let Some((number, checkpoint)) = read_entry(entry, key) else { break };
        if found.last().is_some_and(|(n, last, _)| *n >= number || last.size > checkpoint.size) {
            break;
        }
        found.push((number, checkpoint, length));
        rest = rest.get(length..).unwrap_or_default();
    }
    let newest = found.last().map_or(0, |(number, ..)| *number);
    let mut history = History::default();
    for (number, checkpoint, length) in found {
        if first_kept(history.next_number, number, newest).is_some() {
            break;
        }
        history.checkpoints.push(checkpoint);
        history.next_number = number + 1;
        history.whole_bytes += length;
        history.newest_bytes = length;
    }
    let rest = bytes.get(history.whole_bytes..).unwrap_or_default();
    history.more_follow = signed_follow(rest, history.next_number, key);
    history
}

/// Of entries so old every how many is kept: all of the newest, then half as many each time that the
/// age doubles. What is kept at some age was kept at every younger one.
fn step(age: u64) -> u64 {
    (age / RECENT).checked_ilog2().map_or(1, |octave| 2 << octave)
}

/// The first number of `from..to` that is kept, when `newest` is the newest.
fn first_kept(from: u64, to: u64, newest: u64) -> Option<u64> {
    let mut number = from;
    while number < to {
        let step = step(newest.saturating_sub(number));
        if number.is_multiple_of(step) {
            return Some(number);
        }
        // Where the younger ones begin, of which more are kept.
        let younger = newest.saturating_sub(RECENT * step / 2) + 1;
        let multiple = (number / step + 1) * step;
        number = if younger > number { multiple.min(younger) } else { multiple };
    }
    None
}

/// Leaves the file with less entries, when there are many. Nothing is thinned of a file that is not
/// whole. Gives its new length, if it has one.
pub(super) fn thin(
    dir: &Path,
    entries: usize,
    key: &VerifierKey,
) -> io::Result<Option<(u64, usize)>> {
    if entries <= MOST {
        return Ok(None);
    }
    let path = dir.join(FILE);
    let bytes = disk::read(&path)?;
    let history = parse(&bytes, key);
    if history.whole_bytes != bytes.len() {
        return Ok(None);
    }
    let newest = history.next_number.saturating_sub(1);
    let (mut kept, mut count, mut rest) =
        (String::new(), 0, std::str::from_utf8(&bytes).unwrap_or_default());
    while let Some((entry, length)) = next_entry(rest) {
        let number = entry.split_once('\n').and_then(|(line, _)| line.parse::<u64>().ok());
        if number.is_some_and(|number| number.is_multiple_of(step(newest - number.min(newest)))) {
            kept.push_str(rest.get(..length).unwrap_or_default());
            count += 1;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    crate::files::write_whole(&path, kept.as_bytes(), true)?;
    Ok(Some((kept.len() as u64, count)))
}

/// Whether behind something that is no whole entry there stands, signed by `key`, one of a higher number
/// than `torn`: that one was written when what is between was durable. Of the newest entry itself the
/// power may have left any part, also all but its beginning.
fn signed_follow(bytes: &[u8], torn: u64, key: &VerifierKey) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let start = format!("{}\n", key.name());
    let notes: Vec<(usize, &str)> = text
        .match_indices(&start)
        .filter_map(|(at, _)| {
            let note = text.get(at..)?;
            let end = next_entry(note).map_or(note.len(), |(entry, _)| entry.len());
            let note = note.get(..end)?;
            open(note, key).map(|_| (at, note))
        })
        .collect();
    // Of one alone its number may tell whether it is the torn one.
    let is_torn_one = |at: usize| {
        let line = text.get(..at).and_then(|before| before.strip_suffix('\n'));
        let number = line.and_then(|line| line.rsplit('\n').next()).unwrap_or_default();
        number.parse::<u64>().map_or(true, |number| number == torn)
    };
    match notes.as_slice() {
        [] => false,
        [(at, _)] => !is_torn_one(*at),
        _ => true,
    }
}

/// An entry ends with the second empty line: the first one stands inside the note.
fn next_entry(text: &str) -> Option<(&str, usize)> {
    let inside = text.find("\n\n")? + 2;
    let end = inside + text.get(inside..)?.find("\n\n")? + 2;
    Some((text.get(..end - 1)?, end))
}

fn read_entry(entry: &str, key: &VerifierKey) -> Option<(u64, Checkpoint)> {
    let (line, note) = entry.split_once('\n')?;
    let number: u64 = line.parse().ok().filter(|n: &u64| n.to_string() == line)?;
    Some((number, open(note, key)?))
}

/// Writes the newest entry again and cuts what follows: whoever wrote it may have been stopped before
/// its sync, or that failed, and what failed to be written once is not tried again by a later sync.
pub(super) fn settle(dir: &Path, history: &History, bytes: &[u8]) -> io::Result<()> {
    let start = history.whole_bytes - history.newest_bytes;
    let Some(newest) = bytes.get(start..history.whole_bytes).filter(|newest| !newest.is_empty())
    else {
        return Ok(());
    };
    let file = OpenOptions::new().write(true).open(dir.join(FILE))?;
    file.write_all_at(newest, start as u64)?;
    file.set_len(history.whole_bytes as u64)?;
    file.sync_all()
}

/// Appends an entry, durably. `length` is how long the whole entries so far are; what a failed
/// attempt left behind them is cut first.
pub(super) fn append(
    dir: &Path,
    length: u64,
    number: u64,
    (checkpoint, key): (&Checkpoint, &VerifierKey),
) -> io::Result<u64> {
    let entry = format!("{number}\n{}\n", checkpoint.alone(key));
    let path = dir.join(FILE);
    let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
    if file.metadata()?.len() != length {
        file.set_len(length)?;
    }
    file.write_all(entry.as_bytes())?;
    file.sync_data()?;
    if length == 0 {
        crate::files::sync_parent(&path)?;
    }
    Ok(length + entry.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prov_core::SecretBytes;

    use super::*;
    use crate::journal::{Journal, JournalOptions, Notices};
    use crate::note::{SigningKey, sign};
    use crate::verify::verify;

    fn key() -> SigningKey {
        SigningKey::from_seed("a.example/log", &SecretBytes::new(vec![1; 32])).unwrap()
    }

    fn entries(numbers: impl IntoIterator<Item = u64>, checkpoint: &Checkpoint) -> String {
        let mut text = String::new();
        for number in numbers {
            text.extend([&number.to_string(), "\n", &checkpoint.note, "\n"]);
        }
        text
    }

    #[test]
    fn what_is_kept_was_kept_before_and_is_little() {
        let kept = |newest: u64| {
            (0..=newest).filter(|n| n.is_multiple_of(step(newest - n))).collect::<Vec<_>>()
        };
        let (mut before, mut newest) = (kept(0), 0);
        for more in [1, 255, 1, 3000, 5000, 7, 40_000, 100_000] {
            newest += more;
            let now = kept(newest);
            let lost: Vec<_> =
                now.iter().filter(|n| **n < newest - more && !before.contains(n)).collect();
            assert!(lost.is_empty(), "{lost:?} at {newest}");
            assert_eq!(now[0], 0);
            assert!(now.ends_with(&(newest.saturating_sub(255)..=newest).collect::<Vec<_>>()));
            for pair in now.windows(2) {
                assert_eq!(first_kept(pair[0] + 1, pair[1], newest), None, "{pair:?} of {newest}");
                assert_eq!(first_kept(pair[0], pair[1], newest), Some(pair[0]));
            }
            before = now;
        }
        assert!(before.len() < 2000, "{}", before.len());
    }

    #[test]
    fn an_entry_that_is_missing_is_noticed_unless_it_was_thinned_out() {
        let (key, root) = (key(), [3; 32]);
        let checkpoint = sign(&key, 7, root);
        let parsed =
            |numbers: Vec<u64>| parse(entries(numbers, &checkpoint).as_bytes(), key.verifier());
        let all: Vec<u64> = (0..1000).collect();
        let thinned: Vec<u64> =
            all.iter().copied().filter(|n| n.is_multiple_of(step(999 - n))).collect();
        for numbers in [&all, &thinned] {
            let history = parsed(numbers.clone());
            assert_eq!((history.checkpoints.len(), history.next_number), (numbers.len(), 1000));
            assert!(!history.more_follow);
        }
        for missing in [0, 100, 990] {
            let history = parsed(thinned.iter().copied().filter(|n| *n != missing).collect());
            assert!(history.more_follow && history.next_number <= missing.max(1), "{missing}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_history_is_thinned_and_the_log_stays_proved() {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            Journal::open(JournalOptions {
                dir: dir.path().to_owned(),
                key: key(),
                second: None,
                segment_bytes: 64 << 10,
                queue_events: 16,
                checkpoint_every: Duration::from_hours(1),
                remembered: None,
                notices: Notices::new(|_| b"{}".to_vec()),
            })
            .unwrap()
        };
        let journal = open();
        journal.append(b"{}".to_vec()).await.unwrap();
        let checkpoint = journal.checkpoint().await.unwrap();
        journal.finish_close();
        drop(journal);
        // As after hours of a checkpoint every two seconds; the first is of the empty log.
        let first = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        let first = next_entry(&first).map(|(entry, _)| format!("{entry}\n")).unwrap();
        let long = first + &entries(1..=MOST as u64 + 50, &checkpoint);
        std::fs::write(dir.path().join(FILE), &long).unwrap();
        let journal = open();
        journal.append(b"{}".to_vec()).await.unwrap();
        let newest = journal.checkpoint().await.unwrap();
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(journal.tampered_file(), None, "our own hand is no tampering");
        journal.append(b"{}".to_vec()).await.unwrap();
        journal.finish_close();
        let thinned = std::fs::read(dir.path().join(FILE)).unwrap();
        let history = parse(&thinned, key().verifier());
        assert!(history.checkpoints.len() < 1500, "{}", history.checkpoints.len());
        assert!(history.checkpoints.contains(&newest));
        assert_eq!((history.next_number, history.whole_bytes), (MOST as u64 + 53, thinned.len()));
        let report = verify(dir.path(), key().verifier()).unwrap();
        assert!(report.intact, "{report:?}");
    }
}
