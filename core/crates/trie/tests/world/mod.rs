//! A plain model of the state beside the trie under test, its disk, and what makes both change.

#![allow(dead_code)]

use alloy_primitives::{B256, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::nodes::{RlpNode, TrieNode};
use alloy_trie::{HashBuilder, Nibbles, TrieAccount};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use zg_trie::{AccountChange, EMPTY_ROOT_HASH, NodeSource, StateTrie, Update};
use zg_types::{Account, ViewError};

/// A splitmix64 generator.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d049bb133111eb);
        z ^ z >> 31
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }

    /// A key out of about `variety`: hashed, or mostly zeros so that many share long paths and part at any depth.
    pub(crate) fn key(&mut self, variety: u64) -> B256 {
        let n = self.below(variety);
        if self.one_in(2) {
            return keccak256(n.to_le_bytes());
        }
        let mut key = B256::ZERO;
        for _ in 0..self.below(3) {
            let at = [0, 1, 15, 30, 31, 31][self.below(6) as usize];
            key[at] = [0x01, 0x10, 0x11, 0xf0][self.below(4) as usize];
        }
        key
    }
}

/// Where a node is: owner and path.
pub(crate) type Place = (Option<B256>, Vec<u8>);
pub(crate) type Nodes = BTreeMap<Place, Vec<u8>>;

/// A disk in memory.
#[derive(Default)]
pub(crate) struct Disk(pub(crate) Mutex<Nodes>);

impl NodeSource for Disk {
    fn node(&self, owner: Option<&B256>, path: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.0.lock().unwrap().get(&(owner.copied(), path.to_vec())).cloned())
    }
}

impl Disk {
    /// Bring the disk to `update`'s version, from its parent's.
    pub(crate) fn flush(&self, update: &Update) {
        let mut nodes = self.0.lock().unwrap();
        nodes.retain(|(owner, _), _| owner.is_none_or(|owner| !update.wiped.contains(&owner)));
        for place in &update.removed {
            nodes.remove(place);
        }
        update.trie.collect_unsaved(&mut |owner, path, rlp| {
            nodes.insert((owner.copied(), path.to_vec()), rlp.to_vec());
        });
    }

    /// Everything that the disk holds under `root`, read without the crate; fails on any node that is absent or left over.
    pub(crate) fn read(&self, root: B256) -> World {
        let mut world = World::default();
        let mut used = BTreeSet::new();
        for (key, rlp) in self.leaves(None, root, &mut used) {
            let account: TrieAccount = alloy_rlp::decode_exact(&rlp).unwrap();
            let words = self.leaves(Some(key), account.storage_root, &mut used);
            let words = words.into_iter().map(|(slot, rlp)| (slot, alloy_rlp::decode_exact(&rlp).unwrap())).collect();
            let TrieAccount { nonce, balance, code_hash, .. } = account;
            world.0.insert(key, (Account { nonce, balance, code_hash }, words));
        }
        let stored: BTreeSet<_> = self.0.lock().unwrap().keys().cloned().collect();
        assert_eq!(stored, used, "stored nodes and reachable ones");
        world
    }

    fn leaves(&self, owner: Option<B256>, root: B256, used: &mut BTreeSet<Place>) -> Vec<(B256, Vec<u8>)> {
        let mut leaves = Vec::new();
        if root != EMPTY_ROOT_HASH {
            self.descend(owner, Nibbles::new(), &RlpNode::word_rlp(&root), used, &mut leaves);
        }
        leaves
    }

    fn descend(
        &self,
        owner: Option<B256>,
        path: Nibbles,
        reference: &RlpNode,
        used: &mut BTreeSet<Place>,
        leaves: &mut Vec<(B256, Vec<u8>)>,
    ) {
        let rlp = match reference.as_hash() {
            Some(hash) => {
                let place = (owner, path.to_vec());
                let rlp = self.0.lock().unwrap().get(&place).cloned();
                let rlp = rlp.unwrap_or_else(|| panic!("no node at {place:?}"));
                assert_eq!(keccak256(&rlp), hash, "node at {place:?}");
                used.insert(place);
                rlp
            }
            None => reference.to_vec(),
        };
        match TrieNode::decode(&mut &rlp[..]).unwrap() {
            TrieNode::EmptyRoot => panic!("an empty node at {path:?}"),
            TrieNode::Leaf(leaf) => leaves.push((B256::from_slice(&path.join(&leaf.key).pack()), leaf.value)),
            TrieNode::Extension(ext) => self.descend(owner, path.join(&ext.key), &ext.child, used, leaves),
            TrieNode::Branch(branch) => {
                for (nibble, child) in branch.as_ref().children() {
                    if let Some(child) = child {
                        let mut path = path;
                        path.push(nibble);
                        self.descend(owner, path, child, used, leaves);
                    }
                }
            }
        }
    }
}

/// Accounts and their storage words by hashed key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct World(pub(crate) BTreeMap<B256, (Account, BTreeMap<B256, U256>)>);

impl World {
    pub(crate) fn apply(&mut self, changes: &[AccountChange]) {
        for change in changes {
            let Some(account) = change.account else {
                self.0.remove(&change.key);
                continue;
            };
            let (kept, words) = self.0.entry(change.key).or_default();
            *kept = account;
            if change.wiped {
                words.clear();
            }
            words.extend(change.storage.iter().copied());
            words.retain(|_, word| !word.is_zero());
        }
    }

    pub(crate) fn storage_root(&self, key: &B256) -> B256 {
        let words = self.0.get(key).map(|(_, words)| words.iter().map(|(slot, word)| (*slot, alloy_rlp::encode(word))));
        words.map_or(EMPTY_ROOT_HASH, root_of)
    }

    pub(crate) fn leaf(&self, key: &B256) -> Option<Vec<u8>> {
        let (Account { nonce, balance, code_hash }, _) = self.0.get(key)?.clone();
        Some(alloy_rlp::encode(TrieAccount { nonce, balance, storage_root: self.storage_root(key), code_hash }))
    }

    /// The root by alloy's builder, from scratch.
    pub(crate) fn root(&self) -> B256 {
        root_of(self.0.keys().filter_map(|key| Some((*key, self.leaf(key)?))))
    }

    /// A batch of about `size` changes of all kinds, in no order.
    pub(crate) fn batch(&self, random: &mut Random, size: u64, variety: u64) -> Vec<AccountChange> {
        let mut changes = BTreeMap::new();
        for _ in 0..size {
            let key = random.key(variety);
            let (old, words) = self.0.get(&key).map_or((None, None), |(account, words)| (Some(account), Some(words)));
            let account = match random.below(8) {
                0 | 1 => None,
                2 => Some(old.copied().unwrap_or_default()),
                3 => Some(Account { code_hash: keccak256(key), ..Account::default() }),
                n => Some(Account { nonce: n, balance: U256::from(random.next()), ..old.copied().unwrap_or_default() }),
            };
            let mut storage = BTreeMap::new();
            if random.one_in(2) {
                for _ in 0..random.below(12) {
                    let word = [0, 0, 1, 0x7f, 0x80, random.next()][random.below(6) as usize];
                    storage.insert(random.key(40), U256::from(word));
                }
                if random.one_in(5) {
                    storage.extend(words.into_iter().flatten().map(|(slot, _)| (*slot, U256::ZERO)));
                }
            }
            let mut storage: Vec<_> = storage.into_iter().collect();
            random.shuffle(&mut storage);
            changes.insert(key, AccountChange { key, account, wiped: random.one_in(6), storage });
        }
        let mut changes: Vec<_> = changes.into_values().collect();
        random.shuffle(&mut changes);
        changes
    }
}

fn root_of(leaves: impl Iterator<Item = (B256, Vec<u8>)>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, rlp) in leaves {
        builder.add_leaf(Nibbles::unpack(key), &rlp);
    }
    builder.root()
}

/// Apply `changes` to all three.
pub(crate) fn step(trie: &StateTrie, disk: &Disk, world: &mut World, changes: Vec<AccountChange>) -> StateTrie {
    world.apply(&changes);
    let update = trie.update(disk, changes).unwrap();
    assert_eq!(update.trie.root(), world.root());
    disk.flush(&update);
    update.trie
}
