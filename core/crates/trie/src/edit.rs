//! The edit of one trie by a sorted batch: one descent a subtree, whatever the number of changes in it.
//!
//! Every function here takes what stood at a place and the slice of changes that fall below it, and answers with what
//! stands there now ([`Edited`]). The old version is only read. Where a stored node leaves its path for good, the path is
//! noted: the same path is reused by the versions of a node, so only those are to be deleted from disk.

use crate::assemble::{Slot, Stretch};
use crate::draft::Drafts;
use crate::load::Loader;
use crate::node::{Child, Leaf, Node, Tree, branch_children};
use crate::path::{common_prefix, nibble, nibbles};
use crate::value::Value;
use alloy_primitives::B256;
use zg_types::ViewError;

/// How changes read and what they do to values.
pub(crate) trait Rule {
    type Value: Value;
    type Change;

    fn key(change: &Self::Change) -> &B256;
    /// Whether nothing remains at the key.
    fn deletes(change: &Self::Change) -> bool;
    /// The value after `change`; `draft` is the index of the leaf's draft if one is made.
    fn apply(
        &mut self,
        change: &Self::Change,
        old: Option<&Self::Value>,
        draft: u32,
    ) -> Result<Applied<Self::Value>, ViewError>;
    /// Complete the values of all drafts, which are about to be hashed.
    fn complete(&mut self, _drafts: &mut Drafts<Self::Value>) {}
}

pub(crate) enum Applied<V> {
    Same,
    Gone,
    Put(V),
}

/// What stands at a place after an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edited {
    /// What stood there before, if anything.
    Same,
    /// Nothing.
    Gone,
    /// The draft of this index.
    Draft(u32),
}

/// What an edit leaves beside the drafts.
#[derive(Default)]
pub(crate) struct Ledger {
    /// (owner, path) where a node was stored and none may be now.
    pub(crate) removed: Vec<(Option<B256>, Vec<u8>)>,
    /// Change of the memory in use, bytes.
    pub(crate) bytes: isize,
}

impl Ledger {
    pub(crate) fn vacate(&mut self, owner: Option<B256>, key: &B256, depth: usize) {
        self.removed.push((owner, nibbles(key)[..depth].to_vec()));
    }
}

pub(crate) struct Editor<'a, R: Rule> {
    pub(crate) loader: Loader<'a>,
    pub(crate) rule: R,
    pub(crate) drafts: &'a mut Drafts<R::Value>,
    pub(crate) ledger: &'a mut Ledger,
    /// The number under which the drafts of this trie go.
    pub(crate) trie: u32,
}

impl<R: Rule> Editor<'_, R> {
    /// Edit the whole trie. `changes` ascend by key without repeats.
    pub(crate) fn edit(&mut self, tree: &Tree<R::Value>, changes: &[R::Change]) -> Result<Edited, ViewError> {
        if changes.is_empty() {
            return Ok(Edited::Same);
        }
        if !tree.is_empty() {
            return self.edit_stored(&tree.hash, tree.node.as_ref(), 0, changes);
        }
        match self.grow(changes, None, 0, false)? {
            Edited::Gone => Ok(Edited::Same),
            grown => Ok(grown),
        }
    }

    fn edit_child(
        &mut self,
        child: &Child<R::Value>,
        depth: usize,
        changes: &[R::Change],
    ) -> Result<Edited, ViewError> {
        match child {
            Child::Hashed { hash, node } => self.edit_stored(hash, node.as_ref(), depth, changes),
            Child::Embedded(node) => self.edit_node(node, depth, false, changes),
        }
    }

    fn edit_stored(
        &mut self,
        hash: &B256,
        node: Option<&Node<R::Value>>,
        depth: usize,
        changes: &[R::Change],
    ) -> Result<Edited, ViewError> {
        if let Some(node) = node {
            return self.edit_node(node, depth, true, changes);
        }
        let loaded = self.load(hash, R::key(&changes[0]), depth)?;
        let edited = self.edit_node(&loaded, depth, true, changes)?;
        if edited == Edited::Same {
            self.ledger.bytes -= loaded.total_bytes() as isize;
        }
        Ok(edited)
    }

    pub(crate) fn load(&mut self, hash: &B256, prefix: &B256, depth: usize) -> Result<Node<R::Value>, ViewError> {
        let loaded: Node<R::Value> = self.loader.node(hash, prefix, depth)?;
        self.ledger.bytes += loaded.total_bytes() as isize;
        Ok(loaded)
    }

    /// `stood` tells whether the disk has `node` at its own path, rather than inside its parent.
    fn edit_node(
        &mut self,
        node: &Node<R::Value>,
        depth: usize,
        stood: bool,
        changes: &[R::Change],
    ) -> Result<Edited, ViewError> {
        let edited = match node {
            Node::Leaf(leaf) => self.edit_leaf(leaf, depth, stood, changes)?,
            Node::Ext(ext) => {
                let (start, end) = (ext.start as usize, ext.end as usize);
                self.edit_stretch(Stretch { key: &ext.key, start, end, child: &ext.child }, stood, changes)?
            }
            Node::Branch(branch) => {
                // All of them will be counted as shared with the new branch.
                branch.slice.iter().for_each(Child::prefetch);
                let slots = branch_children(branch).map(|child| child.map_or(Slot::Empty, Slot::Child));
                let edited = self.edit_slots(&slots, depth, changes)?;
                self.assemble(R::key(&changes[0]), depth, stood, &slots, edited)?
            }
        };
        if edited != Edited::Same {
            self.ledger.bytes -= node.own_bytes() as isize;
        }
        Ok(edited)
    }

    fn edit_leaf(
        &mut self,
        leaf: &Leaf<R::Value>,
        depth: usize,
        stood: bool,
        changes: &[R::Change],
    ) -> Result<Edited, ViewError> {
        let own = changes.binary_search_by(|change| R::key(change).cmp(&leaf.key)).ok().map(|i| &changes[i]);
        let deleted = own.filter(|change| R::deletes(change));
        if let Some(change) = deleted {
            self.rule.apply(change, Some(&leaf.value), self.drafts.next())?;
        }
        let kept = deleted.is_none().then_some(leaf);
        if kept.is_some() && own.is_none() && inserts::<R>(changes).is_empty() {
            return Ok(Edited::Same);
        }
        let edited = self.grow(changes, kept, depth, stood)?;
        if edited == Edited::Gone && stood {
            self.ledger.vacate(self.loader.owner, &leaf.key, depth);
        }
        Ok(edited)
    }

    /// The subtree of the inserts among `changes` and of the leaf that stood here and stays; Gone when there is neither.
    fn grow(
        &mut self,
        changes: &[R::Change],
        kept: Option<&Leaf<R::Value>>,
        depth: usize,
        stood: bool,
    ) -> Result<Edited, ViewError> {
        let inserts = inserts::<R>(changes);
        let ends = inserts.first().zip(inserts.last()).map(|(first, last)| (R::key(first), R::key(last)));
        let (low, high) = match (ends, kept.map(|leaf| &leaf.key)) {
            (None, None) => return Ok(Edited::Gone),
            (None, Some(key)) => (key, key),
            (Some(ends), None) => ends,
            (Some((low, high)), Some(key)) => (low.min(key), high.max(key)),
        };
        if low == high {
            return self.grow_leaf(inserts.first(), kept, depth, stood);
        }
        let fork = common_prefix(low, high);
        let mut edited = [Edited::Gone; 16];
        let mut rest = inserts;
        for (value, slot) in edited.iter_mut().enumerate() {
            let group;
            (group, rest) = rest.split_at(rest.partition_point(|c| nibble(R::key(c), fork) <= value));
            *slot = self.grow(group, kept.filter(|leaf| nibble(&leaf.key, fork) == value), fork + 1, false)?;
        }
        let branch = self.assemble(low, fork, stood && fork == depth, &[const { Slot::Empty }; 16], edited)?;
        Ok(self.extend(depth, fork, stood, branch))
    }

    fn grow_leaf(
        &mut self,
        insert: Option<&R::Change>,
        kept: Option<&Leaf<R::Value>>,
        depth: usize,
        stood: bool,
    ) -> Result<Edited, ViewError> {
        let applied = match insert {
            Some(change) => self.rule.apply(change, kept.map(|leaf| &leaf.value), self.drafts.next())?,
            None => Applied::Same,
        };
        let value = match (applied, kept) {
            (Applied::Same, Some(leaf)) if leaf.depth as usize == depth => return Ok(Edited::Same),
            (Applied::Same, Some(leaf)) => leaf.value.clone(),
            (Applied::Put(value), _) => value,
            (Applied::Gone, _) | (Applied::Same, None) => return Ok(Edited::Gone),
        };
        let key = insert.map(R::key).or(kept.map(|leaf| &leaf.key)).copied().unwrap_or_default();
        Ok(self.draft_leaf(key, depth, stood, value))
    }

    fn edit_stretch(
        &mut self,
        ext: Stretch<'_, R::Value>,
        stood: bool,
        changes: &[R::Change],
    ) -> Result<Edited, ViewError> {
        let shared = |change: &R::Change| common_prefix(R::key(change), ext.key).min(ext.end);
        let inserts = inserts::<R>(changes);
        // Keys ascend, so one of the outermost inserts is the first to leave the extension.
        let fork = [inserts.first(), inserts.last()].into_iter().flatten().map(shared).min().unwrap_or(ext.end);
        let along = within(changes, |change| shared(change) >= fork);
        if fork < ext.end {
            return self.split(ext, fork, stood, along);
        }
        if along.is_empty() {
            return Ok(Edited::Same);
        }
        let edited = self.edit_child(ext.child, ext.end, along)?;
        if edited == Edited::Gone && stood {
            self.ledger.vacate(self.loader.owner, ext.key, ext.start);
        }
        Ok(self.extend(ext.start, ext.end, stood, edited))
    }

    /// Put a branch at depth `fork` inside an extension. `changes` all share its path up to there.
    fn split(
        &mut self,
        ext: Stretch<'_, R::Value>,
        fork: usize,
        stood: bool,
        changes: &[R::Change],
    ) -> Result<Edited, ViewError> {
        let Stretch { key, start, end, child } = ext;
        let own = nibble(key, fork);
        let mut slots = [const { Slot::Empty }; 16];
        slots[own] = match fork + 1 {
            below if below == end => Slot::Child(child),
            below => Slot::Stretch(Stretch { start: below, ..ext }),
        };
        let mut edited = self.edit_slots(&slots, fork, changes)?;
        if edited[own] == Edited::Same && fork + 1 < end {
            edited[own] = self.draft_ext(*key, fork + 1, end, false, child.clone());
        }
        let branch = self.assemble(key, fork, stood && fork == start, &slots, edited)?;
        Ok(self.extend(start, fork, stood, branch))
    }

    /// Edit what is at each nibble of a branch at `depth`.
    fn edit_slots(
        &mut self,
        slots: &[Slot<'_, R::Value>; 16],
        depth: usize,
        changes: &[R::Change],
    ) -> Result<[Edited; 16], ViewError> {
        let mut edited = [Edited::Same; 16];
        let mut rest = changes;
        while let Some(first) = rest.first() {
            let value = nibble(R::key(first), depth);
            let group;
            (group, rest) = rest.split_at(rest.partition_point(|c| nibble(R::key(c), depth) <= value));
            edited[value] = match slots[value] {
                Slot::Child(child) => self.edit_child(child, depth + 1, group)?,
                Slot::Stretch(stretch) => self.edit_stretch(stretch, false, group)?,
                Slot::Empty => match self.grow(group, None, depth + 1, false)? {
                    Edited::Gone => Edited::Same,
                    grown => grown,
                },
            };
        }
        Ok(edited)
    }
}

/// `changes` without the deletes at either end, which do nothing where nothing stands.
fn inserts<R: Rule>(changes: &[R::Change]) -> &[R::Change] {
    within(changes, |change| !R::deletes(change))
}

/// From the first to the last change that `holds` is true of.
fn within<C>(changes: &[C], holds: impl Fn(&C) -> bool) -> &[C] {
    let first = changes.iter().position(&holds).unwrap_or(changes.len());
    let end = changes.iter().rposition(&holds).map_or(first, |last| last + 1);
    &changes[first..end]
}
