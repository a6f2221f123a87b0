//! The pool's tables, and the two moves that every operation is made of: take a transaction out, settle its sender.

use crate::Limits;
use crate::entry::Entry;
use crate::order::{Head, Heads, QueueOrder, Tails};
use crate::ring::Ring;
use crate::sender::{Sender, SenderId};
use crate::standing::Standing;
use alloy_primitives::{Address, B256};
use hashbrown::HashMap;
use std::sync::Arc;
use zg_types::PoolTransaction;

/// What the pool holds and what it has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Executable transactions now.
    pub executable: usize,
    /// Queued transactions now.
    pub queued: usize,
    /// EIP-2718 bytes of all transactions now.
    pub bytes: usize,
    /// Senders with transactions now.
    pub senders: usize,
    /// Accepted, replacements too.
    pub added: u64,
    /// Replaced by one that pays more.
    pub replaced: u64,
    /// Gone because a finalised block used their nonce.
    pub included: u64,
    /// Gone to make room, or because a bound of their sender or of the queue was reached.
    pub evicted: u64,
    /// Gone because they were queued too long.
    pub expired: u64,
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) sender: SenderId,
    pub(crate) nonce: u64,
}

/// The mempool of one shard, over transactions `T`. See the crate's page for its flow.
pub struct Pool<T> {
    pub(crate) limits: Limits,
    /// A table with free places; a free place has no transactions.
    pub(crate) senders: Vec<Sender<T>>,
    pub(crate) free: Vec<SenderId>,
    pub(crate) ids: HashMap<Address, SenderId>,
    pub(crate) by_hash: HashMap<B256, Location>,
    /// EIP-7702: how many pooled authorizations name an authority.
    pub(crate) authorities: HashMap<Address, u32>,
    pub(crate) heads: Heads,
    /// Present only while the pool is full: see [`Tails`].
    pub(crate) tails: Option<Tails>,
    pub(crate) queue: QueueOrder,
    pub(crate) bytes: usize,
    arrivals: u64,
    pub(crate) new: Ring,
    pub(crate) journal: Ring,
    pub(crate) counters: Stats,
}

impl<T: PoolTransaction> Pool<T> {
    /// An empty pool.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            senders: Vec::new(),
            free: Vec::new(),
            ids: HashMap::new(),
            by_hash: HashMap::new(),
            authorities: HashMap::new(),
            heads: Heads::default(),
            tails: None,
            queue: QueueOrder::default(),
            bytes: 0,
            arrivals: 0,
            new: Ring::default(),
            journal: Ring::default(),
            counters: Stats::default(),
        }
    }

    /// The bounds that this pool keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Time never goes back here.
    pub(crate) fn observe(&mut self, now_ms: u64) {
        self.queue.now_ms = self.queue.now_ms.max(now_ms);
    }

    pub(crate) fn next_arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    pub(crate) fn sender(&self, address: &Address) -> Option<&Sender<T>> {
        self.ids.get(address).map(|id| &self.senders[*id as usize])
    }

    /// The sender's place in the table, made if it has none.
    pub(crate) fn admit_sender(&mut self, address: &Address, standing: Standing) -> SenderId {
        if let Some(id) = self.ids.get(address) {
            return *id;
        }
        let sender = Sender::new(*address, standing);
        let id = match self.free.pop() {
            Some(id) => {
                self.senders[id as usize] = sender;
                id
            }
            None => {
                self.senders.push(sender);
                (self.senders.len() - 1) as SenderId
            }
        };
        self.ids.insert(*address, id);
        id
    }

    /// Enter a transaction in the tables by hash, size and authority.
    pub(crate) fn register(&mut self, tx: &T, sender: SenderId) {
        self.bytes += tx.raw().len();
        self.by_hash.insert(*tx.hash(), Location { sender, nonce: tx.nonce() });
        for authority in tx.authorities() {
            *self.authorities.entry(*authority).or_default() += 1;
        }
    }

    /// The reverse of [`Self::register`].
    pub(crate) fn unregister(&mut self, tx: &T) {
        self.bytes -= tx.raw().len();
        self.by_hash.remove(tx.hash());
        for authority in tx.authorities() {
            if let hashbrown::hash_map::Entry::Occupied(mut count) = self.authorities.entry(*authority) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }

    /// Take one transaction out; what followed it in the executable chain is queued. [`Self::settle`] comes next.
    pub(crate) fn take_out(&mut self, at: Location) -> Option<Arc<T>> {
        let sender = &mut self.senders[at.sender as usize];
        let entry = match sender.position(at.nonce) {
            Some(position) => {
                sender.demote_from(position + 1, at.sender, &mut self.queue);
                sender.pop_executable()
            }
            None => sender.dequeue(at.nonce, &mut self.queue),
        }?;
        self.unregister(&entry.tx);
        Some(entry.tx)
    }

    /// Restore what holds of a sender between calls: the longest payable executable chain, bounds, and its place in
    /// the orders; or no place at all when it has nothing left.
    pub(crate) fn settle(&mut self, id: SenderId) {
        let sender = &mut self.senders[id as usize];
        sender.demote_unpayable(id, &mut self.queue);
        let promoted = sender.promote(self.limits.max_per_sender, &mut self.queue);
        if promoted > 0 {
            let start = sender.executable.len() - promoted;
            sender.executable.range_mut(start..).for_each(|entry| announce(entry, &mut self.new));
        }
        while self.senders[id as usize].queued.len() > self.limits.max_queued_per_sender {
            let sender = &mut self.senders[id as usize];
            let Some((_, waiting)) = sender.queued.pop_last() else { break };
            self.queue.leave(waiting.ticket);
            self.unregister(&waiting.entry.tx);
            self.counters.evicted += 1;
        }
        let sender = &mut self.senders[id as usize];
        sender.trim();
        let head = sender.executable.front();
        self.heads.set(id, head.map(|entry| Head { price: entry.price, arrival: entry.arrival, sender: id }));
        if let Some(tails) = &mut self.tails {
            tails.set(id, sender.executable.back().map(|entry| (entry.price, entry.arrival)));
        }
        if sender.is_empty() {
            self.ids.remove(&sender.address);
            self.free.push(id);
        }
    }

    /// Drop the oldest queued transactions until their bound holds.
    pub(crate) fn bound_queue(&mut self) {
        while self.queue.len() > self.limits.max_queued {
            let Some(oldest) = self.queue.oldest() else { return };
            self.take_out(Location { sender: oldest.sender, nonce: oldest.nonce });
            self.counters.evicted += 1;
            self.settle(oldest.sender);
        }
    }
}

/// Note a transaction that has become executable, the first time.
pub(crate) fn announce<T: PoolTransaction>(entry: &mut Entry<T>, new: &mut Ring) {
    if !entry.announced {
        entry.announced = true;
        new.push(*entry.tx.hash());
    }
}
