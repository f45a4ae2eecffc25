use std::ops::Range;
use std::slice::Iter;

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

/// The consistency proof from the tree of `old` leaves to that of `size` (RFC 6962, section 2.1.2);
/// empty when one of them is empty or both are one.
pub(crate) fn consistency_proof(source: &dyn HashSource, old: u64, size: u64) -> Result<Vec<Hash>> {
    let (mut from, mut to, mut whole) = (0, size, true);
    let mut proof = Vec::new();
    if old == 0 || old >= size {
        return Ok(proof);
    }
    while old != to {
        let split = from + split_of(to - from);
        if old <= split {
            proof.push(tree_root(source, split, to)?);
            to = split;
        } else {
            proof.push(tree_root(source, from, split)?);
            from = split;
            whole = false;
        }
    }
    if !whole {
        proof.push(tree_root(source, from, to)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Whether `proof` shows that the tree of `size` leaves with `root` continues the one of `old`
/// leaves with `old_root` (RFC 9162, section 2.1.4.2).
pub(crate) fn verify_consistency(
    (old, old_root): (u64, &Hash),
    (size, root): (u64, &Hash),
    proof: &[Hash],
) -> bool {
    if old == 0 {
        return proof.is_empty() && *old_root == empty_root();
    }
    if old >= size {
        return old == size && old_root == root && proof.is_empty();
    }
    let mut path = proof.iter();
    let start = if old.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(start) = start else { return false };
    let (mut node, mut last) = (old - 1, size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut before, mut after) = (*start, *start);
    for step in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            before = node_hash(step, &before);
            after = node_hash(step, &after);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            after = node_hash(&after, step);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && before == *old_root && after == *root
}

/// The proof that certain leaves are exactly those from `range.start` to `range.end`: the hashes of
/// what stands beside them, from left to right.
pub(crate) fn range_proof(
    source: &dyn HashSource,
    range: &Range<u64>,
    tree: Range<u64>,
) -> Result<Vec<Hash>> {
    if tree.end <= range.start || tree.start >= range.end {
        return Ok(vec![tree_root(source, tree.start, tree.end)?]);
    }
    if tree.start >= range.start && tree.end <= range.end {
        return Ok(Vec::new());
    }
    let split = tree.start + split_of(tree.end - tree.start);
    let mut proof = range_proof(source, range, tree.start..split)?;
    proof.extend(range_proof(source, range, split..tree.end)?);
    Ok(proof)
}

/// The root that follows from the leaves of a range and its proof; `None` when they do not fit.
pub(crate) fn root_of_range(
    leaves: &[Hash],
    range: &Range<u64>,
    size: u64,
    proof: &[Hash],
) -> Option<Hash> {
    let fits = range.start < range.end && range.end <= size;
    if !fits || u64::try_from(leaves.len()).ok()? != range.end - range.start {
        return None;
    }
    let mut beside = proof.iter();
    let root = root_beside(leaves, range, 0..size, &mut beside)?;
    beside.next().is_none().then_some(root)
}

fn root_beside(
    leaves: &[Hash],
    range: &Range<u64>,
    tree: Range<u64>,
    beside: &mut Iter<'_, Hash>,
) -> Option<Hash> {
    if tree.end <= range.start || tree.start >= range.end {
        return beside.next().copied();
    }
    if tree.end - tree.start == 1 {
        return leaves.get(usize::try_from(tree.start - range.start).ok()?).copied();
    }
    let split = tree.start + split_of(tree.end - tree.start);
    let left = root_beside(leaves, range, tree.start..split, beside)?;
    let right = root_beside(leaves, range, split..tree.end, beside)?;
    Some(node_hash(&left, &right))
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
        consistency_and_ranges(&leaves);
        assert_eq!(full.len(), 5);
        assert_eq!(full.last().unwrap().index, 4);
    }

    fn consistency_and_ranges(leaves: &Leaves) {
        let root = |size: u64| naive_root(&leaves.0[..usize::try_from(size).unwrap()]);
        let sizes: Vec<u64> = (0..18).chain([31, 32, 33, 255, 256, 257, 1000, 1300]).collect();
        for &size in &sizes {
            for &old in sizes.iter().filter(|old| **old <= size) {
                let proof = consistency_proof(leaves, old, size).unwrap();
                let (before, after) = (root(old), root(size));
                assert!(verify_consistency((old, &before), (size, &after), &proof), "{old} {size}");
                let wrong = leaf_hash(b"x");
                assert!(!verify_consistency((old, &wrong), (size, &after), &proof), "{old} {size}");
                let same = old == 0 || verify_consistency((old, &before), (size, &wrong), &proof);
                assert_eq!(same, old == 0, "{old} {size}: nothing is said about an empty log");
                for at in 0..proof.len() {
                    let mut cut = proof.clone();
                    cut.remove(at);
                    assert!(!verify_consistency((old, &before), (size, &after), &cut));
                }
                if old < size {
                    let proof = range_proof(leaves, &(old..size), 0..1300).unwrap();
                    let (from, to) =
                        (usize::try_from(old).unwrap(), usize::try_from(size).unwrap());
                    let of = |leaves: &[Hash]| root_of_range(leaves, &(old..size), 1300, &proof);
                    assert_eq!(of(&leaves.0[from..to]), Some(root(1300)), "{old}..{size}");
                    assert_eq!(of(&leaves.0[from + 1..to]), None);
                    let mut other = leaves.0[from..to].to_vec();
                    other[0] = wrong;
                    assert_ne!(of(&other), Some(root(1300)));
                }
            }
        }
    }
}
