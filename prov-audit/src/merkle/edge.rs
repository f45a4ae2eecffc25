use super::{Hash, complete_root, empty_root, node_hash};

/// Hashes in a full tile (C2SP tlog-tiles: height 8).
pub(crate) const TILE_WIDTH: usize = 256;
const TILE_WIDTH_U64: u64 = 256;

/// One tile: `hashes` at tile level `level`, at place `index`, full or partial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) level: u8,
    pub(crate) index: u64,
    pub(crate) hashes: Vec<Hash>,
}

/// The right edge of a growing tree: of every tile level the hashes that fill no tile yet. Enough to
/// append (two hashes for each leaf, amortised) and to know the root.
#[derive(Debug, Clone, Default)]
pub(crate) struct TreeEdge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl TreeEdge {
    /// The edge of a tree of `size` leaves whose partial tiles are these, lowest level first. `None`
    /// when their widths are not what the size says.
    pub(crate) fn from_partial_tiles(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let mut rest = size;
        for level in &levels {
            if u64::try_from(level.len()).ok()? != rest % TILE_WIDTH_U64 {
                return None;
            }
            rest /= TILE_WIDTH_U64;
        }
        (rest == 0).then_some(Self { size, levels })
    }

    /// How many leaves.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash; tiles that became full are added to `full`.
    pub(crate) fn push(&mut self, leaf: Hash, full: &mut Vec<Tile>) {
        let mut carried = leaf;
        self.size += 1;
        let mut index = self.size;
        for level in 0..=u8::MAX {
            let place = usize::from(level);
            if self.levels.len() <= place {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(place) else { return };
            hashes.push(carried);
            if hashes.len() < TILE_WIDTH {
                return;
            }
            index /= TILE_WIDTH_U64;
            let hashes = std::mem::take(hashes);
            carried = complete_root(&hashes);
            full.push(Tile { level, index: index - 1, hashes });
        }
    }

    /// The partial tiles at this size, lowest level first.
    pub(crate) fn partial_tiles(&self) -> Vec<Tile> {
        let mut index = self.size;
        let mut tiles = Vec::new();
        for (level, hashes) in (0_u8..).zip(&self.levels) {
            index /= TILE_WIDTH_U64;
            if !hashes.is_empty() {
                tiles.push(Tile { level, index, hashes: hashes.clone() });
            }
        }
        tiles
    }

    /// The root of the tree.
    pub(crate) fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        // From the right: every level's hashes are complete subtrees by the bits of their number.
        for hashes in &self.levels {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let width = 1_usize << rest.len().trailing_zeros();
                let (left, last) = rest.split_at(rest.len() - width);
                let subtree = complete_root(last);
                root = Some(root.map_or(subtree, |right| node_hash(&subtree, &right)));
                rest = left;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}
