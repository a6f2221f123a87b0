//! Orders over senders: where block building starts, where eviction starts, and which queued transaction is oldest.

use crate::entry::Price;
use crate::sender::SenderId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The first executable transaction of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) price: Price,
    pub(crate) arrival: u64,
    pub(crate) sender: SenderId,
}

/// Heads of all senders that have one, side by side so that starting a block is one pass over memory.
#[derive(Default)]
pub(crate) struct Heads {
    list: Vec<Head>,
    /// Position in `list` by sender.
    position: Vec<Option<u32>>,
    /// No head pays more than this, wei per gas; the dearest may have left.
    max_fee_bound: u128,
}

impl Heads {
    /// Whether a head can pay `base_fee`. A pass over memory when none can, and after it an answer at once until a
    /// dearer head comes.
    pub(crate) fn any_pays(&mut self, base_fee: u64) -> bool {
        let base_fee = u128::from(base_fee);
        if self.max_fee_bound < base_fee {
            return false;
        }
        let mut dearest = 0;
        for head in &self.list {
            if head.price.max_fee >= base_fee {
                return true;
            }
            dearest = head.price.max_fee.max(dearest);
        }
        self.max_fee_bound = dearest;
        false
    }

    /// In no particular order.
    pub(crate) fn list(&self) -> &[Head] {
        &self.list
    }

    /// Set or clear the head of `sender`.
    pub(crate) fn set(&mut self, sender: SenderId, head: Option<Head>) {
        let slot = sender as usize;
        if slot >= self.position.len() {
            self.position.resize(slot + 1, None);
        }
        if let Some(head) = head {
            self.max_fee_bound = self.max_fee_bound.max(head.price.max_fee);
        }
        match (self.position[slot], head) {
            (Some(at), Some(head)) => self.list[at as usize] = head,
            (None, Some(head)) => {
                self.position[slot] = Some(self.list.len() as u32);
                self.list.push(head);
            }
            (Some(at), None) => {
                self.position[slot] = None;
                self.list.swap_remove(at as usize);
                if let Some(moved) = self.list.get(at as usize) {
                    self.position[moved.sender as usize] = Some(at);
                }
            }
            (None, None) => {}
        }
    }
}

/// Rank of a sender's last executable transaction: lowest tip first, then the latest arrival.
pub(crate) type TailRank = (Option<u128>, Reverse<u64>, SenderId);

/// Tails of all senders, worst first, at one base fee. Kept only while the pool is full.
pub(crate) struct Tails {
    base_fee: u64,
    order: BTreeSet<TailRank>,
    /// What `order` holds by sender.
    rank: Vec<Option<TailRank>>,
}

impl Tails {
    /// Rank `tails`: sender, price and arrival of each last executable transaction.
    pub(crate) fn new(base_fee: u64, tails: impl Iterator<Item = (SenderId, Price, u64)>) -> Self {
        let order: BTreeSet<_> =
            tails.map(|(sender, price, arrival)| (price.tip(base_fee), Reverse(arrival), sender)).collect();
        let mut rank = Vec::new();
        for entry in &order {
            let slot = entry.2 as usize;
            if slot >= rank.len() {
                rank.resize(slot + 1, None);
            }
            rank[slot] = Some(*entry);
        }
        Self { base_fee, order, rank }
    }

    pub(crate) fn base_fee(&self) -> u64 {
        self.base_fee
    }

    /// Worst first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &TailRank> {
        self.order.iter()
    }

    /// Set or clear the tail of `sender`.
    pub(crate) fn set(&mut self, sender: SenderId, tail: Option<(Price, u64)>) {
        let slot = sender as usize;
        if slot >= self.rank.len() {
            self.rank.resize(slot + 1, None);
        }
        let rank = tail.map(|(price, arrival)| (price.tip(self.base_fee), Reverse(arrival), sender));
        if self.rank[slot] == rank {
            return;
        }
        if let Some(old) = self.rank[slot] {
            self.order.remove(&old);
        }
        self.order.extend(rank);
        self.rank[slot] = rank;
    }
}

/// A queued transaction, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) sender: SenderId,
    pub(crate) nonce: u64,
    /// When it was queued, ms.
    pub(crate) since_ms: u64,
}

/// All queued transactions, oldest first.
#[derive(Default)]
pub(crate) struct QueueOrder {
    /// The latest time that the caller has named, ms.
    pub(crate) now_ms: u64,
    next_ticket: u64,
    order: BTreeMap<u64, Queued>,
}

impl QueueOrder {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Queue at the end; the ticket is for [`Self::leave`].
    pub(crate) fn enter(&mut self, sender: SenderId, nonce: u64) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.order.insert(ticket, Queued { sender, nonce, since_ms: self.now_ms });
        ticket
    }

    pub(crate) fn leave(&mut self, ticket: u64) {
        self.order.remove(&ticket);
    }

    pub(crate) fn oldest(&self) -> Option<Queued> {
        self.order.first_key_value().map(|(_, queued)| *queued)
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.order.values()
    }
}
