//! Room that is kept for the day the disk is full, so that this too can be written down.
//!
//! A small segment file that was written ahead: overwriting it needs no further room (on file systems
//! that write in place). When nothing else fits it becomes the next segment, with the one event
//! that says so.

use std::io;
use std::path::{Path, PathBuf};

use super::writer::preallocate;
use crate::disk::{self, File, FileExt, OpenOptions};
use crate::files::sync_parent;
use crate::segment;

/// How much room: more than header and event need.
const BYTES: u64 = 16 << 10;

fn path(dir: &Path) -> PathBuf {
    segment::folder(dir).join("reserve.tmp")
}

/// Sets the room aside.
pub(super) fn make(dir: &Path) -> io::Result<()> {
    let file = File::create(path(dir))?;
    let made = preallocate(&file, 0, BYTES);
    if made.is_err() {
        give_up(dir);
    }
    made
}

/// Makes the reserve the segment that starts at `first_seq`, with these bytes in it. They are
/// durable when this returns, and the second part of the answer says whether its name is.
pub(super) fn use_up(
    dir: &Path,
    first_seq: u64,
    bytes: &[u8],
) -> io::Result<(File, io::Result<()>)> {
    if bytes.len() as u64 > BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let reserve = path(dir);
    let file = OpenOptions::new().write(true).open(&reserve)?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    let segment = segment::file(dir, first_seq);
    disk::rename(&reserve, &segment)?;
    Ok((file, sync_parent(&segment)))
}

/// Forgets the reserve: the log is closed.
pub(super) fn give_up(dir: &Path) {
    // There may be none.
    let _ = disk::remove_file(path(dir));
}
