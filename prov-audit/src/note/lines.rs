//! A signed note taken apart (C2SP signed-note): its text, and its signature lines.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A signed note has at most so many signatures: others are not read.
const MOST: usize = 100;

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line<'n> {
    /// The line as it stands, without its line break.
    pub(crate) text: &'n str,
    /// The name of the key.
    pub(crate) name: &'n str,
    /// The id of the key.
    pub(crate) id: [u8; 4],
    /// What the key made.
    pub(crate) signature: Vec<u8>,
}

/// The text of a note, with its last line break, and its signatures. `None` when it is no note.
pub(crate) fn split(note: &str) -> Option<(&str, Vec<Line<'_>>)> {
    let at = note.find("\n\n")?;
    let (text, signatures) = (note.get(..=at)?, note.get(at + 2..)?);
    Some((text, lines(signatures)?))
}

/// Signature lines, each of which ends with a line break. `None` when one is malformed.
pub(crate) fn lines(text: &str) -> Option<Vec<Line<'_>>> {
    let lines: Vec<&str> = text.strip_suffix('\n')?.split('\n').take(MOST + 1).collect();
    if lines.len() > MOST {
        return None;
    }
    lines.into_iter().map(line).collect()
}

fn line(text: &str) -> Option<Line<'_>> {
    let (name, signature) = text.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    Some(Line { text, name, id: *id, signature: signature.to_vec() })
}
