//! Random histories against naive rules: what must hold of a pool after any sequence of calls, recomputed from
//! scratch each time, and a verdict on every transaction that is found by looking at everything.
#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use alloy_primitives::{Address, B256, U256, keccak256};
use common::{CHAIN, ENV, Tx, View, address};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use zg_pool::{Env, Limits, Pool, PoolError};
use zg_types::PoolTransaction;

const SENDERS: u64 = 6;
const STEPS: usize = 600;
const SEEDS: u64 = 60;

/// splitmix64
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

fn limits() -> Limits {
    Limits {
        max_transactions: 14,
        max_bytes: 2_600,
        max_transaction_bytes: 1_000,
        max_per_sender: 6,
        max_queued_per_sender: 3,
        max_queued: 6,
        lifetime_ms: 50,
        ..Limits::new(CHAIN)
    }
}

/// What one sender has in the pool, by nonce.
#[derive(Clone, Default)]
struct Held {
    executable: BTreeMap<u64, Arc<Tx>>,
    queued: BTreeMap<u64, Arc<Tx>>,
}

impl Held {
    fn cost(&self) -> U256 {
        self.executable.values().fold(U256::ZERO, |sum, tx| sum + tx.max_cost())
    }

    fn len(&self) -> usize {
        self.executable.len() + self.queued.len()
    }

    fn get(&self, nonce: u64) -> Option<&Arc<Tx>> {
        self.executable.get(&nonce).or(self.queued.get(&nonce))
    }
}

type Content = BTreeMap<Address, Held>;

fn content(pool: &Pool<Tx>) -> Content {
    let held = |txs: &mut dyn Iterator<Item = &Arc<Tx>>| txs.map(|tx| (tx.nonce, tx.clone())).collect();
    pool.content()
        .map(|sender| {
            let (executable, queued) = (held(&mut sender.executable()), held(&mut sender.queued()));
            (*sender.address(), Held { executable, queued })
        })
        .collect()
}

fn hashes(content: &Content) -> BTreeSet<B256> {
    content.values().flat_map(|held| held.executable.values().chain(held.queued.values())).map(|tx| tx.hash).collect()
}

/// A pool, the finalised state, and what the test remembers of the past.
struct World {
    random: Random,
    pool: Pool<Tx>,
    view: View,
    env: Env,
    /// Order of acceptance.
    arrivals: HashMap<B256, u64>,
    /// What happened, hashed together.
    trace: B256,
    refusals: BTreeSet<&'static str>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut view = View::default();
        (0..SENDERS).for_each(|n| view.set(address(n), n, 20_000_000));
        Self {
            random: Random(seed),
            pool: Pool::new(limits()),
            view,
            env: ENV,
            arrivals: HashMap::new(),
            trace: B256::ZERO,
            refusals: BTreeSet::new(),
        }
    }

    fn transaction(&mut self) -> Tx {
        let random = &mut self.random;
        let sender = address(random.below(SENDERS));
        let nonce = (self.view.accounts[&sender].nonce + random.below(9)).saturating_sub(1);
        Tx::new(sender, nonce, 0).with(|tx| {
            tx.tip = u128::from(random.below(40));
            tx.max_fee = tx.tip + u128::from(random.below(60));
            tx.value = U256::from(random.below(2_000_000));
            tx.raw = vec![0; 60 + random.below(300) as usize];
            if random.below(12) == 0 {
                tx.tx_type = 4;
                tx.gas = 100_000;
                tx.footprint.authorizations = 1;
                tx.authorities = vec![address(random.below(SENDERS))];
            }
        })
    }

    /// The verdict on a valid transaction, without regard to how full the pool is.
    fn verdict(&self, tx: &Tx, before: &Content) -> Result<(), &'static str> {
        let none = Held::default();
        let held = before.get(&tx.sender).unwrap_or(&none);
        let account = self.view.accounts[&tx.sender];
        let next = account.nonce + held.executable.len() as u64;
        if hashes(before).contains(&tx.hash) {
            return Err("known");
        }
        if tx.nonce < account.nonce {
            return Err("nonce");
        }
        let replaced_cost = held.executable.get(&tx.nonce).map_or(U256::ZERO, |old| old.max_cost());
        let spent = (held.cost() + tx.max_cost() - replaced_cost).max(tx.max_cost()).max(held.cost());
        if spent > account.balance {
            return Err("funds");
        }
        let mut all = before.values().flat_map(|held| held.executable.values().chain(held.queued.values()));
        let delegated = all.any(|other| other.authorities.contains(&tx.sender));
        if delegated && !held.executable.contains_key(&tx.nonce) && (!held.executable.is_empty() || tx.nonce != next) {
            return Err("delegated");
        }
        if tx.authorities.iter().any(|authority| before.get(authority).is_some_and(|held| held.len() > 1)) {
            return Err("reserved");
        }
        match held.get(tx.nonce) {
            Some(old) if tx.max_fee < old.max_fee * 110 / 100 || tx.tip < old.tip * 110 / 100 => Err("underpriced"),
            Some(old) if tx.max_fee <= old.max_fee || tx.tip <= old.tip => Err("underpriced"),
            Some(_) => Ok(()),
            None if tx.nonce == next && held.executable.len() == limits().max_per_sender => Err("share"),
            None if tx.nonce > next && held.queued.len() == limits().max_queued_per_sender => Err("share"),
            None => Ok(()),
        }
    }

    fn add(&mut self) {
        let before = content(&self.pool);
        let again = self.pool.all().next().filter(|_| self.random.below(20) == 0).cloned();
        let tx = again.unwrap_or_else(|| Arc::new(self.transaction()));
        let expected = self.verdict(&tx, &before);
        let answer = self.pool.add(tx.clone(), &self.view, &self.env);
        let after = content(&self.pool);
        self.note(&tx.hash, answer.as_ref().err());
        match &answer {
            Ok(added) => {
                assert_eq!(expected, Ok(()), "accepted {tx:?}");
                assert!(after[&tx.sender].get(tx.nonce).is_some_and(|here| here.hash == tx.hash));
                assert_eq!(added.executable, after[&tx.sender].executable.contains_key(&tx.nonce));
                let old = before.get(&tx.sender).and_then(|held| held.get(tx.nonce)).map(|old| old.hash);
                assert_eq!(added.replaced.as_ref().map(|old| old.hash), old);
                self.arrivals.insert(tx.hash, self.arrivals.len() as u64);
                self.check_eviction(&tx, added.replaced.as_deref(), &before, &after);
            }
            Err(error) => {
                assert_eq!(hashes(&before), hashes(&after), "a refusal changed the pool");
                let class = match error {
                    PoolError::AlreadyKnown => "known",
                    PoolError::NonceTooLow { .. } => "nonce",
                    PoolError::InsufficientFunds { .. }
                    | PoolError::Overdraft { .. }
                    | PoolError::BumpOverdraft { .. } => "funds",
                    PoolError::DelegatedInFlight | PoolError::DelegatedGap => "delegated",
                    PoolError::AuthorityReserved => "reserved",
                    PoolError::ReplacementUnderpriced => "underpriced",
                    PoolError::AccountLimit { .. } => "share",
                    PoolError::Underpriced | PoolError::FutureReplacesPending | PoolError::Full => "full",
                    other => panic!("{other}"),
                };
                self.refusals.insert(class);
                if class == "full" {
                    assert_eq!(expected, Ok(()), "{tx:?}");
                    self.check_no_room(&tx, &before);
                } else {
                    assert_eq!(expected, Err(class), "{tx:?}");
                }
            }
        }
    }

    /// What went is worse than `tx`, and nothing executable went while a queued transaction could go instead.
    fn check_eviction(&self, tx: &Tx, replaced: Option<&Tx>, before: &Content, after: &Content) {
        let still = hashes(after);
        let gone =
            |old: &&Arc<Tx>| !still.contains(&old.hash) && replaced.is_none_or(|replaced| replaced.hash != old.hash);
        let executable: Vec<_> = before.values().flat_map(|held| held.executable.values()).filter(gone).collect();
        let tip = tx.effective_tip(self.env.base_fee);
        for old in &executable {
            assert!(old.effective_tip(self.env.base_fee) < tip, "{old:?} gone for {tx:?}");
            assert_ne!(old.sender, tx.sender);
            // Only the ends of chains go.
            let rest = &after.get(&old.sender).cloned().unwrap_or_default().executable;
            assert!(rest.keys().all(|nonce| *nonce < old.nonce));
        }
        if !executable.is_empty() {
            let waited = before.values().flat_map(|held| held.queued.values());
            let kept = waited.filter(|old| still.contains(&old.hash) && old.sender != tx.sender).count();
            assert_eq!(kept, 0, "queued transactions outlived executable ones");
        }
    }

    /// A refusal for want of room: evicting all that may go would not have been enough.
    fn check_no_room(&self, tx: &Tx, before: &Content) {
        let none = Held::default();
        let own = before.get(&tx.sender).unwrap_or(&none);
        let next = self.view.accounts[&tx.sender].nonce + own.executable.len() as u64;
        let tip = tx.effective_tip(self.env.base_fee);
        let mut stays: Vec<&Tx> = vec![tx];
        for (sender, held) in before {
            let mut chain: Vec<&Tx> = held
                .executable
                .values()
                .map(Arc::as_ref)
                .filter(|old| old.nonce != tx.nonce || old.sender != tx.sender)
                .collect();
            while tx.nonce <= next
                && *sender != tx.sender
                && chain.last().is_some_and(|last| last.effective_tip(self.env.base_fee) < tip)
            {
                chain.pop();
            }
            stays.extend(chain);
        }
        let bytes: usize = stays.iter().map(|tx| tx.raw.len()).sum();
        assert!(stays.len() > limits().max_transactions || bytes > limits().max_bytes, "refused {tx:?}");
    }

    /// Include the best transactions, some strangers' nonces and some deposits, and finalise.
    fn commit(&mut self) {
        let count = self.random.below(8) as usize;
        let block: Vec<Arc<Tx>> = self
            .pool
            .best(&self.view, self.env.base_fee)
            .take(count)
            .map(|tx| tx.expect("it answers").clone())
            .collect();
        let mut touched: BTreeSet<Address> = block.iter().map(|tx| tx.sender).collect();
        for tx in &block {
            let account = self.view.accounts.get_mut(&tx.sender).expect("a known sender");
            assert_eq!(account.nonce, tx.nonce);
            account.nonce += 1;
            account.balance -= tx.max_cost();
        }
        let stranger = address(self.random.below(SENDERS));
        let account = self.view.accounts.get_mut(&stranger).expect("a known sender");
        match self.random.below(4) {
            0 => account.nonce += self.random.below(3),
            1 => account.balance = U256::from(self.random.below(40_000_000)),
            2 => account.balance += U256::from(10_000_000),
            _ => {}
        }
        touched.insert(stranger);
        let hashes: Vec<B256> = block.iter().map(|tx| tx.hash).collect();
        self.pool.commit(&hashes, &touched, &self.view, &self.env).expect("it answers");
        assert!(hashes.iter().all(|hash| self.pool.get(hash).is_none()));
        self.note(&B256::with_last_byte(count as u8), None);
    }

    fn remove(&mut self) {
        let all: BTreeSet<B256> = hashes(&content(&self.pool));
        let pick = self.random.below(all.len().max(1) as u64) as usize;
        if let Some(hash) = all.iter().nth(pick) {
            assert_eq!(self.pool.remove(hash).map(|tx| tx.hash), Some(*hash));
            assert!(self.pool.get(hash).is_none());
            self.note(hash, None);
        }
    }

    fn expire(&mut self) {
        self.env.now_ms += self.random.below(30);
        let before = content(&self.pool);
        let expired = self.pool.expire(self.env.now_ms);
        let after = content(&self.pool);
        assert_eq!(hashes(&before).len() - expired, hashes(&after).len());
        for (sender, held) in &before {
            let still = after.get(sender).cloned().unwrap_or_default();
            assert_eq!(held.executable, still.executable, "an executable transaction expired");
        }
    }

    fn note(&mut self, what: &B256, error: Option<&PoolError>) {
        let text = error.map_or(String::new(), PoolError::to_string);
        self.trace = keccak256([self.trace.as_slice(), what.as_slice(), text.as_bytes()].concat());
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..=15 => self.add(),
            16 => self.commit(),
            17 => self.remove(),
            18 => self.expire(),
            // Far enough apart for tails to be ranked exactly.
            _ => self.env.base_fee = [0, 7, 20, 45][self.random.below(4) as usize],
        }
        self.check_content();
        self.check_best();
    }

    fn check_content(&self) {
        let content = content(&self.pool);
        let bounds = limits();
        let (mut executable, mut queued, mut bytes) = (0, 0, 0);
        for (sender, held) in &content {
            let account = self.view.accounts[sender];
            let next = account.nonce + held.executable.len() as u64;
            assert!(held.len() > 0);
            assert!(held.executable.keys().copied().eq(account.nonce..next), "a gap");
            assert!(held.cost() <= account.balance, "more than the balance");
            assert!(held.executable.len() <= bounds.max_per_sender);
            assert!(held.queued.len() <= bounds.max_queued_per_sender);
            assert_eq!(self.pool.pending_nonce(sender, 0), next);
            if let Some((nonce, first)) = held.queued.first_key_value() {
                assert!(*nonce >= next, "a stale or doubled nonce");
                let could = *nonce == next
                    && held.executable.len() < bounds.max_per_sender
                    && held.cost() + first.max_cost() <= account.balance;
                assert!(!could, "it could be executable");
            }
            for tx in held.executable.values().chain(held.queued.values()) {
                assert_eq!(tx.sender, *sender);
                assert!(self.pool.get(&tx.hash).is_some_and(|here| Arc::ptr_eq(here, tx)));
                bytes += tx.raw.len();
            }
            executable += held.executable.len();
            queued += held.queued.len();
        }
        assert_eq!(self.pool.counts(), (executable, queued));
        let stats = self.pool.stats();
        assert_eq!((stats.executable, stats.queued), (executable, queued));
        assert_eq!((stats.bytes, stats.senders), (bytes, content.len()));
        let gone = stats.replaced + stats.included + stats.evicted + stats.expired;
        assert!(stats.added >= gone + (executable + queued) as u64, "more has left than came");
        assert!(executable + queued <= bounds.max_transactions);
        assert!(bytes <= bounds.max_bytes);
        assert!(queued <= bounds.max_queued);
    }

    /// The builder's order, from the finalised state and from one that is ahead of it.
    fn check_best(&mut self) {
        for base_fee in [self.env.base_fee, self.random.below(100)] {
            let found = self.pool.best(&self.view, base_fee).next().is_some();
            assert_eq!(self.pool.ready(base_fee), found, "at {base_fee}");
        }
        let mut ahead = View { accounts: self.view.accounts.clone(), ..View::default() };
        self.check_order(&ahead);
        for account in ahead.accounts.values_mut() {
            account.nonce += self.random.below(3);
        }
        self.check_order(&ahead);
    }

    fn check_order(&self, view: &View) {
        let base_fee = self.env.base_fee;
        let mut chains: Vec<Vec<Arc<Tx>>> =
            content(&self.pool).values().map(|held| held.executable.values().cloned().collect()).collect();
        let best = self.pool.best(view, base_fee).map(|tx| tx.expect("it answers").clone());
        let mut expected = Vec::new();
        loop {
            let rank =
                |tx: &Arc<Tx>| tx.effective_tip(base_fee).map(|tip| (tip, std::cmp::Reverse(self.arrivals[&tx.hash])));
            let best = chains
                .iter_mut()
                .filter_map(|chain| Some((rank(chain.first()?)?, chain)))
                .max_by_key(|(rank, _)| *rank);
            let Some((_, chain)) = best else { break };
            // A sender that the view is ahead of takes its first turn with its first transaction, whatever comes of it.
            let nonce = view.accounts[&chain[0].sender].nonce;
            if chain[0].nonce < nonce {
                chain.retain(|tx| tx.nonce >= nonce);
            } else {
                expected.push(chain.remove(0));
            }
        }
        let names = |txs: &[Arc<Tx>]| txs.iter().map(|tx| (tx.sender, tx.nonce)).collect::<Vec<_>>();
        assert_eq!(names(&best.collect::<Vec<_>>()), names(&expected));
    }
}

#[test]
fn any_history_keeps_the_rules() {
    let mut refusals = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        refusals.append(&mut world.refusals);
    }
    // The histories are worth something only if they run into every rule.
    assert_eq!(
        refusals.into_iter().collect::<Vec<_>>(),
        ["delegated", "full", "funds", "known", "nonce", "reserved", "share", "underpriced"]
    );
}

#[test]
fn the_same_history_twice_ends_the_same() {
    let run = |seed| {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        (world.trace, world.pool.stats())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}
