//! The Merkle tree of RFC 6962, section 2.1, kept as the right edge of its C2SP tiles.

mod edge;
mod proof;

use aws_lc_rs::digest::{Context, SHA256, digest};
pub(crate) use edge::{TILE_WIDTH, Tile, TreeEdge};
pub(crate) use proof::{
    HashSource, consistency_proof, inclusion_proof, range_proof, root_of_range, tree_root,
    verify_consistency, verify_inclusion,
};

/// A SHA-256 hash: of a leaf, of a node, of a whole tree.
pub type Hash = [u8; 32];

/// The hash of a leaf: SHA-256 of 0x00 and the exact stored bytes (RFC 6962, section 2.1).
pub(crate) fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[0]);
    context.update(leaf);
    to_hash(context.finish().as_ref())
}

/// The hash of a node: SHA-256 of 0x01 and both children.
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    let (_, children) = bytes.split_at_mut(1);
    let (first, second) = children.split_at_mut(32);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    to_hash(digest(&SHA256, &bytes).as_ref())
}

/// The root of a complete subtree over these hashes; their number is a power of two.
pub(crate) fn complete_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [one] => *one,
        [left, right] => node_hash(left, right),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            node_hash(&complete_root(left), &complete_root(right))
        }
    }
}

/// The root of the empty tree: SHA-256 of nothing.
pub(crate) fn empty_root() -> Hash {
    to_hash(digest(&SHA256, b"").as_ref())
}

fn to_hash(bytes: &[u8]) -> Hash {
    bytes.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_and_the_empty_leaf_hash_as_rfc_6962_says() {
        assert_eq!(
            hex::encode(empty_root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            hex::encode(leaf_hash(b"")),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }
}
