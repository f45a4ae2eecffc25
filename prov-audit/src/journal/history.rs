//! Every checkpoint that was ever signed, in one file, so that a log that was cut back behind one
//! of them is found out.
//!
//! Each entry is a line with its number, the signed note, and an empty line.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::note::{Checkpoint, VerifierKey, open};

/// The file's name in the log's directory.
pub(crate) const FILE: &str = "checkpoints";

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The checkpoints, oldest first.
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// How many bytes of the file they fill; what follows is no whole entry.
    pub(crate) whole_bytes: usize,
    /// Whether a signed checkpoint follows behind them: then what is between is damaged, not torn.
    pub(crate) more_follow: bool,
}

/// Reads entries until the first that is not whole, in order and signed by `key`.
pub(crate) fn parse(bytes: &[u8], key: &VerifierKey) -> History {
    let mut history = History::default();
    // Only whole UTF-8 can be whole entries; a torn one may end within a character.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid).unwrap_or_default()
        }
    };
    let mut rest = text;
    while let Some((entry, length)) = next_entry(rest) {
        let Some(checkpoint) = read_entry(entry, history.checkpoints.len(), key) else { break };
        if history.checkpoints.last().is_some_and(|last| last.size > checkpoint.size) {
            break;
        }
        history.checkpoints.push(checkpoint);
        history.whole_bytes += length;
        rest = rest.get(length..).unwrap_or_default();
    }
    history.more_follow = any_signed(bytes.get(history.whole_bytes..).unwrap_or_default(), key);
    history
}

/// Whether a note signed by `key` stands anywhere in these bytes.
fn any_signed(bytes: &[u8], key: &VerifierKey) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let start = format!("{}\n", key.name());
    text.match_indices(&start).any(|(at, _)| {
        let note = text.get(at..).unwrap_or_default();
        let end = next_entry(note).map_or(note.len(), |(entry, _)| entry.len());
        note.get(..end).is_some_and(|note| open(note, key).is_some())
    })
}

/// An entry ends with the second empty line: the first one stands inside the note.
fn next_entry(text: &str) -> Option<(&str, usize)> {
    let inside = text.find("\n\n")? + 2;
    let end = inside + text.get(inside..)?.find("\n\n")? + 2;
    Some((text.get(..end - 1)?, end))
}

fn read_entry(entry: &str, number: usize, key: &VerifierKey) -> Option<Checkpoint> {
    let (line, note) = entry.split_once('\n')?;
    if line == number.to_string() { open(note, key) } else { None }
}

/// Appends an entry, durably. `length` is how long the whole entries so far are; what a failed
/// attempt left behind them is cut first.
pub(super) fn append(
    dir: &Path,
    length: u64,
    number: usize,
    checkpoint: &Checkpoint,
) -> io::Result<u64> {
    let entry = format!("{number}\n{}\n", checkpoint.note);
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
