//! Merkle trees as in RFC 6962: SHA-256 of `0x00 ‖ leaf` and of `0x01 ‖ left ‖ right`, for any number of leaves.
//!
//! Built level by level, a last node without a neighbour moves up as it is; that is the tree of the RFC, which splits at
//! the greatest power of two below the number of leaves.

use std::ops::Range;

use crate::hash::{self, Digest};

/// Prefix of what is hashed for a leaf.
pub(crate) const LEAF: u8 = 0;
/// Prefix of what is hashed for a node with two children.
pub(crate) const NODE: u8 = 1;

/// A tree with all its levels, the leaves' digests first and the root last.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// A tree over at least one leaf digest.
    pub(crate) fn new(leaves: Vec<Digest>) -> Self {
        assert!(!leaves.is_empty(), "a tree has a leaf");
        let mut levels = vec![leaves];
        while let Some(next) = levels.last().filter(|level| level.len() > 1).map(|level| above(level)) {
            levels.push(next);
        }
        Self { levels }
    }

    pub(crate) fn root(&self) -> Digest {
        self.levels[self.levels.len() - 1][0]
    }

    /// The root over a span of leaves at which the tree splits.
    pub(crate) fn subtree(&self, span: &Range<usize>) -> &Digest {
        let height = span.len().next_power_of_two().trailing_zeros() as usize;
        &self.levels[height][span.start >> height]
    }

    /// The digests beside the way from a leaf to the root, lowest first.
    pub(crate) fn path(&self, leaf: usize) -> Vec<Digest> {
        let neighbour = |(height, level): (usize, &Vec<Digest>)| level.get((leaf >> height) ^ 1).copied();
        self.levels[..self.levels.len() - 1].iter().enumerate().filter_map(neighbour).collect()
    }
}

/// The root over leaf digests, of which there is at least one.
pub(crate) fn root(leaves: Vec<Digest>) -> Digest {
    Tree::new(leaves).root()
}

/// The root to which a leaf digest and its path lead, or None when the path has another length. `leaf` is below `count`.
pub(crate) fn climb(digest: Digest, leaf: usize, count: usize, path: &[Digest]) -> Option<Digest> {
    let mut steps = path.iter();
    let (mut digest, mut place, mut width) = (digest, leaf, count);
    while width > 1 {
        if place ^ 1 < width {
            let beside = steps.next()?;
            digest = if place % 2 == 0 { node(&digest, beside) } else { node(beside, &digest) };
        }
        place /= 2;
        width = width.div_ceil(2);
    }
    steps.next().is_none().then_some(digest)
}

/// Digests in the path of a leaf.
pub(crate) fn path_length(leaf: usize, count: usize) -> usize {
    let (mut place, mut width, mut length) = (leaf, count, 0);
    while width > 1 {
        length += usize::from(place ^ 1 < width);
        place /= 2;
        width = width.div_ceil(2);
    }
    length
}

pub(crate) fn node(left: &Digest, right: &Digest) -> Digest {
    hash::of(&[&[NODE], left, right])
}

fn above(level: &[Digest]) -> Vec<Digest> {
    let (pairs, last) = level.as_chunks::<2>();
    let mut next = vec![[0; 32]; pairs.len()];
    hash::many(NODE, pairs.as_flattened().as_flattened(), 64, &mut next);
    next.extend(last);
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<Digest> {
        (0..count).map(|i| hash::of(&[&[LEAF], &i.to_be_bytes()])).collect()
    }

    /// As the RFC words it.
    fn recursive(leaves: &[Digest]) -> Digest {
        if let [only] = leaves {
            return *only;
        }
        let split = leaves.len().next_power_of_two() / 2;
        node(&recursive(&leaves[..split]), &recursive(&leaves[split..]))
    }

    #[test]
    fn the_root_is_the_rfcs_for_any_number_of_leaves() {
        for count in 1..70 {
            assert_eq!(root(leaves(count)), recursive(&leaves(count)), "{count}");
        }
    }

    #[test]
    fn every_path_leads_to_the_root_and_no_other_does() {
        for count in 1..40 {
            let tree = Tree::new(leaves(count));
            for leaf in 0..count {
                let (digest, path) = (leaves(count)[leaf], tree.path(leaf));
                assert_eq!(path.len(), path_length(leaf, count));
                assert_eq!(climb(digest, leaf, count, &path), Some(tree.root()));
                assert_ne!(climb(digest, (leaf + 1) % count, count, &path), Some(tree.root()).filter(|_| count > 1));
                assert_eq!(climb(digest, leaf, count, &[&path[..], &[digest]].concat()), None);
                if let Some(shorter) = path.len().checked_sub(1) {
                    assert_eq!(climb(digest, leaf, count, &path[..shorter]), None);
                }
            }
        }
    }
}
