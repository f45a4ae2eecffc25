//! Taking the oldest records away.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::Path;

use super::stub::{self, Stub};
use crate::disk::{self, File};
use crate::files::{sync_parent, write_whole};
use crate::merkle::TILE_WIDTH;
use crate::segment;
use crate::tiles::{Kind, TileFiles};

/// Says what is gone: durably, before any of it goes. Whoever looks for it is told so by the statement.
pub(super) fn state(dir: &Path, stub: &Stub) -> io::Result<()> {
    write_whole(&dir.join(stub::FILE), stub.note.as_bytes(), true)
}

/// Whether this is what is said.
pub(super) fn states(dir: &Path, stub: &Stub) -> bool {
    disk::read(dir.join(stub::FILE)).is_ok_and(|there| there == stub.note.as_bytes())
}

/// Takes away what the statement says is gone, or what a crash left of it. Hash tiles stay: with them every proof
/// still holds. Bundles go first, and durably: as long as there is a segment,
/// some may be left; when there is none, they are gone.
pub(super) fn finish(dir: &Path, stub: &Stub) -> io::Result<()> {
    let gone: Vec<u64> =
        segment::list(dir)?.into_iter().filter(|first| *first < stub.before).collect();
    let (Some(first), Some(last)) = (gone.first(), gone.last()) else { return Ok(()) };
    // The bundle with the oldest record that is kept stays whole.
    remove_bundles(dir, first / TILE_WIDTH as u64..stub.before / TILE_WIDTH as u64)?;
    for first in &gone {
        disk::remove_file(segment::file(dir, *first))?;
    }
    sync_parent(&segment::file(dir, *last))
}

fn remove_bundles(dir: &Path, indexes: Range<u64>) -> io::Result<()> {
    let tiles = TileFiles::new(dir);
    let mut folders = BTreeSet::new();
    for index in indexes {
        let bundle = tiles.file(Kind::Entries, index, TILE_WIDTH);
        match disk::remove_file(&bundle) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        folders.extend(bundle.parent().map(Path::to_owned));
    }
    for folder in folders.iter().filter(|folder| disk::exists(folder)) {
        File::open(folder)?.sync_all()?;
        // Stays when it is not empty.
        let _ = disk::remove_dir(folder);
    }
    Ok(())
}
