//! The Merkle Patricia trie of Ethereum state (yellow paper, appendix D): persistent, hashed in batches, free of I/O.
//!
//! A [`StateTrie`] is one version. [`StateTrie::update`] makes the next one from it, which shares every node that did not
//! change, so a version an unfinalised block is cheap and siblings do not disturb each other. Account leaves own their
//! storage tries.
//!
//! ```text
//!        changes ──▶ edit ──▶ drafts ──▶ seal ──▶ next version ──▶ collect_unsaved ──▶ disk, by (owner, path)
//!   NodeSource ─ nodes ─┘  (structure)  (hashes)        └─────────▶ prune: forget what the disk has
//! ```
//! - `edit` takes the batch sorted and descends once a subtree; with `assemble` it finds the new structure and the paths that
//!   fall empty.
//! - `draft` seals: it hashes the new nodes of a level side by side in vector lanes (`keccak`), across storage tries.
//! - Nodes that are not in memory come from a [`NodeSource`] and are checked against the hash that refers to them.
//!
//! Common errors: `ViewError::Corrupt` names owner and path of a node that is absent from the source or is another one.
//! On disk a node is kept by its path, so a newer version's node overwrites the older one. The source therefore serves the
//! version that was flushed last and its descendants; any other finds foreign nodes (`Corrupt`) as soon as it needs one that
//! is not in memory. Whoever writes deletes [`Update::wiped`] and [`Update::removed`] first and then puts what is unsaved.

mod account;
mod assemble;
mod draft;
mod edit;
mod keccak;
mod load;
mod node;
mod path;
mod prefetch;
mod read;
mod retain;
mod rlp;
mod value;

use crate::load::Loader;
use crate::node::{Node, Tree};
use crate::value::{AccountValue, Value};
use alloy_primitives::{B256, Bytes, U256};
use std::fmt;
use zg_types::{Account, ViewError};

pub use crate::keccak::keccak256_batch;
pub use alloy_trie::EMPTY_ROOT_HASH;

/// Where nodes that are not in memory come from.
pub trait NodeSource: Send + Sync {
    /// RLP of the node at `path` (one nibble a byte) of the account trie (`owner` None) or of the storage trie of
    /// `owner` = keccak(address). None when absent.
    fn node(&self, owner: Option<&B256>, path: &[u8]) -> Result<Option<Vec<u8>>, ViewError>;
}

/// Gets nodes as (owner, path in nibbles, RLP).
pub type NodeSink<'a> = dyn FnMut(Option<&B256>, &[u8], &[u8]) + 'a;

/// What became of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// keccak(address).
    pub key: B256,
    /// None deletes the account and its storage.
    pub account: Option<Account>,
    /// The storage from before is gone, and `storage` is written to an empty trie.
    pub wiped: bool,
    /// keccak(slot) and its new value, zero deletes; in any order, of equal slots the last counts.
    pub storage: Vec<(B256, U256)>,
}

/// A new version, and what the disk is to forget.
#[derive(Clone, Debug)]
pub struct Update {
    pub trie: StateTrie,
    /// (owner, path in nibbles) where a node was stored and none may be now.
    pub removed: Vec<(Option<B256>, Vec<u8>)>,
    /// Owners whose whole old storage trie is gone. Its nodes are not listed in `removed`.
    pub wiped: Vec<B256>,
}

/// `eth_getProof` material. A proof is the RLP of the nodes from the root down; an empty trie has an empty one, as in geth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// None when the account does not exist, which `account_proof` then shows.
    pub account: Option<Account>,
    /// `EMPTY_ROOT_HASH` when the account does not exist.
    pub storage_root: B256,
    pub account_proof: Vec<Bytes>,
    /// One for each slot asked for, in that order.
    pub slots: Vec<SlotProof>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotProof {
    /// Zero when unset, which `proof` then shows.
    pub value: U256,
    pub proof: Vec<Bytes>,
}

/// One version of the state trie. Cloning is O(1).
#[derive(Clone)]
pub struct StateTrie {
    root: Tree<AccountValue>,
    /// Counts updates; nodes carry that of their last use.
    generation: u32,
    bytes: usize,
}

impl fmt::Debug for StateTrie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateTrie").field("root", &self.root.hash).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl StateTrie {
    /// The state without accounts.
    pub fn empty() -> Self {
        Self::open(EMPTY_ROOT_HASH)
    }

    /// The state of `root`, all of it still on disk. Nothing is read yet.
    pub fn open(root: B256) -> Self {
        Self { root: Tree::on_disk(root), generation: 0, bytes: 0 }
    }

    /// The root hash.
    pub fn root(&self) -> B256 {
        self.root.hash
    }

    /// The version after `changes`, fully hashed. They may come in any order; of equal keys the last counts.
    /// What is loaded on the way stays in memory with the new version.
    pub fn update(&self, source: &dyn NodeSource, changes: Vec<AccountChange>) -> Result<Update, ViewError> {
        let generation = self.generation.wrapping_add(1);
        let outcome = account::update(source, generation, &self.root, changes)?;
        let bytes = self.bytes.saturating_add_signed(outcome.bytes);
        let trie = Self { root: outcome.root, generation, bytes };
        Ok(Update { trie, removed: outcome.removed, wiped: outcome.wiped })
    }

    /// The account of `key` = keccak(address) and its storage root.
    pub fn account(&self, source: &dyn NodeSource, key: &B256) -> Result<Option<(Account, B256)>, ViewError> {
        let value = read::find(self.loader(source, None), &self.root, key, None)?;
        Ok(value.map(|value| (value.account(), value.storage_root())))
    }

    /// Proofs of the account of `key` = keccak(address) and of `slots`, given as keccak(slot).
    pub fn prove(&self, source: &dyn NodeSource, key: &B256, slots: &[B256]) -> Result<Proof, ViewError> {
        let mut account_proof = Vec::new();
        let value = read::find(self.loader(source, None), &self.root, key, Some(&mut account_proof))?;
        let empty = Tree::empty();
        let storage = value.as_ref().and_then(Value::storage).unwrap_or(&empty);
        let prove_slot = |slot| {
            let mut proof = Vec::new();
            let word = read::find(self.loader(source, Some(*key)), storage, slot, Some(&mut proof))?;
            Ok(SlotProof { value: word.unwrap_or_default(), proof })
        };
        let slots = slots.iter().map(prove_slot).collect::<Result<_, ViewError>>()?;
        let account = value.as_ref().map(AccountValue::account);
        Ok(Proof { account, storage_root: storage.hash, account_proof, slots })
    }

    /// Give every node in memory that the disk does not have to `sink` as (owner, path in nibbles, RLP), and mark it saved
    /// in every version that shares it. Nodes embedded in their parents (RLP under 32 bytes) have no entry, roots always do.
    pub fn collect_unsaved(&self, sink: &mut NodeSink<'_>) {
        retain::collect(&self.root, None, sink);
    }

    /// This version without the saved nodes that were touched longest ago, so that about `budget_bytes` stay. Unsaved nodes
    /// always stay. Call it only once the source can serve all that `collect_unsaved` gave out. Memory is freed when no
    /// other version holds the nodes: prune the newest ones. Walks all that is in memory, some 0.2 µs a node, so prune well
    /// below the limit and seldom.
    pub fn prune(&self, budget_bytes: usize) -> Self {
        let root = retain::prune(&self.root, self.generation, budget_bytes);
        let bytes = root.node.as_ref().map_or(0, Node::total_bytes);
        Self { root, generation: self.generation, bytes }
    }

    /// Estimate of the memory that this version's nodes take, those that it shares included.
    pub fn memory_bytes(&self) -> usize {
        self.bytes
    }

    fn loader<'a>(&self, source: &'a dyn NodeSource, owner: Option<B256>) -> Loader<'a> {
        Loader { source, owner, generation: self.generation }
    }
}
