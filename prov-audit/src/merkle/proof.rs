use super::{Hash, empty_root, node_hash};
use prov_core::Result;

/// Where the hashes of complete subtrees come from: the one over `2^level` leaves that is the
/// `index`-th of its level.
pub(crate) trait HashSource {
    /// The hash.
    fn subtree(&self, level: u32, index: u64) -> Result<Hash>;
}

/// The root over the leaves `from..to` (RFC 6962, section 2.1).
pub(crate) fn tree_root(source: &dyn HashSource, from: u64, to: u64) -> Result<Hash> {
    let width = to - from;
    if width == 0 {
        return Ok(empty_root());
    }
    if width.is_power_of_two() && from.is_multiple_of(width) {
        return source.subtree(width.trailing_zeros(), from / width);
    }
    let split = from + split_of(width);
    Ok(node_hash(&tree_root(source, from, split)?, &tree_root(source, split, to)?))
}

/// The inclusion proof of leaf `index` in the tree of `size` leaves, from the leaf upwards
/// (RFC 6962, section 2.1.1).
pub(crate) fn inclusion_proof(source: &dyn HashSource, index: u64, size: u64) -> Result<Vec<Hash>> {
    let (mut from, mut to) = (0, size);
    let mut proof = Vec::new();
    while to - from > 1 {
        let split = from + split_of(to - from);
        if index < split {
            proof.push(tree_root(source, split, to)?);
            to = split;
        } else {
            proof.push(tree_root(source, from, split)?);
            from = split;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Whether `proof` shows that `leaf` is at `index` in the tree of `size` leaves with this root
/// (RFC 9162, section 2.1.3.2).
pub(crate) fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for step in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(step, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// The largest power of two below `width`, which is at least 2.
fn split_of(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::super::{TreeEdge, leaf_hash};
    use super::*;

    /// The definition of RFC 6962, straight from its text.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            many => {
                let (left, right) =
                    many.split_at(usize::try_from(split_of(many.len() as u64)).unwrap());
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    struct Leaves(Vec<Hash>);

    impl HashSource for Leaves {
        fn subtree(&self, level: u32, index: u64) -> Result<Hash> {
            let width = 1_usize << level;
            let from = usize::try_from(index).unwrap() * width;
            Ok(naive_root(&self.0[from..from + width]))
        }
    }

    #[test]
    fn edge_root_and_proofs_agree_with_the_definition() {
        let mut edge = TreeEdge::default();
        let mut leaves = Leaves(Vec::new());
        let mut full = Vec::new();
        for i in 0..1300_u64 {
            let hash = leaf_hash(&i.to_be_bytes());
            leaves.0.push(hash);
            edge.push(hash, &mut full);
            let size = i + 1;
            if size < 20 || size % 97 == 0 || size % 256 < 2 {
                let root = naive_root(&leaves.0);
                assert_eq!(edge.root(), root, "size {size}");
                assert_eq!(tree_root(&leaves, 0, size).unwrap(), root);
                for index in [0, size / 3, size - 1] {
                    let leaf = leaves.0[usize::try_from(index).unwrap()];
                    let proof = inclusion_proof(&leaves, index, size).unwrap();
                    assert!(verify_inclusion(leaf, index, size, &proof, &root));
                    assert!(!verify_inclusion(leaf, index, size, &proof, &leaf_hash(b"x")));
                    assert!(!verify_inclusion(leaf_hash(b"x"), index, size, &proof, &root));
                }
            }
        }
        assert_eq!(full.len(), 5);
        assert_eq!(full.last().unwrap().index, 4);
    }
}
