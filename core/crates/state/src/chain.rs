//! The blocks that matter now: the finalised head, the overlays above it, the layers below it.

use std::collections::VecDeque;
use std::sync::Arc;

use alloy_primitives::B256;
use alloy_primitives::map::HashMap;
use zg_trie::StateTrie;

use crate::buffer::{Buffer, LostNodes};
use crate::disk::Disk;
use crate::error::StateError;
use crate::overlay::Overlay;
use crate::record::BlockId;
use crate::view::Layers;

/// Finalised blocks that can be named by their hash; flushed ones are forgotten beyond it.
pub(crate) const RECENT_MAX: usize = 1024;

/// Blocks that may wait to be finalised at one time.
const OVERLAYS_MAX: usize = 1024;

/// An unfinalised block with its trie.
pub(crate) struct Branch {
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) trie: StateTrie,
    pub(crate) nodes: LostNodes,
}

/// Finalised blocks by number and by hash, contiguous up to the head.
#[derive(Default)]
pub(crate) struct Recent {
    blocks: VecDeque<BlockId>,
    numbers: HashMap<B256, u64>,
}

impl Recent {
    /// Add the next block; flushed ones make room.
    pub(crate) fn push(&mut self, block: BlockId, flushed: u64) {
        self.numbers.insert(block.hash, block.number);
        self.blocks.push_back(block);
        while self.blocks.len() > RECENT_MAX && self.blocks.front().is_some_and(|first| first.number < flushed) {
            if let Some(first) = self.blocks.pop_front() {
                self.numbers.remove(&first.hash);
            }
        }
    }

    pub(crate) fn by_number(&self, number: u64) -> Option<&BlockId> {
        let first = self.blocks.front()?.number;
        self.blocks.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    pub(crate) fn by_hash(&self, hash: &B256) -> Option<&BlockId> {
        self.by_number(*self.numbers.get(hash)?)
    }
}

/// Everything that a view or an execution begins from. Held under one short lock.
pub(crate) struct Chain {
    pub(crate) head: BlockId,
    pub(crate) trie: StateTrie,
    pub(crate) overlays: HashMap<B256, Branch>,
    /// Takes finalised blocks.
    pub(crate) active: Arc<Buffer>,
    /// Being flushed.
    pub(crate) frozen: Option<Arc<Buffer>>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) recent: Recent,
}

impl Chain {
    /// A chain whose head is what the disk holds.
    pub(crate) fn new(disk: Arc<Disk>, trie: StateTrie, recent: Recent) -> Self {
        Self {
            head: *disk.flushed(),
            trie,
            overlays: HashMap::default(),
            active: Arc::default(),
            frozen: None,
            disk,
            recent,
        }
    }

    /// Number and trie of the head or of an overlay.
    pub(crate) fn tip(&self, hash: &B256) -> Result<(u64, &StateTrie), StateError> {
        if *hash == self.head.hash {
            return Ok((self.head.number, &self.trie));
        }
        match self.overlays.get(hash) {
            Some(branch) => Ok((branch.overlay.number, &branch.trie)),
            None => Err(StateError::UnknownBlock(hash.to_string())),
        }
    }

    /// Put a smaller trie in the place of the same one.
    pub(crate) fn replace_trie(&mut self, hash: &B256, trie: StateTrie) {
        if *hash == self.head.hash {
            self.trie = trie;
        } else if let Some(branch) = self.overlays.get_mut(hash) {
            branch.trie = trie;
        }
    }

    /// The layers between the overlays and the disk, newest first.
    pub(crate) fn buffers(&self) -> Vec<Arc<Buffer>> {
        std::iter::once(&self.active).chain(&self.frozen).cloned().collect()
    }

    /// The layers of the overlay `hash`; None when there is no such overlay.
    pub(crate) fn overlay_layers(&self, hash: &B256) -> Option<Layers> {
        let tip = &self.overlays.get(hash)?.overlay;
        let mut overlays = vec![tip.clone()];
        let mut parent = tip.parent;
        while let Some(branch) = self.overlays.get(&parent) {
            overlays.push(branch.overlay.clone());
            parent = branch.overlay.parent;
        }
        Some(Layers {
            number: tip.number,
            root: tip.root,
            overlays,
            buffers: self.buffers(),
            limit: self.head.number,
            disk: self.disk.clone(),
        })
    }

    /// The layers of the finalised block `block`.
    pub(crate) fn finalised_layers(&self, block: &BlockId) -> Layers {
        Layers {
            number: block.number,
            root: block.root,
            overlays: Vec::new(),
            buffers: self.buffers(),
            limit: block.number,
            disk: self.disk.clone(),
        }
    }

    /// Add an overlay on the head or on another overlay; adding it again changes nothing.
    pub(crate) fn insert(&mut self, hash: B256, branch: Branch) -> Result<(), StateError> {
        self.tip(&branch.overlay.parent)?;
        if self.overlays.len() >= OVERLAYS_MAX {
            return Err(StateError::TooManyOverlays(OVERLAYS_MAX));
        }
        self.overlays.entry(hash).or_insert(branch);
        Ok(())
    }

    /// A child of the head, about to be finalised, and the trie nodes it took away.
    pub(crate) fn take_child(&mut self, hash: &B256) -> Result<(Arc<Overlay>, LostNodes), StateError> {
        let head = self.head.hash;
        let branch = self.overlays.get_mut(hash).ok_or_else(|| StateError::UnknownBlock(hash.to_string()))?;
        if branch.overlay.parent != head {
            return Err(StateError::NotChild { hash: *hash, head });
        }
        Ok((branch.overlay.clone(), std::mem::take(&mut branch.nodes)))
    }

    /// Make the child `hash` the head. Returns the branches that are dropped with it: its own, its siblings, their
    /// descendants.
    pub(crate) fn advance(&mut self, hash: &B256) -> Vec<Branch> {
        let Some(child) = self.overlays.remove(hash) else {
            return Vec::new();
        };
        self.head = BlockId { number: child.overlay.number, hash: *hash, root: child.overlay.root };
        self.trie = child.trie.clone();
        self.recent.push(self.head, self.disk.flushed().number);
        let descends = |start: &B256| {
            let mut at = *start;
            while let Some(branch) = self.overlays.get(&at) {
                at = branch.overlay.parent;
            }
            at == *hash
        };
        let lost: Vec<B256> = self.overlays.keys().filter(|key| !descends(key)).copied().collect();
        lost.iter().filter_map(|key| self.overlays.remove(key)).chain([child]).collect()
    }
}
