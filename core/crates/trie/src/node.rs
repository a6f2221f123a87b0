//! Nodes in memory: immutable once hashed, shared between versions, sized for millions.
//!
//! ```text
//! Tree ─▶ Node ─┬ Leaf    key, depth, value
//!               ├ Ext     key, start..end, child
//!               └ Branch  children, only the occupied ones, ascending by nibble
//! Child = hash of a node, with or without the node in memory | a node whose RLP is under 32 bytes
//! ```
//! A child's hash lives in its parent, so hashing a branch reads one stretch of memory whether or not its children are
//! loaded, and an unloaded child costs no allocation.

use crate::path::nibble;
use crate::value::Value;
use alloy_primitives::B256;
use alloy_trie::EMPTY_ROOT_HASH;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use triomphe::{Arc, ThinArc};

/// What changes about a shared node: notes on its keeping, not its content.
pub(crate) struct Marks {
    /// Generation of the version that made, loaded or read it last.
    touched: AtomicU32,
    /// Whether the disk has it.
    saved: AtomicBool,
}

impl Marks {
    pub(crate) fn new(generation: u32, saved: bool) -> Self {
        Self { touched: AtomicU32::new(generation), saved: AtomicBool::new(saved) }
    }

    pub(crate) fn touch(&self, generation: u32) {
        self.touched.store(generation, Relaxed);
    }

    pub(crate) fn touched(&self) -> u32 {
        self.touched.load(Relaxed)
    }

    pub(crate) fn save(&self) {
        self.saved.store(true, Relaxed);
    }

    pub(crate) fn saved(&self) -> bool {
        self.saved.load(Relaxed)
    }
}

impl Clone for Marks {
    fn clone(&self) -> Self {
        Self::new(self.touched(), self.saved())
    }
}

#[derive(Clone)]
pub(crate) struct Leaf<V> {
    pub(crate) marks: Marks,
    /// Nibbles of `key` above the leaf.
    pub(crate) depth: u8,
    pub(crate) key: B256,
    pub(crate) value: V,
}

/// An extension over nibbles `start..end` of `key`, which is any key that passes through it.
#[derive(Clone)]
pub(crate) struct Ext<V> {
    pub(crate) marks: Marks,
    pub(crate) start: u8,
    pub(crate) end: u8,
    pub(crate) key: B256,
    pub(crate) child: Child<V>,
}

#[derive(Clone)]
pub(crate) struct BranchHead {
    /// Bit i is set when there is a child at nibble i.
    pub(crate) occupied: u16,
    pub(crate) marks: Marks,
}

/// `slice` holds the children, as many as `occupied` has bits.
pub(crate) type Branch<V> = ThinArc<BranchHead, Child<V>>;

#[derive(Clone)]
pub(crate) enum Node<V> {
    Leaf(Arc<Leaf<V>>),
    Ext(Arc<Ext<V>>),
    Branch(Branch<V>),
}

#[derive(Clone)]
pub(crate) enum Child<V> {
    /// A node of its own on disk.
    Hashed { hash: B256, node: Option<Node<V>> },
    /// Part of its parent's RLP.
    Embedded(Node<V>),
}

const _: () = assert!(size_of::<Child<alloy_primitives::U256>>() == 48);

/// A whole trie by its root hash; the root node is always one of its own on disk.
#[derive(Clone)]
pub(crate) struct Tree<V> {
    pub(crate) hash: B256,
    pub(crate) node: Option<Node<V>>,
}

impl<V> Tree<V> {
    pub(crate) fn empty() -> Self {
        Self::on_disk(EMPTY_ROOT_HASH)
    }

    pub(crate) fn on_disk(hash: B256) -> Self {
        Self { hash, node: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hash == EMPTY_ROOT_HASH
    }
}

impl<V> Child<V> {
    /// Stands where a child will be once its hash is known.
    pub(crate) fn pending() -> Self {
        Self::Hashed { hash: B256::ZERO, node: None }
    }

    /// The node, where it is in memory.
    pub(crate) fn node(&self) -> Option<&Node<V>> {
        match self {
            Self::Hashed { node, .. } => node.as_ref(),
            Self::Embedded(node) => Some(node),
        }
    }
}

/// The child of `branch` at `nibble`.
pub(crate) fn branch_child<V>(branch: &Branch<V>, nibble: usize) -> Option<&Child<V>> {
    let occupied = branch.header.header.occupied;
    let below = (occupied & ((1 << nibble) - 1)).count_ones() as usize;
    (occupied >> nibble & 1 == 1).then(|| &branch.slice[below])
}

/// The children of `branch` by nibble.
pub(crate) fn branch_children<V>(branch: &Branch<V>) -> [Option<&Child<V>>; 16] {
    let (occupied, mut children) = (branch.header.header.occupied, branch.slice.iter());
    std::array::from_fn(|nibble| if occupied >> nibble & 1 == 1 { children.next() } else { None })
}

impl<V: Value> Node<V> {
    pub(crate) fn marks(&self) -> &Marks {
        match self {
            Self::Leaf(leaf) => &leaf.marks,
            Self::Ext(ext) => &ext.marks,
            Self::Branch(branch) => &branch.header.header.marks,
        }
    }

    /// Estimate of the memory that the node itself takes, bytes: its allocation, rounded as allocators do.
    pub(crate) fn own_bytes(&self) -> usize {
        let size = match self {
            Self::Leaf(leaf) => size_of::<usize>() + size_of::<Leaf<V>>() + leaf.value.heap_bytes(),
            Self::Ext(_) => size_of::<usize>() + size_of::<Ext<V>>(),
            Self::Branch(branch) => 2 * size_of::<usize>() + size_of::<BranchHead>() + size_of_val(&branch.slice),
        };
        (size + 8).next_multiple_of(16)
    }

    /// `own_bytes` of this node and of everything below it that is in memory, storage tries included.
    pub(crate) fn total_bytes(&self) -> usize {
        let below = match self {
            Self::Leaf(leaf) => leaf.value.storage().and_then(|tree| tree.node.as_ref()).map_or(0, Node::total_bytes),
            Self::Ext(ext) => ext.child.node().map_or(0, Node::total_bytes),
            Self::Branch(branch) => branch.slice.iter().filter_map(Child::node).map(Node::total_bytes).sum(),
        };
        self.own_bytes() + below
    }

    /// Put a child into a node that is not shared yet; `position` counts the occupied nibbles of a branch.
    pub(crate) fn set_child(&mut self, position: usize, child: Child<V>) {
        match self {
            Self::Leaf(_) => unreachable!("leaves have no children"),
            Self::Ext(ext) => unshared(ext).child = child,
            Self::Branch(branch) => branch.with_arc_mut(|arc| unshared(arc).slice_mut()[position] = child),
        }
    }
}

/// The content of a node that only its draft holds.
pub(crate) fn unshared<T: ?Sized>(arc: &mut Arc<T>) -> &mut T {
    Arc::get_mut(arc).expect("a draft is not shared")
}

impl<V> Ext<V> {
    /// Whether `key` runs through the whole extension.
    pub(crate) fn covers(&self, key: &B256) -> bool {
        (self.start as usize..self.end as usize).all(|depth| nibble(&self.key, depth) == nibble(key, depth))
    }
}
