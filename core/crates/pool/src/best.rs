//! The order in which a block builder takes transactions.

use crate::pool::Pool;
use crate::sender::SenderId;
use alloy_primitives::Address;
use hashbrown::HashSet;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;
use zg_types::{PoolTransaction, StateView, ViewError};

/// A sender's next transaction. Ordered by what is taken first: the higher tip, then the earlier arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    tip: u128,
    arrival: Reverse<u64>,
    sender: SenderId,
    /// Position in the sender's executable chain.
    position: u32,
}

/// Executable transactions by effective tip, earlier arrivals first among equals, nonces of a sender in order.
///
/// The view may be ahead of the pool: each sender starts at the view's nonce, which is read when the sender's turn
/// comes, so that a block of n transactions costs at most n account reads however many senders wait. A sender that
/// the view is ahead of takes the turn of its first pooled transaction. A sender stops at the first transaction that
/// cannot pay the base fee.
pub struct Best<'a, T> {
    pool: &'a Pool<T>,
    view: &'a dyn StateView,
    base_fee: u64,
    /// First transactions of senders whose turn has not come, and for which the view has not been asked.
    waiting: BinaryHeap<Candidate>,
    /// Senders whose turn has come, which are few: kept apart so that long chains stay in the processor's cache.
    started: BinaryHeap<Candidate>,
    /// The top of `started` has been handed out, and its sender's next takes its place.
    taken: bool,
    skipped: HashSet<SenderId>,
}

impl<T: PoolTransaction> Pool<T> {
    /// Whether a block at `base_fee` would find a transaction here that pays it.
    pub fn ready(&mut self, base_fee: u64) -> bool {
        self.heads.any_pays(base_fee)
    }

    /// Start a block on the state `view` at `base_fee`. One pass over the senders.
    pub fn best<'a>(&'a self, view: &'a dyn StateView, base_fee: u64) -> Best<'a, T> {
        let mut waiting = Vec::with_capacity(self.heads.list().len());
        for head in self.heads.list() {
            if let Some(tip) = head.price.tip(base_fee) {
                waiting.push(Candidate { tip, arrival: Reverse(head.arrival), sender: head.sender, position: 0 });
            }
        }
        Best {
            pool: self,
            view,
            base_fee,
            waiting: waiting.into(),
            started: BinaryHeap::new(),
            taken: false,
            skipped: HashSet::new(),
        }
    }
}

impl<'a, T: PoolTransaction> Best<'a, T> {
    /// Leave out the remaining transactions of a sender: the last one failed, or does not fit.
    pub fn skip_sender(&mut self, address: &Address) {
        if let Some(id) = self.pool.ids.get(address) {
            self.skipped.insert(*id);
        }
    }

    /// The sender's transaction at `position`, if it pays the base fee.
    fn candidate(&self, sender: SenderId, position: u32) -> Option<Candidate> {
        let entry = self.pool.senders[sender as usize].executable.get(position as usize)?;
        let tip = entry.price.tip(self.base_fee)?;
        Some(Candidate { tip, arrival: Reverse(entry.arrival), sender, position })
    }

    /// The transaction of a waiting sender that the view's nonce calls for.
    fn start(&self, id: SenderId) -> Result<Option<Candidate>, ViewError> {
        let sender = &self.pool.senders[id as usize];
        let nonce = self.view.account(&sender.address)?.unwrap_or_default().nonce;
        let position = sender.position(nonce).and_then(|position| u32::try_from(position).ok());
        Ok(position.and_then(|position| self.candidate(id, position)))
    }

    /// Let the sender of the transaction that was handed out go on to its next.
    fn advance(&mut self) {
        let Some(last) = self.started.peek().copied() else { return };
        let next = self.candidate(last.sender, last.position + 1);
        if let Some(mut top) = self.started.peek_mut() {
            match next {
                Some(next) => *top = next,
                None => {
                    PeekMut::pop(top);
                }
            }
        }
    }
}

impl<'a, T: PoolTransaction> Iterator for Best<'a, T> {
    /// The view's error, once, if it could not say where a sender stands; nothing follows it.
    type Item = Result<&'a Arc<T>, ViewError>;

    fn next(&mut self) -> Option<Self::Item> {
        if std::mem::take(&mut self.taken) {
            self.advance();
        }
        while self.started.peek().is_some_and(|top| self.skipped.contains(&top.sender)) {
            self.started.pop();
        }
        while let Some(first) = self.waiting.peek().copied() {
            if self.started.peek().is_some_and(|started| *started > first) {
                break;
            }
            self.waiting.pop();
            if self.skipped.contains(&first.sender) {
                continue;
            }
            match self.start(first.sender) {
                Ok(candidate) => self.started.extend(candidate),
                Err(error) => {
                    self.waiting.clear();
                    self.started.clear();
                    return Some(Err(error));
                }
            }
        }
        let top = self.started.peek()?;
        self.taken = true;
        let pool = self.pool;
        Some(Ok(&pool.senders[top.sender as usize].executable[top.position as usize].tx))
    }
}
