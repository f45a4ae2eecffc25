//! The newest checkpoint that enough witnesses cosigned, in a file beside the log.

use std::io;
use std::path::Path;

use crate::files::read_if_there;
#[cfg(feature = "witnesses")]
use crate::files::write_whole;
use crate::note::{Checkpoint, VerifierKey, open};

/// The file's name in the log's directory.
pub(crate) const FILE: &str = "cosigned";

/// What is kept: nothing, a checkpoint of this log, or something else (`Err(())`).
pub(crate) fn read(dir: &Path, key: &VerifierKey) -> io::Result<Result<Option<Checkpoint>, ()>> {
    let Some(bytes) = read_if_there(&dir.join(FILE))? else { return Ok(Ok(None)) };
    let checkpoint = String::from_utf8(bytes).ok().and_then(|note| open(&note, key));
    Ok(checkpoint.map(Some).ok_or(()))
}

/// Keeps a checkpoint with its cosignatures, durably.
#[cfg(feature = "witnesses")]
pub(crate) fn write(dir: &Path, note: &str) -> io::Result<()> {
    write_whole(&dir.join(FILE), note.as_bytes(), true)
}
