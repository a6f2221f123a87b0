//! Nodes of the next version between the edit that makes them and the hash that closes them.
//!
//! An edit only changes structure and leaves its new nodes here, each with its place. [`Drafts::seal`] then hashes them
//! from the deepest level up, a level at a time, so that all nodes of a level, of however many tries, share the lanes of
//! the batch hasher.

use crate::keccak::Batch;
use crate::node::{Child, Node, unshared};
use crate::path::KEY_NIBBLES;
use crate::rlp::{HASHED_BYTES_MIN, Scratch};
use crate::value::Value;
use alloy_primitives::B256;

/// The place of a draft that is the root of its trie.
const ROOT: u32 = u32::MAX;

pub(crate) struct Draft<V> {
    /// None once sealed.
    node: Option<Node<V>>,
    /// A key that passes through the node.
    pub(crate) key: B256,
    /// Nibbles of `key` above the node.
    pub(crate) depth: u8,
    /// Whether the disk may have an older node at this path.
    pub(crate) stood: bool,
    /// Which of its parent's children it is.
    position: u8,
    /// Index of the draft that is its parent, or `ROOT`.
    parent: u32,
    /// Which trie it belongs to; the caller's number.
    trie: u32,
}

/// An arena of drafts, of one trie or of many.
pub(crate) struct Drafts<V> {
    list: Vec<Draft<V>>,
}

/// What sealing yields beside hashes.
pub(crate) struct Sealed<V> {
    /// (trie, hash, root node) of every trie that has a new root.
    pub(crate) roots: Vec<(u32, B256, Node<V>)>,
    /// (trie, key, depth) where a stored node gave way to one that is embedded in its parent.
    pub(crate) vacated: Vec<(u32, B256, u8)>,
}

impl<V: Value> Drafts<V> {
    pub(crate) fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// The index that the next draft gets.
    pub(crate) fn next(&self) -> u32 {
        self.list.len() as u32
    }

    /// Add a draft as a root until it is adopted.
    pub(crate) fn push(&mut self, node: Node<V>, trie: u32, key: B256, depth: usize, stood: bool) -> u32 {
        let index = self.next();
        self.list.push(Draft { node: Some(node), key, depth: depth as u8, stood, position: 0, parent: ROOT, trie });
        index
    }

    pub(crate) fn get(&self, index: u32) -> &Draft<V> {
        &self.list[index as usize]
    }

    /// Make draft `child` the child of draft `parent` at `position`.
    pub(crate) fn adopt(&mut self, child: u32, parent: u32, position: usize) {
        let child = &mut self.list[child as usize];
        (child.parent, child.position) = (parent, position as u8);
    }

    /// Move a leaf or extension up to `depth`, which lengthens its path; false when it is a branch, which cannot move.
    pub(crate) fn raise(&mut self, index: u32, depth: usize, stood: bool) -> bool {
        let draft = &mut self.list[index as usize];
        match &mut draft.node {
            Some(Node::Leaf(leaf)) => unshared(leaf).depth = depth as u8,
            Some(Node::Ext(ext)) => unshared(ext).start = depth as u8,
            Some(Node::Branch(_)) | None => return false,
        }
        (draft.depth, draft.stood) = (depth as u8, stood);
        true
    }

    /// The value of a draft that is a leaf.
    pub(crate) fn value_mut(&mut self, index: u32) -> Option<&mut V> {
        match &mut self.list[index as usize].node {
            Some(Node::Leaf(leaf)) => Some(&mut unshared(leaf).value),
            _ => None,
        }
    }

    /// Hash everything and hand each node to its parent.
    pub(crate) fn seal(mut self) -> Sealed<V> {
        let mut sealed = Sealed { roots: Vec::new(), vacated: Vec::new() };
        let (mut scratch, mut batch) = (Scratch::new(), Batch::new());
        for level in self.by_level().iter().rev() {
            for &index in level {
                let draft = &mut self.list[index as usize];
                let Some(node) = &draft.node else { continue };
                let rlp = scratch.encode(node);
                if rlp.len() < HASHED_BYTES_MIN && draft.parent != ROOT {
                    if draft.stood {
                        sealed.vacated.push((draft.trie, draft.key, draft.depth));
                    }
                    self.settle(index, None, &mut sealed);
                } else {
                    batch.push(index, rlp, &mut |index, hash| self.settle(index, Some(hash), &mut sealed));
                }
            }
            batch.flush(&mut |index, hash| self.settle(index, Some(hash), &mut sealed));
        }
        sealed
    }

    /// Indices by depth.
    fn by_level(&self) -> Vec<Vec<u32>> {
        let mut levels = vec![Vec::new(); KEY_NIBBLES + 1];
        for (index, draft) in self.list.iter().enumerate() {
            levels[draft.depth as usize].push(index as u32);
        }
        levels
    }

    /// Put a finished node (embedded when it has no hash) where it belongs.
    fn settle(&mut self, index: u32, hash: Option<B256>, sealed: &mut Sealed<V>) {
        let draft = &mut self.list[index as usize];
        let Some(node) = draft.node.take() else { return };
        let (parent, position) = (draft.parent, draft.position as usize);
        let child = match hash {
            Some(hash) if parent == ROOT => return sealed.roots.push((draft.trie, hash, node)),
            Some(hash) => Child::Hashed { hash, node: Some(node) },
            None => Child::Embedded(node),
        };
        if let Some(parent) = &mut self.list[parent as usize].node {
            parent.set_child(position, child);
        }
    }
}
