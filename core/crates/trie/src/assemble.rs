//! The shape of the new version: branches out of what an edit left at their nibbles, and the paths that lead to them.
//!
//! A branch with one child left is no branch: its child takes its place with a longer path, wherever that child comes from.
//! ```text
//! child left   leaf          ext            branch
//! becomes      leaf, longer  ext, longer    ext of one nibble over it
//! ```

use crate::edit::{Edited, Editor, Rule};
use crate::node::{BranchHead, Child, Ext, Leaf, Marks, Node};
use crate::path::with_nibble;
use alloy_primitives::B256;
use triomphe::{Arc, ThinArc};
use zg_types::ViewError;

/// An extension, or the lower part of one that is being split.
pub(crate) struct Stretch<'a, V> {
    pub(crate) key: &'a B256,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) child: &'a Child<V>,
}

/// What a branch had at a nibble.
pub(crate) enum Slot<'a, V> {
    Empty,
    Child(&'a Child<V>),
    /// Not a node yet: the branch is new and this was inside an extension.
    Stretch(Stretch<'a, V>),
}

impl<R: Rule> Editor<'_, R> {
    /// The branch of what is at each nibble now, or what is left of it; `key` passes through the branch.
    pub(crate) fn assemble(
        &mut self,
        key: &B256,
        depth: usize,
        stood: bool,
        slots: &[Slot<'_, R::Value>; 16],
        edited: [Edited; 16],
    ) -> Result<Edited, ViewError> {
        if edited == [Edited::Same; 16] {
            return Ok(Edited::Same);
        }
        let occupied = (0..16).filter(|&value| match edited[value] {
            Edited::Same => slots[value].child().is_some(),
            Edited::Gone => false,
            Edited::Draft(_) => true,
        });
        let occupied: u16 = occupied.fold(0, |bits, value| bits | 1 << value);
        match occupied.count_ones() {
            0 => {
                if stood {
                    self.ledger.vacate(self.loader.owner, key, depth);
                }
                Ok(Edited::Gone)
            }
            1 => {
                let value = occupied.trailing_zeros() as usize;
                match slots[value].child() {
                    Some(child) if edited[value] == Edited::Same => {
                        self.merge(child, &with_nibble(*key, depth, value), depth, stood)
                    }
                    _ => Ok(self.extend(depth, depth + 1, stood, edited[value])),
                }
            }
            _ => Ok(self.draft_branch(*key, depth, stood, occupied, slots, edited)),
        }
    }

    /// Merge the branch at `depth` of `key` with the only child that it has left, which is unchanged.
    fn merge(&mut self, child: &Child<R::Value>, key: &B256, depth: usize, stood: bool) -> Result<Edited, ViewError> {
        let below = depth + 1;
        let (hash, node) = match child {
            Child::Hashed { hash, node: Some(node) } => (Some(*hash), node.clone()),
            Child::Hashed { hash, node: None } => (Some(*hash), self.load(hash, key, below)?),
            Child::Embedded(node) => (None, node.clone()),
        };
        if let Node::Branch(_) = node {
            let child = hash.map_or(child.clone(), |hash| Child::Hashed { hash, node: Some(node) });
            return Ok(self.draft_ext(*key, depth, below, stood, child));
        }
        self.ledger.bytes -= node.own_bytes() as isize;
        if hash.is_some() {
            self.ledger.vacate(self.loader.owner, key, below);
        }
        Ok(match node {
            Node::Leaf(leaf) => self.draft_leaf(leaf.key, depth, stood, leaf.value.clone()),
            Node::Ext(ext) => self.draft_ext(ext.key, depth, ext.end as usize, stood, ext.child.clone()),
            Node::Branch(_) => unreachable!("returned above"),
        })
    }

    /// Lead from depth `start` to the node that an edit left at `end`.
    pub(crate) fn extend(&mut self, start: usize, end: usize, stood: bool, edited: Edited) -> Edited {
        let Edited::Draft(below) = edited else { return edited };
        if start == end {
            return edited;
        }
        let draft = self.drafts.get(below);
        let (key, left) = (draft.key, draft.stood);
        if self.drafts.raise(below, start, stood) {
            if left {
                self.ledger.vacate(self.loader.owner, &key, end);
            }
            return edited;
        }
        let ext = self.draft_ext(key, start, end, stood, Child::pending());
        if let Edited::Draft(ext) = ext {
            self.drafts.adopt(below, ext, 0);
        }
        ext
    }

    pub(crate) fn draft_leaf(&mut self, key: B256, depth: usize, stood: bool, value: R::Value) -> Edited {
        let leaf = Leaf { marks: self.fresh(), depth: depth as u8, key, value };
        self.draft(Node::Leaf(Arc::new(leaf)), key, depth, stood)
    }

    pub(crate) fn draft_ext(
        &mut self,
        key: B256,
        start: usize,
        end: usize,
        stood: bool,
        child: Child<R::Value>,
    ) -> Edited {
        let ext = Ext { marks: self.fresh(), start: start as u8, end: end as u8, key, child };
        self.draft(Node::Ext(Arc::new(ext)), key, start, stood)
    }

    fn draft_branch(
        &mut self,
        key: B256,
        depth: usize,
        stood: bool,
        occupied: u16,
        slots: &[Slot<'_, R::Value>; 16],
        edited: [Edited; 16],
    ) -> Edited {
        let parent = self.drafts.next();
        let mut children: [Child<R::Value>; 16] = [const { Child::Hashed { hash: B256::ZERO, node: None } }; 16];
        let mut count = 0;
        for value in (0..16).filter(|value| occupied >> value & 1 == 1) {
            match (edited[value], slots[value].child()) {
                (Edited::Draft(child), _) => self.drafts.adopt(child, parent, count),
                (_, Some(child)) => children[count] = child.clone(),
                (_, None) => {}
            }
            count += 1;
        }
        let head = BranchHead { occupied, marks: self.fresh() };
        let branch = ThinArc::from_header_and_iter(head, children.into_iter().take(count));
        let branch = self.draft(Node::Branch(branch), key, depth, stood);
        if self.drafts.crowded() {
            self.rule.complete(self.drafts);
            self.drafts.seal();
        }
        branch
    }

    fn draft(&mut self, node: Node<R::Value>, key: B256, depth: usize, stood: bool) -> Edited {
        self.ledger.bytes += node.own_bytes() as isize;
        Edited::Draft(self.drafts.push(node, self.trie, key, depth, stood))
    }

    fn fresh(&self) -> Marks {
        Marks::new(self.loader.generation, false)
    }
}

impl<'a, V> Slot<'a, V> {
    fn child(&self) -> Option<&'a Child<V>> {
        match self {
            Self::Child(child) => Some(child),
            Self::Empty | Self::Stretch(_) => None,
        }
    }
}

impl<V> Clone for Stretch<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Stretch<'_, V> {}
