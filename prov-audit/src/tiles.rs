//! The public face of a log: hash tiles and entry bundles (C2SP tlog-tiles).

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use prov_core::{Error, Result};

use crate::codes;
use crate::disk;
use crate::files::{read_if_there, sync_below, write_whole};
use crate::merkle::{Hash, HashSource, TILE_WIDTH, Tile, TreeEdge, complete_root};

const TILE_WIDTH_U64: u64 = 256;

/// What stands in a tile file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Hashes of this tile level.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// The path of a tile below the log's directory: `tile/0/x001/x234/067`, with `.p/5` when only five
/// of its places are filled.
pub(crate) fn path(kind: Kind, index: u64, width: usize) -> String {
    let mut groups = Vec::new();
    let mut rest = index;
    loop {
        groups.push(rest % 1000);
        rest /= 1000;
        if rest == 0 {
            break;
        }
    }
    let mut path = match kind {
        Kind::Hashes(level) => format!("tile/{level}"),
        Kind::Entries => "tile/entries".to_owned(),
    };
    while let Some(group) = groups.pop() {
        path.push_str(if groups.is_empty() { "/" } else { "/x" });
        let _ = write!(path, "{group:03}");
    }
    if width < TILE_WIDTH {
        let _ = write!(path, ".p/{width}");
    }
    path
}

/// An entry bundle: each entry behind its length as two bytes, big-endian.
pub(crate) fn bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        put_entry(&mut bytes, entry);
    }
    bytes
}

/// Puts the next entry into a bundle.
pub(crate) fn put_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    // Longer entries are refused before they get a place in the log.
    let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
    bundle.extend(length.to_be_bytes());
    bundle.extend(entry);
}

/// The entries of a bundle; stops before anything that is not whole.
pub(crate) fn unbundle(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((entry, rest)) = rest.split_at_checked(length) else { break };
        entries.push(entry);
        bytes = rest;
    }
    entries
}

/// The hashes in a tile file.
pub(crate) fn hashes_of(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| hashes.to_vec())
}

/// The tile files of one log.
#[derive(Debug, Clone)]
pub(crate) struct TileFiles {
    dir: PathBuf,
}

impl TileFiles {
    /// The tiles below this log's directory.
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Where a tile lies.
    pub(crate) fn file(&self, kind: Kind, index: u64, width: usize) -> PathBuf {
        self.dir.join(path(kind, index, width))
    }

    /// Publishes a hash tile. It is durable when the file this names is synced.
    pub(crate) fn write_hashes(&self, tile: &Tile) -> io::Result<PathBuf> {
        let file = self.file(Kind::Hashes(tile.level), tile.index, tile.hashes.len());
        write_whole(&file, tile.hashes.as_flattened(), false)?;
        Ok(file)
    }

    /// Publishes a bundle of so many entries. It is durable when the file this names is synced.
    pub(crate) fn write_entries(
        &self,
        index: u64,
        entries: usize,
        bundle: &[u8],
    ) -> io::Result<PathBuf> {
        let file = self.file(Kind::Entries, index, entries);
        write_whole(&file, bundle, false)?;
        Ok(file)
    }

    /// Makes what was published durable, with every name above it.
    pub(crate) fn sync(&self, published: &[PathBuf]) -> io::Result<()> {
        sync_below(&self.dir, published)
    }

    /// Forgets a partial tile that no checkpoint needs any more.
    pub(crate) fn remove(&self, (kind, index, width): (Kind, u64, usize)) {
        let file = self.file(kind, index, width);
        // A partial tile that stays behind does no harm: it says what is true.
        if disk::remove_file(&file).is_ok()
            && let Some(folder) = file.parent()
        {
            let _ = disk::remove_dir(folder);
        }
    }

    /// Forgets the partial tiles of sizes from `from` to `to` that the tree of size `keep` does not
    /// need: what a crash left behind.
    pub(crate) fn sweep(&self, from: u64, to: u64, keep: u64) {
        let kept: Vec<PathBuf> =
            partial_places(keep).into_iter().map(|(k, i, w)| self.file(k, i, w)).collect();
        let (mut first, mut last, mut level) = (from, to, 0);
        while last > 0 {
            (first, last) = (first / TILE_WIDTH_U64, last / TILE_WIDTH_U64);
            let kinds = [Some(Kind::Hashes(level)), (level == 0).then_some(Kind::Entries)];
            for index in first..=last {
                for kind in kinds.into_iter().flatten() {
                    self.sweep_folder(kind, index, &kept);
                }
            }
            level += 1;
        }
    }

    fn sweep_folder(&self, kind: Kind, index: u64, kept: &[PathBuf]) {
        let Some(folder) = self.file(kind, index, 1).parent().map(Path::to_owned) else { return };
        let Ok(entries) = disk::read_dir(&folder) else { return };
        for file in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if !kept.contains(&file) {
                let _ = disk::remove_file(file);
            }
        }
        // Stays when it is not empty.
        let _ = disk::remove_dir(folder);
    }

    /// The hashes of one tile.
    pub(crate) fn read_hashes(
        &self,
        level: u8,
        index: u64,
        width: usize,
    ) -> io::Result<Option<Vec<Hash>>> {
        let bytes = read_if_there(&self.file(Kind::Hashes(level), index, width))?;
        Ok(bytes.and_then(|bytes| hashes_of(&bytes)).filter(|hashes| hashes.len() == width))
    }

    /// The edge of the tree at `size`, from the partial tiles of its checkpoint; `None` when one is
    /// missing or has another width.
    pub(crate) fn edge_at(&self, size: u64) -> io::Result<Option<TreeEdge>> {
        let mut levels = Vec::new();
        let mut rest = size;
        let mut level = 0;
        while rest > 0 {
            let width = usize::try_from(rest % TILE_WIDTH_U64).unwrap_or_default();
            rest /= TILE_WIDTH_U64;
            if width == 0 {
                levels.push(Vec::new());
            } else {
                let Some(hashes) = self.read_hashes(level, rest, width)? else { return Ok(None) };
                levels.push(hashes);
            }
            level += 1;
        }
        Ok(TreeEdge::from_partial_tiles(size, levels))
    }
}

/// The partial tiles of a tree of `size`: kind, index and width.
pub(crate) fn partial_places(size: u64) -> Vec<(Kind, u64, usize)> {
    let mut places = Vec::new();
    let mut rest = size;
    let mut level = 0;
    while rest > 0 {
        let width = usize::try_from(rest % TILE_WIDTH_U64).unwrap_or_default();
        rest /= TILE_WIDTH_U64;
        if width > 0 {
            if level == 0 {
                places.push((Kind::Entries, rest, width));
            }
            places.push((Kind::Hashes(level), rest, width));
        }
        level += 1;
    }
    places
}

/// Subtree hashes of the tree at one checkpoint, read from its tiles.
#[derive(Debug)]
pub(crate) struct TilesAt<'a> {
    pub(crate) files: &'a TileFiles,
    pub(crate) size: u64,
}

impl HashSource for TilesAt<'_> {
    fn subtree(&self, level: u32, index: u64) -> Result<Hash> {
        let damaged = || Error::new(codes::DAMAGED).context("reading a hash tile");
        let tile_level = u8::try_from(level / 8).map_err(|_| damaged())?;
        // The subtree covers 2^(level mod 8) places of one tile.
        let places = 1_u64 << (level % 8);
        let first = index * places;
        let tile = first / TILE_WIDTH_U64;
        let places_at_level = self.size >> (8 * u32::from(tile_level));
        let width = (places_at_level - tile * TILE_WIDTH_U64).min(TILE_WIDTH_U64);
        let width = usize::try_from(width).map_err(|_| damaged())?;
        let hashes = self
            .files
            .read_hashes(tile_level, tile, width)
            .map_err(|e| damaged().source(e))?
            .ok_or_else(damaged)?;
        let from = usize::try_from(first % TILE_WIDTH_U64).map_err(|_| damaged())?;
        let to = from + usize::try_from(places).map_err(|_| damaged())?;
        hashes.get(from..to).map(complete_root).ok_or_else(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(path(Kind::Hashes(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(path(Kind::Hashes(1), 0, 5), "tile/1/000.p/5");
        assert_eq!(path(Kind::Entries, 999, 256), "tile/entries/999");
    }

    #[test]
    fn a_bundle_gives_back_what_was_put_into_it() {
        let long = vec![7; 65_535];
        let entries: [&[u8]; 3] = [b"", b"one", &long];
        assert_eq!(unbundle(&bundle(entries)), entries);
    }
}
