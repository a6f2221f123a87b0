//! Merkle proofs, for blocks behind the head too.
//!
//! Only the newest trie is kept. The trie of an older block is the head's with the reverse diffs of the blocks between
//! applied to it, newest first.

use alloy_primitives::map::HashMap;
use alloy_primitives::{Address, B256, U256, keccak256};
use zg_trie::{AccountChange, Proof, StateTrie};
use zg_types::Account;

use crate::disk::hash_slot;
use crate::error::StateError;
use crate::history::{self, Before, Subject};
use crate::state::{At, State};
use crate::view::Layers;

/// How many blocks behind the head proofs reach.
const REACH: u64 = 256;

impl State {
    /// `eth_getProof` for `address` and `slots` as of `at`. Raises `Missing` further than 256 blocks behind the head.
    pub fn prove(&self, at: At, address: Address, slots: &[U256]) -> Result<Proof, StateError> {
        let (layers, newest, trie) = self.with_chain(|chain| {
            let layers = self.layers(chain, at)?;
            Ok(match at {
                At::Hash(hash) if !layers.overlays.is_empty() => {
                    let (number, trie) = chain.tip(&hash)?;
                    (layers, number, trie.clone())
                }
                _ => (layers, chain.head.number, chain.trie.clone()),
            })
        })?;
        let layers = layers.with_root()?;
        let trie = rewind(&layers, newest, trie)?;
        let slots: Vec<B256> = slots.iter().map(hash_slot).collect();
        Ok(trie.prove(&*layers.disk, &keccak256(address), &slots)?)
    }
}

/// The trie of the block that `layers` are of, from that of the block `newest`, which is the same or a later one.
fn rewind(layers: &Layers, newest: u64, trie: StateTrie) -> Result<StateTrie, StateError> {
    let Layers { number, root, .. } = *layers;
    if newest == number {
        return Ok(trie);
    }
    if newest - number > REACH {
        let text = format!("{root:x} (path ) proofs reach {REACH} blocks back, block {number} is further");
        return Err(StateError::Missing(text));
    }
    let trie = trie.update(&*layers.disk, changes_back(layers, newest)?)?.trie;
    if trie.root() != root {
        let text = format!("history of block {number} leads to state root {}, not {root}", trie.root());
        return Err(StateError::Corrupt(text));
    }
    Ok(trie)
}

/// What takes the trie of block `newest` back to the block of `layers`.
fn changes_back(layers: &Layers, newest: u64) -> Result<Vec<AccountChange>, StateError> {
    let mut accounts: HashMap<B256, Option<Account>> = HashMap::default();
    let mut words: HashMap<B256, HashMap<B256, U256>> = HashMap::default();
    let mut take = |(subject, before): (Subject, Before)| match (subject.slot, before) {
        (Some(slot), Before::Word(word)) => {
            words.entry(subject.owner).or_default().insert(slot, word);
        }
        (_, Before::Account(account)) => {
            accounts.insert(subject.owner, account);
        }
        (None, Before::Word(_)) => {}
    };
    // Later inserts win: with the newest block first, the value from before the oldest block stays.
    let flushed = layers.disk.flushed().number;
    let unflushed = layers.number.max(flushed) + 1..=newest;
    for buffer in &layers.buffers {
        for block in buffer.blocks().iter().rev().filter(|block| unflushed.contains(&block.id.number)) {
            for (_, partition) in block.reverse.iter() {
                history::partition_entries(partition)?.into_iter().for_each(&mut take);
            }
        }
    }
    let mut cursor = layers.disk.cursor();
    for number in (layers.number + 1..=flushed).rev() {
        history::block_entries(&mut cursor, number)?.into_iter().for_each(&mut take);
    }
    let change = |(key, account): (B256, Option<Account>)| {
        let storage = words.remove(&key).filter(|_| account.is_some()).unwrap_or_default();
        AccountChange { key, account, wiped: false, storage: storage.into_iter().collect() }
    };
    Ok(accounts.into_iter().map(change).collect())
}
