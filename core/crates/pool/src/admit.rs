//! Admission of one transaction.

use crate::entry::{Entry, Price};
use crate::evict::Incoming;
use crate::pool::{Location, Pool, announce};
use crate::sender::{Place, Sender};
use crate::standing::{Kind, Standing};
use crate::{Env, PoolError, rules};
use alloy_primitives::U256;
use std::sync::Arc;
use zg_types::{PoolTransaction, StateView};

/// What became of an accepted transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added<T> {
    /// It may be in the next block; otherwise it waits for a nonce before it.
    pub executable: bool,
    /// The transaction with the same nonce whose place it took.
    pub replaced: Option<Arc<T>>,
}

impl<T: PoolTransaction> Pool<T> {
    /// Validate and insert. A refusal leaves the pool as it was.
    ///
    /// `view` is the state of the last block given to [`Pool::commit`]; it is read only for a sender with nothing
    /// in the pool.
    pub fn add(&mut self, tx: Arc<T>, view: &dyn StateView, env: &Env) -> Result<Added<T>, PoolError> {
        self.observe(env.now_ms);
        if self.by_hash.contains_key(tx.hash()) {
            return Err(PoolError::AlreadyKnown);
        }
        rules::check(&*tx, &self.limits, env)?;
        let entry =
            Entry { price: Price::of(&*tx), cost: tx.max_cost(), arrival: self.next_arrival(), announced: false, tx };
        let known = self.ids.get(entry.tx.sender()).copied();
        let unknown;
        let sender = match known {
            Some(id) => &self.senders[id as usize],
            None => {
                unknown = Sender::new(*entry.tx.sender(), Standing::read(view, entry.tx.sender(), None)?);
                &unknown
            }
        };
        let place = sender.place(entry.tx.nonce());
        self.check_sender(sender, &entry, place)?;
        let incoming = Incoming {
            sender: known,
            nonce: entry.tx.nonce(),
            executable: entry.tx.nonce() <= sender.next_nonce(),
            bytes: entry.tx.raw().len(),
            price: entry.price,
            replaced_bytes: sender.get(entry.tx.nonce()).map(|old| old.tx.raw().len()),
        };
        let standing = sender.standing;
        for victim in self.make_room(&incoming, env.base_fee)? {
            self.evict(victim);
        }
        Ok(self.insert(entry, standing))
    }

    /// Insert an entry that every check has passed and that there is room for.
    fn insert(&mut self, mut entry: Entry<T>, standing: Standing) -> Added<T> {
        let (nonce, tx) = (entry.tx.nonce(), entry.tx.clone());
        let id = self.admit_sender(tx.sender(), standing);
        self.register(&tx, id);
        self.journal.push(*tx.hash());
        let sender = &mut self.senders[id as usize];
        let replaced = match sender.place(nonce) {
            Place::Executable(position) => {
                announce(&mut entry, &mut self.new);
                Some(sender.replace_executable(position, entry))
            }
            Place::Next => {
                announce(&mut entry, &mut self.new);
                sender.push_executable(entry);
                None
            }
            Place::Queued | Place::Gap => sender.enqueue(id, nonce, entry, &mut self.queue),
        };
        if let Some(old) = &replaced {
            self.unregister(&old.tx);
            self.counters.replaced += 1;
        }
        self.counters.added += 1;
        self.settle(id);
        let executable = self.senders[id as usize].position(nonce).is_some();
        Added { executable, replaced: replaced.map(|old| old.tx) }
    }

    /// What the sender's account and its other transactions say.
    fn check_sender(&self, sender: &Sender<T>, entry: &Entry<T>, place: Place) -> Result<(), PoolError> {
        let nonce = entry.tx.nonce();
        let account = &sender.standing.account;
        if nonce < account.nonce {
            return Err(PoolError::NonceTooLow { next: account.nonce, nonce });
        }
        // EIP-3607
        if let Kind::Contract { code_bytes } = sender.standing.kind {
            return Err(PoolError::SenderIsContract { address: sender.address, code_bytes });
        }
        self.check_funds(sender, entry, place)?;
        self.check_delegation(sender, entry, place)?;
        match place {
            Place::Executable(_) | Place::Queued => match sender.get(nonce) {
                Some(old) if !entry.price.outbids(&old.price, self.limits.price_bump_percent) => {
                    Err(PoolError::ReplacementUnderpriced)
                }
                _ => Ok(()),
            },
            Place::Next if sender.executable.len() < self.limits.max_per_sender => Ok(()),
            Place::Gap if sender.queued.len() < self.limits.max_queued_per_sender => Ok(()),
            Place::Next | Place::Gap => Err(PoolError::AccountLimit { pooled: sender.len() }),
        }
    }

    /// The balance covers the transaction, alone and after the executable ones.
    fn check_funds(&self, sender: &Sender<T>, entry: &Entry<T>, place: Place) -> Result<(), PoolError> {
        let (balance, queued, cost) = (sender.standing.account.balance, sender.cost, entry.cost);
        if cost > balance {
            return Err(PoolError::InsufficientFunds { balance, cost });
        }
        match place {
            Place::Executable(position) => {
                let old = sender.executable.get(position).map_or(U256::ZERO, |old| old.cost);
                let bump = cost.saturating_sub(old);
                match queued.checked_add(bump) {
                    Some(total) if total <= balance => Ok(()),
                    _ => Err(PoolError::BumpOverdraft { balance, queued, bump }),
                }
            }
            Place::Queued | Place::Next | Place::Gap => match queued.checked_add(cost) {
                Some(total) if total <= balance => Ok(()),
                _ => Err(PoolError::Overdraft { balance, queued, cost }),
            },
        }
    }

    /// EIP-7702: anyone may move the nonce and balance of a delegated account, so it holds one transaction at a time.
    fn check_delegation(&self, sender: &Sender<T>, entry: &Entry<T>, place: Place) -> Result<(), PoolError> {
        let delegated = sender.standing.kind == Kind::Delegated || self.authorities.contains_key(&sender.address);
        match place {
            Place::Executable(_) => {}
            _ if !delegated => {}
            _ if !sender.executable.is_empty() => return Err(PoolError::DelegatedInFlight),
            _ if entry.tx.nonce() != sender.next_nonce() => return Err(PoolError::DelegatedGap),
            _ => {}
        }
        let busy = |pool: &Self, authority| pool.sender(authority).is_some_and(|sender| sender.len() > 1);
        if entry.tx.authorities().iter().any(|authority| busy(self, authority)) {
            return Err(PoolError::AuthorityReserved);
        }
        Ok(())
    }

    /// Drop one transaction to make room.
    fn evict(&mut self, at: Location) {
        if self.take_out(at).is_some() {
            self.counters.evicted += 1;
            self.settle(at.sender);
        }
    }
}
