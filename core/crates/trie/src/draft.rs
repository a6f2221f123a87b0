//! Nodes of the next version between the edit that makes them and the hash that closes them.
//!
//! An edit only changes structure and leaves its new nodes here, each with its place. Sealing then hashes them from the
//! deepest level up, a level at a time, so that all nodes of a level, of however many tries, share the lanes of the batch
//! hasher. A draft is settled once it has a parent: from then on it may be sealed, which an edit does now and then while
//! the nodes are still in the processor's cache.

use crate::keccak::Batch;
use crate::node::{Child, Node, unshared};
use crate::rlp::{HASHED_BYTES_MIN, Scratch};
use crate::value::Value;
use alloy_primitives::B256;
use std::cmp::Reverse;

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

/// How many adopted drafts make it worth while to seal them: some hundred kilobytes, and lanes mostly full.
const CROWD: usize = 512;

/// An arena of drafts, of one trie or of many.
pub(crate) struct Drafts<V> {
    list: Vec<Draft<V>>,
    /// Adopted and not sealed.
    waiting: Vec<u32>,
    scratch: Scratch,
    batch: Batch,
    roots: Vec<(u32, B256, Node<V>)>,
    vacated: Vec<(u32, B256, u8)>,
}

impl<V: Value> Drafts<V> {
    pub(crate) fn new() -> Self {
        Self {
            list: Vec::new(),
            waiting: Vec::new(),
            scratch: Scratch::new(),
            batch: Batch::new(),
            roots: Vec::new(),
            vacated: Vec::new(),
        }
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
        self.waiting.push(child);
        let child = &mut self.list[child as usize];
        (child.parent, child.position) = (parent, position as u8);
    }

    /// Whether it is time to seal what can be.
    pub(crate) fn crowded(&self) -> bool {
        self.waiting.len() >= CROWD
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

    /// Hash all drafts that have a parent and hand each node to it.
    pub(crate) fn seal(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_unstable_by_key(|index| Reverse(self.get(*index).depth));
        let mut rest = &waiting[..];
        while let Some(first) = rest.first() {
            let depth = self.get(*first).depth;
            let level;
            (level, rest) = rest.split_at(rest.partition_point(|index| self.get(*index).depth >= depth));
            self.seal_level(level);
        }
        waiting.clear();
        self.waiting = waiting;
    }

    /// Hash everything, then the drafts `roots`: (trie, hash, root node) of each, in any order.
    pub(crate) fn seal_tries(&mut self, roots: &[u32]) -> Vec<(u32, B256, Node<V>)> {
        self.seal();
        self.seal_level(roots);
        std::mem::take(&mut self.roots)
    }

    /// (trie, key, depth) where a stored node gave way to one that is embedded in its parent, of all that was sealed.
    pub(crate) fn into_vacated(self) -> Vec<(u32, B256, u8)> {
        self.vacated
    }

    /// Hash drafts whose children are all sealed.
    fn seal_level(&mut self, level: &[u32]) {
        let Self { list, scratch, batch, roots, vacated, .. } = self;
        for &index in level {
            let draft = &list[index as usize];
            let Some(node) = &draft.node else { continue };
            let rlp = scratch.encode(node);
            if rlp.len() >= HASHED_BYTES_MIN || draft.parent == ROOT {
                batch.push(index, rlp, &mut |index, hash| settle(list, roots, index, Some(hash)));
                continue;
            }
            if draft.stood {
                vacated.push((draft.trie, draft.key, draft.depth));
            }
            settle(list, roots, index, None);
        }
        batch.flush(&mut |index, hash| settle(list, roots, index, Some(hash)));
    }
}

/// Put a finished node (embedded when it has no hash) where it belongs.
fn settle<V: Value>(list: &mut [Draft<V>], roots: &mut Vec<(u32, B256, Node<V>)>, index: u32, hash: Option<B256>) {
    let draft = &mut list[index as usize];
    let Some(node) = draft.node.take() else { return };
    let (parent, position) = (draft.parent, draft.position as usize);
    let child = match hash {
        Some(hash) if parent == ROOT => return roots.push((draft.trie, hash, node)),
        Some(hash) => Child::Hashed { hash, node: Some(node) },
        None => Child::Embedded(node),
    };
    if let Some(parent) = &mut list[parent as usize].node {
        parent.set_child(position, child);
    }
}
