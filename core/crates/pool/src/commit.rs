//! How transactions leave: a block was finalised, someone asked, or they waited too long.

use crate::Env;
use crate::pool::{Location, Pool};
use crate::sender::SenderId;
use crate::standing::{Kind, Standing};
use alloy_primitives::{Address, B256};
use std::sync::Arc;
use zg_types::{PoolTransaction, StateView, ViewError};

impl<T: PoolTransaction> Pool<T> {
    /// A block was finalised: forget what it included, and bring the accounts that it changed up to date.
    ///
    /// `touched` lists every address whose nonce, balance or code the block changed (those unknown here cost one
    /// look-up each), `view` is the state after it. When the view fails, nothing has changed.
    pub fn commit<'a>(
        &mut self,
        included: impl IntoIterator<Item = &'a B256>,
        touched: impl IntoIterator<Item = &'a Address>,
        view: &dyn StateView,
        env: &Env,
    ) -> Result<(), ViewError> {
        self.observe(env.now_ms);
        let included: Vec<Location> = included.into_iter().filter_map(|hash| self.by_hash.get(hash)).copied().collect();
        let touched = touched.into_iter().filter_map(|address| self.ids.get(address)).copied();
        let mut changed: Vec<SenderId> = included.iter().map(|at| at.sender).chain(touched).collect();
        changed.sort_unstable();
        changed.dedup();
        let standings = changed
            .iter()
            .map(|id| {
                let sender = &self.senders[*id as usize];
                Standing::read(view, &sender.address, Some(&sender.standing))
            })
            .collect::<Result<Vec<_>, _>>()?;

        let mut stale = Vec::with_capacity(included.len());
        for (id, standing) in changed.iter().zip(standings) {
            let sender = &mut self.senders[*id as usize];
            sender.refresh(*id, standing, &mut self.queue, &mut stale);
            if let Kind::Contract { .. } = standing.kind {
                self.drop_sender(*id);
            }
        }
        self.counters.included += stale.len() as u64;
        stale.iter().for_each(|entry| self.unregister(&entry.tx));
        // The view has moved on from these nonces; take them out even if it has not.
        for at in included {
            if self.take_out(at).is_some() {
                self.counters.included += 1;
            }
        }
        changed.into_iter().for_each(|id| self.settle(id));
        self.bound_queue();
        self.relax();
        Ok(())
    }

    /// Drop everything of a sender that can no longer send (EIP-3607).
    fn drop_sender(&mut self, id: SenderId) {
        let sender = &self.senders[id as usize];
        let first = sender.standing.account.nonce;
        let last_first: Vec<u64> = sender.queued.keys().copied().chain((first..sender.next_nonce()).rev()).collect();
        for nonce in last_first {
            self.take_out(Location { sender: id, nonce });
            self.counters.evicted += 1;
        }
    }

    /// Drop one transaction; those of its sender that come after it are queued. Answers it, if it was here.
    pub fn remove(&mut self, hash: &B256) -> Option<Arc<T>> {
        let at = *self.by_hash.get(hash)?;
        let tx = self.take_out(at);
        self.settle(at.sender);
        self.bound_queue();
        tx
    }

    /// Drop what has been queued for longer than its lifetime; answers how many.
    pub fn expire(&mut self, now_ms: u64) -> usize {
        self.observe(now_ms);
        let mut expired = 0;
        while let Some(oldest) = self.queue.oldest() {
            if self.queue.now_ms - oldest.since_ms <= self.limits.lifetime_ms {
                break;
            }
            self.take_out(Location { sender: oldest.sender, nonce: oldest.nonce });
            self.settle(oldest.sender);
            expired += 1;
        }
        self.counters.expired += expired as u64;
        expired
    }
}
