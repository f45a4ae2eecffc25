//! Taking the oldest records away.

use std::fs;
use std::io;
use std::path::Path;

use super::stub::{self, Stub};
use crate::files::{sync_parent, write_whole};
use crate::merkle::TILE_WIDTH;
use crate::segment;
use crate::tiles::{Kind, TileFiles};

/// Takes away what the statement says is gone: first it is durable, then the files go. Hash tiles
/// stay: with them every proof still holds.
pub(super) fn prune(dir: &Path, stub: &Stub) -> io::Result<()> {
    write_whole(&dir.join(stub::FILE), stub.note.as_bytes(), true)?;
    finish(dir, stub)
}

/// Takes away what a crash left of it.
pub(super) fn finish(dir: &Path, stub: &Stub) -> io::Result<()> {
    let gone: Vec<u64> =
        segment::list(dir)?.into_iter().filter(|first| *first < stub.before).collect();
    let tiles = TileFiles::new(dir);
    // The bundle with the oldest record that is kept stays whole. Downwards: what an earlier call took
    // away ends it.
    let mut index = stub.before / TILE_WIDTH as u64;
    while let Some(before) = index.checked_sub(1) {
        index = before;
        let bundle = tiles.file(Kind::Entries, index, TILE_WIDTH);
        match fs::remove_file(&bundle) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
        if index.is_multiple_of(1000)
            && let Some(folder) = bundle.parent()
        {
            // Stays when it is not empty.
            let _ = fs::remove_dir(folder);
        }
    }
    // Upwards: what is left is always the end of the log.
    for first in &gone {
        fs::remove_file(segment::file(dir, *first))?;
    }
    match gone.last() {
        Some(last) => sync_parent(&segment::file(dir, *last)),
        None => Ok(()),
    }
}
