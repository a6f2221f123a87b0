//! Checking the whole flushed state against itself.
//!
//! The flat records are walked in the order of their hashes and every storage root and the state root are rebuilt from
//! them by another implementation than the one that wrote them. Then each stored trie node must be where its parent says
//! and hash to what its parent says, with none missing and none left over.

use alloy_primitives::{B256, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::nodes::{RlpNode, TrieNode};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use zg_types::{Account, ViewError};

use crate::disk::Disk;
use crate::error::StateError;
use crate::key;
use crate::leveldb::Cursor;
use crate::record;
use crate::state::State;

impl State {
    /// Walk the flushed state and recompute its root: (accounts, slots, root). Raises `Corrupt` at the first
    /// contradiction. Takes seconds a million accounts, beside everything else.
    pub fn verify(&self) -> Result<(u64, u64, B256), StateError> {
        let disk = self.with_chain(|chain| Ok(chain.disk.clone()))?;
        Ok(verify(&disk)?)
    }
}

fn corrupt<T>(text: String) -> Result<T, ViewError> {
    Err(ViewError::Corrupt(text))
}

fn verify(disk: &Disk) -> Result<(u64, u64, B256), ViewError> {
    let mut accounts = Walk::new(disk.cursor(), key::ACCOUNT);
    let mut slots = Walk::new(disk.cursor(), key::SLOT);
    let mut nodes = Walk::new(disk.cursor(), key::STORAGE_NODE);
    let mut state = HashBuilder::default();
    let (mut account_count, mut slot_count) = (0, 0);
    while let Some((key, value)) = accounts.take(&[])? {
        let owner = exact_hash(&key, "account")?;
        let account = record::decode_account(&value)?;
        check_code(disk, &owner, &account)?;
        let (storage_root, count) = storage_root(&mut slots, &owner)?;
        check_nodes(&mut nodes, Some(&owner), storage_root)?;
        let Account { nonce, balance, code_hash } = account;
        let leaf = alloy_rlp::encode(TrieAccount::new(nonce, balance, storage_root, code_hash));
        state.add_leaf(Nibbles::unpack(owner), &leaf);
        account_count += 1;
        slot_count += count;
    }
    for (mut rest, what) in [(slots, "slot"), (nodes, "storage trie node")] {
        if let Some((key, _)) = rest.take(&[])? {
            return corrupt(format!("a {what} under 0x{} has no account", alloy_primitives::hex::encode(key)));
        }
    }
    let root = state.root();
    let stored = disk.flushed().root;
    if root != stored {
        return corrupt(format!("flat records give state root {root}, block {} has {stored}", disk.flushed().number));
    }
    check_nodes(&mut Walk::new(disk.cursor(), key::ACCOUNT_NODE), None, root)?;
    Ok((account_count, slot_count, root))
}

/// A key without its tag, and its value.
type Record = (Vec<u8>, Vec<u8>);

/// The records under one tag, in order.
struct Walk<'a> {
    cursor: Cursor<'a>,
    tag: u8,
}

impl<'a> Walk<'a> {
    fn new(mut cursor: Cursor<'a>, tag: u8) -> Self {
        cursor.seek(&[tag]);
        Self { cursor, tag }
    }

    /// The next record, if its key begins with `prefix`.
    fn take(&mut self, prefix: &[u8]) -> Result<Option<Record>, ViewError> {
        let entry = self.cursor.entry()?.filter(|(key, _)| key[0] == self.tag && key[1..].starts_with(prefix));
        let taken = entry.map(|(key, value)| (key[1..].to_vec(), value.to_vec()));
        if taken.is_some() {
            self.cursor.next();
        }
        Ok(taken)
    }
}

fn exact_hash(key: &[u8], what: &str) -> Result<B256, ViewError> {
    match B256::try_from(key) {
        Ok(hash) => Ok(hash),
        Err(_) => corrupt(format!("{what} key of {} bytes", key.len())),
    }
}

fn check_code(disk: &Disk, owner: &B256, account: &Account) -> Result<(), ViewError> {
    if account.code_hash == KECCAK256_EMPTY {
        return Ok(());
    }
    let found = keccak256(disk.code(&account.code_hash)?);
    if found != account.code_hash {
        return corrupt(format!("code of account {owner} hashes to {found}, not {}", account.code_hash));
    }
    Ok(())
}

/// Root over the account's slots, and how many there are.
fn storage_root(slots: &mut Walk<'_>, owner: &B256) -> Result<(B256, u64), ViewError> {
    let mut count = 0;
    let mut storage = HashBuilder::default();
    while let Some((key, value)) = slots.take(owner.as_slice())? {
        let slot = exact_hash(&key[32..], "slot")?;
        let word = record::decode_word(&value)?;
        if word == U256::ZERO {
            return corrupt(format!("slot {slot} of account {owner} is stored as zero"));
        }
        storage.add_leaf(Nibbles::unpack(slot), &alloy_rlp::encode(word));
        count += 1;
    }
    Ok((storage.root(), count))
}

/// Check the nodes of the account trie (`owner` None) or of a storage trie, which come parents first and siblings in
/// order, against `root`.
fn check_nodes(nodes: &mut Walk<'_>, owner: Option<&B256>, root: B256) -> Result<(), ViewError> {
    let name = || owner.map_or("account trie".into(), |owner| format!("storage trie of {owner}"));
    let prefix = owner.map_or(&[][..], |owner| owner.as_slice());
    let mut expected: Vec<(Vec<u8>, B256)> = Vec::new();
    if root != EMPTY_ROOT_HASH {
        expected.push((Vec::new(), root));
    }
    while let Some((path, hash)) = expected.pop() {
        let shown = || path.iter().map(|nibble| format!("{nibble:x}")).collect::<String>();
        let Some((_, rlp)) = nodes.take(prefix)?.filter(|(key, _)| key[prefix.len()..] == path) else {
            return corrupt(format!("{}: no node at path '{}', where one is expected", name(), shown()));
        };
        let found = keccak256(&rlp);
        if found != hash {
            return corrupt(format!("{}: the node at path '{}' hashes to {found}, not {hash}", name(), shown()));
        }
        expected.extend(children(&path, &rlp).into_iter().rev());
    }
    match nodes.take(prefix)? {
        Some(_) => corrupt(format!("{}: nodes are left over", name())),
        None => Ok(()),
    }
}

/// Paths and hashes of the nodes that `rlp` refers to, in order. Embedded nodes refer to none: they are too short.
fn children(path: &[u8], rlp: &[u8]) -> Vec<(Vec<u8>, B256)> {
    let below = |suffix: &[u8], node: &RlpNode| node.as_hash().map(|hash| ([path, suffix].concat(), hash));
    match TrieNode::decode(&mut &rlp[..]) {
        Ok(TrieNode::Branch(branch)) => {
            let pairs = branch.as_ref();
            let child = |(nibble, node): (u8, Option<&RlpNode>)| below(&[nibble], node?);
            pairs.children().filter_map(child).collect()
        }
        Ok(TrieNode::Extension(extension)) => below(&extension.key.to_vec(), &extension.child).into_iter().collect(),
        Ok(TrieNode::Leaf(_) | TrieNode::EmptyRoot) | Err(_) => Vec::new(),
    }
}
