//! One sender's transactions: an executable chain from the account's nonce, and what waits behind it.
//!
//! ```text
//! account nonce ─▶ [ n, n+1, n+2 … ] executable: no gaps, costs together within the balance
//!                                 [ n+5, n+9 … ] queued: behind a gap, or not payable yet
//! ```

use crate::entry::Entry;
use crate::order::QueueOrder;
use crate::standing::Standing;
use alloy_primitives::{Address, U256};
use std::collections::{BTreeMap, VecDeque};

/// A chain's buffer is cut back when it holds this many entries and is mostly empty.
const SPARE_ENTRIES_MIN: usize = 64;

/// Where a sender stands in the pool's table.
pub(crate) type SenderId = u32;

/// Where a transaction with some nonce would go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the executable chain, instead of the one at this position.
    Executable(usize),
    /// Among the queued, instead of one with this nonce.
    Queued,
    /// At the end of the executable chain.
    Next,
    /// Among the queued.
    Gap,
}

/// A queued transaction with its place in the order of all queued ones.
pub(crate) struct Waiting<T> {
    pub(crate) entry: Entry<T>,
    pub(crate) ticket: u64,
}

pub(crate) struct Sender<T> {
    pub(crate) address: Address,
    pub(crate) standing: Standing,
    /// Position i has nonce `standing.account.nonce + i`.
    pub(crate) executable: VecDeque<Entry<T>>,
    /// Sum of the executable costs, wei; at most the balance once settled.
    pub(crate) cost: U256,
    pub(crate) queued: BTreeMap<u64, Waiting<T>>,
}

impl<T> Sender<T> {
    pub(crate) fn new(address: Address, standing: Standing) -> Self {
        Self { address, standing, executable: VecDeque::new(), cost: U256::ZERO, queued: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.executable.is_empty() && self.queued.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.executable.len() + self.queued.len()
    }

    /// The nonce after the executable chain.
    pub(crate) fn next_nonce(&self) -> u64 {
        self.standing.account.nonce.saturating_add(self.executable.len() as u64)
    }

    /// The position of `nonce` in the executable chain.
    pub(crate) fn position(&self, nonce: u64) -> Option<usize> {
        let offset = usize::try_from(nonce.checked_sub(self.standing.account.nonce)?).ok()?;
        (offset < self.executable.len()).then_some(offset)
    }

    pub(crate) fn get(&self, nonce: u64) -> Option<&Entry<T>> {
        match self.position(nonce) {
            Some(position) => self.executable.get(position),
            None => self.queued.get(&nonce).map(|waiting| &waiting.entry),
        }
    }

    pub(crate) fn place(&self, nonce: u64) -> Place {
        match self.position(nonce) {
            Some(position) => Place::Executable(position),
            None if self.queued.contains_key(&nonce) => Place::Queued,
            None if nonce == self.next_nonce() => Place::Next,
            None => Place::Gap,
        }
    }

    pub(crate) fn push_executable(&mut self, entry: Entry<T>) {
        if self.executable.capacity() == 0 {
            // Most senders have one transaction.
            self.executable.reserve_exact(1);
        }
        self.cost = self.cost.saturating_add(entry.cost);
        self.executable.push_back(entry);
    }

    pub(crate) fn pop_executable(&mut self) -> Option<Entry<T>> {
        let entry = self.executable.pop_back()?;
        self.cost = self.cost.saturating_sub(entry.cost);
        Some(entry)
    }

    /// Put `entry` where another stands in the executable chain; answers that one.
    pub(crate) fn replace_executable(&mut self, position: usize, entry: Entry<T>) -> Entry<T> {
        let old = std::mem::replace(&mut self.executable[position], entry);
        self.cost = self.cost.saturating_sub(old.cost).saturating_add(self.executable[position].cost);
        old
    }

    /// Queue `entry`; answers one with the same nonce that it replaces.
    pub(crate) fn enqueue(
        &mut self,
        id: SenderId,
        nonce: u64,
        entry: Entry<T>,
        order: &mut QueueOrder,
    ) -> Option<Entry<T>> {
        let ticket = order.enter(id, nonce);
        let old = self.queued.insert(nonce, Waiting { entry, ticket })?;
        order.leave(old.ticket);
        Some(old.entry)
    }

    /// Take a queued transaction out.
    pub(crate) fn dequeue(&mut self, nonce: u64, order: &mut QueueOrder) -> Option<Entry<T>> {
        let waiting = self.queued.remove(&nonce)?;
        order.leave(waiting.ticket);
        Some(waiting.entry)
    }

    /// Queue the executable transactions from `position` on.
    pub(crate) fn demote_from(&mut self, position: usize, id: SenderId, order: &mut QueueOrder) {
        while self.executable.len() > position {
            let Some(entry) = self.pop_executable() else { return };
            self.enqueue(id, self.next_nonce(), entry, order);
        }
    }

    /// Queue executable transactions, the last first, until the balance pays for the rest.
    pub(crate) fn demote_unpayable(&mut self, id: SenderId, order: &mut QueueOrder) {
        while self.cost > self.standing.account.balance {
            let Some(entry) = self.pop_executable() else { return };
            self.enqueue(id, self.next_nonce(), entry, order);
        }
    }

    /// Whether the first queued transaction may join the executable chain.
    fn can_promote(&self, max_executable: usize) -> bool {
        let Some((nonce, waiting)) = self.queued.first_key_value() else { return false };
        let total = self.cost.checked_add(waiting.entry.cost);
        self.executable.len() < max_executable
            && *nonce == self.next_nonce()
            && total.is_some_and(|total| total <= self.standing.account.balance)
    }

    /// Move what has become executable; answers how many did.
    pub(crate) fn promote(&mut self, max_executable: usize, order: &mut QueueOrder) -> usize {
        let before = self.executable.len();
        while self.can_promote(max_executable) {
            let Some((_, waiting)) = self.queued.pop_first() else { break };
            order.leave(waiting.ticket);
            self.push_executable(waiting.entry);
        }
        self.executable.len() - before
    }

    /// Adopt a newer state of the account; the transactions that it makes stale move to `gone`, in nonce order.
    /// Costs may exceed the balance until [`Self::demote_unpayable`].
    pub(crate) fn refresh(
        &mut self,
        id: SenderId,
        standing: Standing,
        order: &mut QueueOrder,
        gone: &mut Vec<Entry<T>>,
    ) {
        let nonce = standing.account.nonce;
        if nonce < self.standing.account.nonce {
            // A nonce that went back leaves a gap before the chain.
            self.demote_from(0, id, order);
        }
        let behind = nonce.saturating_sub(self.standing.account.nonce);
        let stale = usize::try_from(behind).unwrap_or(usize::MAX).min(self.executable.len());
        for entry in self.executable.drain(..stale) {
            self.cost = self.cost.saturating_sub(entry.cost);
            gone.push(entry);
        }
        while let Some(first) = self.queued.first_entry().filter(|first| *first.key() < nonce) {
            let waiting = first.remove();
            order.leave(waiting.ticket);
            gone.push(waiting.entry);
        }
        self.standing = standing;
    }

    /// Give back the buffer of a chain that has become short or empty.
    pub(crate) fn trim(&mut self) {
        let capacity = self.executable.capacity();
        if self.executable.is_empty() {
            self.executable = VecDeque::new();
        } else if capacity > SPARE_ENTRIES_MIN && self.executable.len() < capacity / 4 {
            self.executable.shrink_to(self.executable.len() * 2);
        }
    }
}
