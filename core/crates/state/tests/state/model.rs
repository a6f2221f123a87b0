//! A plain model of the state, random blocks over it, and temporary directories.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use zg_state::{At, Options, State};
use zg_types::{Account, AccountDiff, SlotDiff, StateDiff, StateView};

pub(crate) const ADDRESSES: u64 = 40;
pub(crate) const SLOTS: u64 = 12;

/// A directory that goes with its owner.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("zg-state-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn options(history_blocks: Option<u64>) -> Options {
    Options { cache_bytes: 1 << 16, history_blocks }
}

pub(crate) fn open(directory: &Directory, history_blocks: Option<u64>) -> State {
    State::open(directory.path(), options(history_blocks)).expect("opens")
}

pub(crate) fn address(number: u64) -> Address {
    Address::left_padding_from(&(number + 1).to_be_bytes())
}

/// The hash of the block `number` on the branch `fork`.
pub(crate) fn hash(number: u64, fork: u64) -> B256 {
    keccak256([number.to_be_bytes(), fork.to_be_bytes()].concat())
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

type Entry = (Account, BTreeMap<U256, U256>);

/// All accounts with their storage.
#[derive(Clone, Default)]
pub(crate) struct Model {
    pub(crate) accounts: BTreeMap<Address, Entry>,
}

impl Model {
    /// The state root, by an implementation that is not the trie's.
    pub(crate) fn root(&self) -> B256 {
        let leaves = self.accounts.iter().map(|(address, (account, storage))| {
            let words =
                storage.iter().map(|(slot, word)| (keccak256(slot.to_be_bytes::<32>()), alloy_rlp::encode(word)));
            let Account { nonce, balance, code_hash } = *account;
            let leaf = TrieAccount::new(nonce, balance, root(words), code_hash);
            (keccak256(address), alloy_rlp::encode(leaf))
        });
        root(leaves)
    }

    /// Change some accounts at random; the diff from the state before to the state after.
    pub(crate) fn random_block(&mut self, random: &mut Random) -> StateDiff {
        let before = self.clone();
        let mut wiped = BTreeSet::new();
        let mut codes = BTreeMap::new();
        for _ in 0..1 + random.below(6) {
            let address = address(random.below(ADDRESSES));
            match random.below(10) {
                0 => {
                    if self.accounts.remove(&address).is_some() {
                        wiped.insert(address);
                    }
                }
                1 => {
                    if let Some((_, storage)) = self.accounts.get_mut(&address) {
                        storage.clear();
                        storage.insert(U256::from(random.below(SLOTS)), U256::from(1 + random.below(9)));
                        wiped.insert(address);
                    }
                }
                2 => {
                    let code = Bytes::from(vec![random.below(250) as u8; 40]);
                    let entry = self.accounts.entry(address).or_default();
                    entry.0.code_hash = keccak256(&code);
                    codes.insert(entry.0.code_hash, code);
                }
                _ => {
                    let entry = self.accounts.entry(address).or_default();
                    entry.0.nonce += 1;
                    entry.0.balance = U256::from(random.below(1 << 40)) << random.below(150) as usize;
                    for _ in 0..random.below(5) {
                        let slot = U256::from(random.below(SLOTS));
                        match random.below(3) {
                            0 => entry.1.remove(&slot),
                            _ => entry.1.insert(slot, U256::from(1 + random.below(1 << 50))),
                        };
                    }
                }
            }
        }
        let mut diff = before.diff_to(self, &wiped);
        diff.codes = codes.into_iter().collect();
        diff
    }

    /// What takes this model to `after`; accounts in `wiped` list all slots that they had and have.
    fn diff_to(&self, after: &Model, wiped: &BTreeSet<Address>) -> StateDiff {
        let mut addresses: Vec<&Address> = self.accounts.keys().chain(after.accounts.keys()).collect();
        addresses.sort();
        addresses.dedup();
        let none = BTreeMap::new();
        let diff = |address: &&Address| {
            let (old, new) = (self.accounts.get(*address), after.accounts.get(*address));
            let old_words = old.map_or(&none, |entry| &entry.1);
            let new_words = new.map_or(&none, |entry| &entry.1);
            let mut slots: Vec<&U256> = old_words.keys().chain(new_words.keys()).collect();
            slots.sort();
            slots.dedup();
            let word = |words: &BTreeMap<U256, U256>, slot: &U256| words.get(slot).copied().unwrap_or_default();
            let slot =
                |slot: &&U256| SlotDiff { slot: **slot, before: word(old_words, slot), after: word(new_words, slot) };
            AccountDiff {
                address: **address,
                before: old.map(|entry| entry.0),
                after: new.map(|entry| entry.0),
                wiped: wiped.contains(*address),
                storage: slots.iter().map(slot).filter(|s| wiped.contains(*address) || s.before != s.after).collect(),
            }
        };
        let changed = |account: &AccountDiff| account.before != account.after || !account.storage.is_empty();
        StateDiff { accounts: addresses.iter().map(diff).filter(changed).collect(), codes: vec![] }
    }

    /// Check every account and slot of the small world through `view`.
    pub(crate) fn check(&self, view: &impl StateView, what: &str) {
        for number in 0..ADDRESSES {
            let address = address(number);
            let entry = self.accounts.get(&address);
            assert_eq!(view.account(&address), Ok(entry.map(|entry| entry.0)), "{what}: account {number}");
            for slot in 0..SLOTS {
                let slot = U256::from(slot);
                let word = entry.and_then(|entry| entry.1.get(&slot)).copied().unwrap_or_default();
                assert_eq!(view.storage(&address, &slot), Ok(word), "{what}: account {number} slot {slot}");
            }
            if let Some((account, _)) = entry.filter(|entry| entry.0.code_hash != KECCAK256_EMPTY) {
                let code = view.code(&account.code_hash).expect("code");
                assert_eq!(keccak256(code), account.code_hash, "{what}: code of account {number}");
            }
        }
    }
}

fn root(leaves: impl Iterator<Item = (B256, Vec<u8>)>) -> B256 {
    let sorted: BTreeMap<B256, Vec<u8>> = leaves.collect();
    if sorted.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    let mut builder = HashBuilder::default();
    sorted.iter().for_each(|(key, value)| builder.add_leaf(Nibbles::unpack(key), value));
    builder.root()
}

/// A state with a random genesis, and its model.
pub(crate) fn genesis(state: &State, random: &mut Random) -> Model {
    let mut model = Model::default();
    for _ in 0..8 {
        model.random_block(random);
    }
    let mut diff = Model::default().diff_to(&model, &BTreeSet::new());
    diff.codes = (0..250u8).map(|byte| Bytes::from(vec![byte; 40])).map(|code| (keccak256(&code), code)).collect();
    diff.codes.sort();
    let root = state.init_genesis(hash(0, 0), &diff).expect("genesis");
    assert_eq!(root, model.root());
    model
}

/// Execute `diff` as block `block` on `parent`.
pub(crate) fn execute(state: &State, parent: B256, block: B256, diff: &StateDiff) -> B256 {
    let prepared = state.prepare(parent, diff.clone(), true).expect("prepares");
    let root = prepared.root();
    state.insert(block, prepared).expect("inserts");
    root
}

/// A random block on the head, executed, checked and finalised.
pub(crate) fn extend(state: &State, model: &mut Model, random: &mut Random) -> StateDiff {
    let (number, parent, _) = state.head();
    let diff = model.random_block(random);
    let block = hash(number + 1, 0);
    assert_eq!(execute(state, parent, block, &diff), model.root(), "root of block {}", number + 1);
    state.finalise(block).expect("finalises");
    assert_eq!(state.head(), (number + 1, block, model.root()));
    diff
}

/// The view of the head.
pub(crate) fn head_view(state: &State) -> zg_state::View {
    state.view(At::Hash(state.head().1)).expect("the head")
}
