//! Which nodes go to disk and which stay in memory.
//!
//! A saved node's descendants are all saved, since a node is made together with everything above it. So the walk for
//! unsaved nodes stops at saved ones, and pruning may cut below any saved node.

use crate::NodeSink;
use crate::node::{Branch, Child, Ext, Leaf, Node, Tree};
use crate::path::{nibbles, with_nibble};
use crate::rlp::Scratch;
use crate::value::Value;
use alloy_primitives::B256;
use triomphe::{Arc, ThinArc};

/// Give every node of `tree` that the disk does not have to `sink`, and mark it saved.
pub(crate) fn collect<V: Value>(tree: &Tree<V>, owner: Option<&B256>, sink: &mut NodeSink<'_>) {
    if let Some(node) = &tree.node {
        collect_node(node, owner, B256::ZERO, 0, sink);
    }
}

fn collect_node<V: Value>(node: &Node<V>, owner: Option<&B256>, prefix: B256, depth: usize, sink: &mut NodeSink<'_>) {
    if node.marks().saved() {
        return;
    }
    sink(owner, &nibbles(&prefix)[..depth], Scratch::new().encode(node));
    match node {
        Node::Leaf(leaf) => {
            if let Some(storage) = leaf.value.storage() {
                collect(storage, Some(&leaf.key), sink);
            }
        }
        Node::Ext(ext) => collect_child(&ext.child, owner, ext.key, ext.end as usize, sink),
        Node::Branch(branch) => {
            branch.slice.iter().for_each(Child::prefetch);
            let occupied = branch.header.header.occupied;
            let values = (0..16).filter(|value| occupied >> value & 1 == 1);
            for (value, child) in values.zip(&branch.slice) {
                collect_child(child, owner, with_nibble(prefix, depth, value), depth + 1, sink);
            }
        }
    }
    node.marks().save();
}

fn collect_child<V: Value>(
    child: &Child<V>,
    owner: Option<&B256>,
    prefix: B256,
    depth: usize,
    sink: &mut NodeSink<'_>,
) {
    match child {
        Child::Hashed { node: Some(node), .. } => collect_node(node, owner, prefix, depth, sink),
        // Nothing below an embedded node has a hash.
        Child::Hashed { node: None, .. } | Child::Embedded(_) => {}
    }
}

/// `tree` without the saved nodes that were touched longest ago, so that about `budget` bytes stay in memory.
pub(crate) fn prune<V: Value>(tree: &Tree<V>, generation: u32, budget: usize) -> Tree<V> {
    let mut census = Census { generation, saved: vec![0; AGES * LEVELS], unsaved: 0 };
    census.tree(tree, 0);
    match census.limit(budget) {
        Some(limit) => Pruner { generation, limit }.tree(tree, 0).unwrap_or_else(|| tree.clone()),
        None => tree.clone(),
    }
}

/// How long ago a node was touched, in generations and on a logarithmic scale, then how many nodes are above it. The greatest
/// ranks go first: of nodes that were touched together, such as those of a genesis, the upper ones are the more useful.
type Rank = usize;

/// Levels that are told apart.
const LEVELS: usize = 32;
/// Steps of age that are told apart: four to each power of two.
const AGES: usize = 4 * 33;

fn rank<V: Value>(node: &Node<V>, generation: u32, level: usize) -> Rank {
    // A reader of a younger version may have touched it since: that is age 0.
    let age = (generation.wrapping_sub(node.marks().touched()) as i32).max(0) as u64 + 1;
    let (power, quarter) = (age.ilog2() as usize, (age << 2 >> age.ilog2()) as usize & 3);
    (4 * power + quarter) * LEVELS + level.min(LEVELS - 1)
}

/// Counts the bytes of saved nodes by rank, and those of the others.
struct Census {
    generation: u32,
    saved: Vec<usize>,
    unsaved: usize,
}

impl Census {
    fn tree<V: Value>(&mut self, tree: &Tree<V>, level: usize) {
        if let Some(node) = &tree.node {
            self.node(node, level);
        }
    }

    fn node<V: Value>(&mut self, node: &Node<V>, level: usize) {
        let mut bytes = node.own_bytes();
        let mut below = |child: &Child<V>| match child {
            Child::Hashed { node: Some(node), .. } => self.node(node, level + 1),
            Child::Hashed { node: None, .. } => {}
            // Stays and goes with its parent.
            Child::Embedded(node) => bytes += node.total_bytes(),
        };
        match node {
            Node::Leaf(leaf) => leaf.value.storage().into_iter().for_each(|tree| self.tree(tree, level + 1)),
            Node::Ext(ext) => below(&ext.child),
            Node::Branch(branch) => {
                branch.slice.iter().for_each(Child::prefetch);
                branch.slice.iter().for_each(below);
            }
        }
        if node.marks().saved() {
            self.saved[rank(node, self.generation, level)] += bytes;
        } else {
            self.unsaved += bytes;
        }
    }

    /// The rank from which saved nodes must go, None when all may stay.
    fn limit(&self, budget: usize) -> Option<Rank> {
        let mut kept = self.unsaved;
        self.saved.iter().position(|bytes| {
            kept += bytes;
            *bytes > 0 && kept > budget
        })
    }
}

/// Each method answers with a replacement, or None when all stays as it is.
struct Pruner {
    generation: u32,
    /// From here on saved nodes go.
    limit: Rank,
}

impl Pruner {
    fn tree<V: Value>(&self, tree: &Tree<V>, level: usize) -> Option<Tree<V>> {
        let node = self.stored(tree.node.as_ref()?, level)?;
        Some(Tree { hash: tree.hash, node })
    }

    /// Some(None) when the node goes.
    fn stored<V: Value>(&self, node: &Node<V>, level: usize) -> Option<Option<Node<V>>> {
        if node.marks().saved() && rank(node, self.generation, level) >= self.limit {
            return Some(None);
        }
        self.below(node, level + 1).map(Some)
    }

    fn below<V: Value>(&self, node: &Node<V>, level: usize) -> Option<Node<V>> {
        match node {
            Node::Leaf(leaf) => {
                let storage = self.tree(leaf.value.storage()?, level)?;
                let mut leaf = Leaf::clone(leaf);
                *leaf.value.storage_mut()? = storage;
                Some(Node::Leaf(Arc::new(leaf)))
            }
            Node::Ext(ext) => {
                let child = self.child(&ext.child, level)?;
                let Ext { start, end, key, .. } = **ext;
                Some(Node::Ext(Arc::new(Ext { marks: ext.marks.clone(), start, end, key, child })))
            }
            Node::Branch(branch) => self.branch(branch, level).map(Node::Branch),
        }
    }

    fn child<V: Value>(&self, child: &Child<V>, level: usize) -> Option<Child<V>> {
        match child {
            Child::Hashed { hash, node: Some(node) } => {
                self.stored(node, level).map(|node| Child::Hashed { hash: *hash, node })
            }
            Child::Hashed { node: None, .. } | Child::Embedded(_) => None,
        }
    }

    fn branch<V: Value>(&self, branch: &Branch<V>, level: usize) -> Option<Branch<V>> {
        branch.slice.iter().for_each(Child::prefetch);
        let mut replaced: [Option<Child<V>>; 16] = [const { None }; 16];
        for (slot, child) in replaced.iter_mut().zip(&branch.slice) {
            *slot = self.child(child, level);
        }
        if replaced.iter().all(Option::is_none) {
            return None;
        }
        let children = branch.slice.iter().zip(replaced).map(|(old, new)| new.unwrap_or_else(|| old.clone()));
        Some(ThinArc::from_header_and_iter(branch.header.header.clone(), children))
    }
}
