//! Questions about what the pool holds.

use crate::pool::{Pool, Stats};
use crate::sender::Sender;
use alloy_primitives::{Address, B256, U256};
use std::sync::Arc;
use zg_types::PoolTransaction;

/// One sender's transactions.
pub struct SenderContent<'a, T> {
    sender: &'a Sender<T>,
}

impl<'a, T> SenderContent<'a, T> {
    pub fn address(&self) -> &'a Address {
        &self.sender.address
    }

    /// What may be in the next blocks, in nonce order without gaps.
    pub fn executable(&self) -> impl Iterator<Item = &'a Arc<T>> + use<'a, T> {
        self.sender.executable.iter().map(|entry| &entry.tx)
    }

    /// What waits, in nonce order.
    pub fn queued(&self) -> impl Iterator<Item = &'a Arc<T>> + use<'a, T> {
        self.sender.queued.values().map(|waiting| &waiting.entry.tx)
    }
}

impl<T: PoolTransaction> Pool<T> {
    pub fn get(&self, hash: &B256) -> Option<&Arc<T>> {
        let at = self.by_hash.get(hash)?;
        self.senders[at.sender as usize].get(at.nonce).map(|entry| &entry.tx)
    }

    /// (executable, queued).
    pub fn counts(&self) -> (usize, usize) {
        (self.by_hash.len() - self.queue.len(), self.queue.len())
    }

    pub fn stats(&self) -> Stats {
        let (executable, queued) = self.counts();
        Stats { executable, queued, bytes: self.bytes, senders: self.ids.len(), ..self.counters }
    }

    /// The nonce that a wallet should use next: after the executable transactions, never below `state_nonce`.
    pub fn pending_nonce(&self, address: &Address, state_nonce: u64) -> u64 {
        self.sender(address).map_or(state_nonce, |sender| sender.next_nonce().max(state_nonce))
    }

    /// What the executable transactions from `state_nonce` on cost in a block with `base_fee` if they use all their gas;
    /// wei.
    pub fn pending_cost(&self, address: &Address, state_nonce: u64, base_fee: u64) -> U256 {
        let waiting = self.content_of(address).into_iter().flat_map(|content| content.executable());
        waiting
            .filter(|tx| tx.nonce() >= state_nonce)
            .map(|tx| cost_at(&**tx, base_fee))
            .fold(U256::ZERO, U256::saturating_add)
    }

    /// Every sender, in no particular order.
    pub fn content(&self) -> impl Iterator<Item = SenderContent<'_, T>> {
        self.senders.iter().filter(|sender| !sender.is_empty()).map(|sender| SenderContent { sender })
    }

    /// One sender, if it has something here.
    pub fn content_of(&self, address: &Address) -> Option<SenderContent<'_, T>> {
        self.sender(address).map(|sender| SenderContent { sender })
    }

    /// Every transaction, so ordered that adding them one by one to an empty pool makes the same pool.
    pub fn all(&self) -> impl Iterator<Item = &Arc<T>> {
        self.content().flat_map(|content| content.executable().chain(content.queued()))
    }

    /// Hashes that have become executable since the last call, in order. The oldest are forgotten past 65,536.
    pub fn take_new(&mut self) -> Vec<B256> {
        self.new.take()
    }

    /// Transactions accepted since the last call that are still here, in order of arrival. The oldest are forgotten
    /// past 65,536; [`Self::all`] has everything.
    pub fn take_journal(&mut self) -> Vec<Arc<T>> {
        let hashes = self.journal.take();
        hashes.iter().filter_map(|hash| self.get(hash).cloned()).collect()
    }
}

/// A transaction's cost at a base fee, wei; at its own maximum where that is below the base fee.
fn cost_at<T: PoolTransaction>(tx: &T, base_fee: u64) -> U256 {
    let tip = tx.effective_tip(base_fee);
    let unspent = tip.map_or(0, |tip| tx.max_fee() - u128::from(base_fee) - tip);
    tx.max_cost().saturating_sub(U256::from(tx.gas_limit()).saturating_mul(U256::from(unspent)))
}
