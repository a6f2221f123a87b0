//! Who leaves a full pool: the oldest queued, then the worst last transactions of senders, so that no gap is made.

use crate::PoolError;
use crate::entry::Price;
use crate::order::{Heads, TailRank, Tails};
use crate::pool::{Location, Pool};
use crate::sender::SenderId;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use zg_types::PoolTransaction;

/// Free places that the table of senders keeps when the pool is empty.
const SPARE_SENDERS_MAX: usize = 1_024;

/// The base fee may move by this fraction before tails are ranked again.
const RANK_TOLERANCE: u64 = 8;

/// A transaction that wants to enter.
pub(crate) struct Incoming {
    /// Its sender, if that has something here.
    pub(crate) sender: Option<SenderId>,
    pub(crate) nonce: u64,
    /// It would be executable.
    pub(crate) executable: bool,
    pub(crate) bytes: usize,
    pub(crate) price: Price,
    /// Size of the transaction that it replaces.
    pub(crate) replaced_bytes: Option<usize>,
}

/// How far the pool would be over its bounds.
struct Excess {
    transactions: usize,
    bytes: usize,
    queued: usize,
}

impl Excess {
    fn is_none(&self) -> bool {
        self.transactions == 0 && self.bytes == 0 && self.queued == 0
    }

    fn less(&mut self, bytes: usize, queued: usize) {
        self.transactions = self.transactions.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.queued = self.queued.saturating_sub(queued);
    }
}

impl<T: PoolTransaction> Pool<T> {
    /// Choose whom to evict for `incoming`, in the order to evict them. Refuses without a change when better
    /// transactions would have to go.
    pub(crate) fn make_room(&mut self, incoming: &Incoming, base_fee: u64) -> Result<Vec<Location>, PoolError> {
        let mut excess = self.excess(incoming);
        let mut victims = Vec::new();
        if excess.is_none() {
            return Ok(victims);
        }
        for oldest in self.queue.iter() {
            let victim = Location { sender: oldest.sender, nonce: oldest.nonce };
            if incoming.sender == Some(victim.sender) && incoming.nonce == victim.nonce {
                continue;
            }
            excess.less(self.bytes_at(victim), 1);
            victims.push(victim);
            if excess.is_none() {
                return Ok(victims);
            }
        }
        if !incoming.executable {
            return Err(PoolError::FutureReplacesPending);
        }
        self.choose_tails(incoming, base_fee, &mut excess, &mut victims)?;
        Ok(victims)
    }

    fn excess(&self, incoming: &Incoming) -> Excess {
        let (count, replaced_bytes) = incoming.replaced_bytes.map_or((1, 0), |bytes| (0, bytes));
        let queued = if incoming.executable { 0 } else { count };
        Excess {
            transactions: (self.by_hash.len() + count).saturating_sub(self.limits.max_transactions),
            bytes: (self.bytes - replaced_bytes + incoming.bytes).saturating_sub(self.limits.max_bytes),
            queued: if queued > 0 { (self.queue.len() + queued).saturating_sub(self.limits.max_queued) } else { 0 },
        }
    }

    fn bytes_at(&self, at: Location) -> usize {
        self.senders[at.sender as usize].get(at.nonce).map_or(0, |entry| entry.tx.raw().len())
    }

    /// Choose executable transactions worse than `incoming`, the worst first, each the last one of its sender by then.
    fn choose_tails(
        &mut self,
        incoming: &Incoming,
        base_fee: u64,
        excess: &mut Excess,
        victims: &mut Vec<Location>,
    ) -> Result<(), PoolError> {
        self.rank_tails(base_fee);
        let Some(tails) = &self.tails else { return Err(PoolError::Full) };
        let base_fee = tails.base_fee();
        let incoming_tip = incoming.price.tip(base_fee);
        let mut ranked = tails.iter().copied().peekable();
        // Entries that become the last of their sender through a choice made here, with their positions.
        let mut exposed: BinaryHeap<Reverse<(TailRank, usize)>> = BinaryHeap::new();
        while !excess.is_none() {
            let from_exposed = match (exposed.peek(), ranked.peek()) {
                (Some(Reverse((inner, _))), Some(outer)) => inner < outer,
                (inner, None) => inner.is_some(),
                (None, Some(_)) => false,
            };
            let (rank, position) = if from_exposed {
                let Some(Reverse(next)) = exposed.pop() else { return Err(PoolError::Full) };
                next
            } else {
                let Some(rank) = ranked.next() else { return Err(PoolError::Full) };
                (rank, self.senders[rank.2 as usize].executable.len() - 1)
            };
            let (tip, _, id) = rank;
            if incoming.sender == Some(id) {
                // Without its own predecessors it would not be executable.
                continue;
            }
            if tip >= incoming_tip {
                return Err(PoolError::Underpriced);
            }
            let sender = &self.senders[id as usize];
            excess.less(sender.executable[position].tx.raw().len(), 0);
            victims.push(Location { sender: id, nonce: sender.standing.account.nonce + position as u64 });
            if let Some(before) = position.checked_sub(1) {
                let entry = &sender.executable[before];
                exposed.push(Reverse(((entry.price.tip(base_fee), Reverse(entry.arrival), id), before)));
            }
        }
        Ok(())
    }

    /// Have the tails ranked at this base fee, or near it: ranking costs a pass over all senders, which a base fee
    /// that moves with every block would make too often.
    fn rank_tails(&mut self, base_fee: u64) {
        let near = |ranked: u64| ranked.abs_diff(base_fee) <= ranked / RANK_TOLERANCE;
        if self.tails.as_ref().is_some_and(|tails| near(tails.base_fee())) {
            return;
        }
        let tails = self.senders.iter().enumerate().filter_map(|(id, sender)| {
            sender.executable.back().map(|entry| (id as SenderId, entry.price, entry.arrival))
        });
        self.tails = Some(Tails::new(base_fee, tails));
    }

    /// Give memory back: the ranking of tails when the pool is no longer close to its bounds, and the table of
    /// senders when nobody is left.
    pub(crate) fn relax(&mut self) {
        let roomy = |used: usize, bound: usize| used < bound - bound / 4;
        if roomy(self.by_hash.len(), self.limits.max_transactions) && roomy(self.bytes, self.limits.max_bytes) {
            self.tails = None;
        }
        if self.ids.is_empty() && self.senders.len() > SPARE_SENDERS_MAX {
            self.senders = Vec::new();
            self.free = Vec::new();
            self.heads = Heads::default();
        }
    }
}
