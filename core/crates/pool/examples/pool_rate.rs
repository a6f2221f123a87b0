//! Microseconds a transaction that the pool itself takes, by stage. The state is a map in memory.
//!
//! `cargo run --release -p zg-pool --example pool_rate`
#[allow(dead_code, reason = "tests use more of it")]
#[path = "../tests/common/mod.rs"]
mod common;

use common::{CHAIN, ENV, Tx, View, address};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zg_pool::{Env, Limits, Pool};
use zg_types::StateView;

const BLOCK_TRANSACTIONS: usize = 2_000;

/// Time spent in each stage.
#[derive(Default)]
struct Spent {
    add: Duration,
    best: Duration,
    commit: Duration,
    /// The three reads of an account that a transaction alone in its sender needs, by themselves.
    view: Duration,
}

/// `chain` transactions from each of `senders`, in rounds over the senders, as a load generator sends them.
fn transactions(senders: u64, chain: u64) -> Vec<Arc<Tx>> {
    let tip = |sender: u64| 1 + u128::from(sender.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58);
    (0..chain)
        .flat_map(|nonce| (0..senders).map(move |sender| Arc::new(Tx::new(address(sender), nonce, tip(sender)))))
        .collect()
}

/// Fill the pool, then empty it by blocks.
fn measure(senders: u64, chain: u64) -> Spent {
    let mut view = View::default();
    (0..senders).for_each(|n| view.set(address(n), 0, u128::MAX >> 1));
    let mut pool = Pool::new(Limits::new(CHAIN));
    let mut spent = Spent::default();
    let load = transactions(senders, chain);
    let total = load.len();

    let start = Instant::now();
    for tx in load {
        pool.add(tx, &view, &ENV).expect("the load is valid");
    }
    spent.add = start.elapsed();

    let mut included = 0;
    while included < total {
        let start = Instant::now();
        let block: Vec<Arc<Tx>> = pool
            .best(&view, ENV.base_fee)
            .take(BLOCK_TRANSACTIONS)
            .map(|tx| tx.expect("the view answers").clone())
            .collect();
        spent.best += start.elapsed();
        assert!(!block.is_empty(), "the pool ran dry at {included} of {total}");
        included += block.len();
        for tx in &block {
            view.set(tx.sender, tx.nonce + 1, u128::MAX >> 1);
        }
        let start = Instant::now();
        pool.commit(block.iter().map(|tx| &tx.hash), block.iter().map(|tx| &tx.sender), &view, &ENV)
            .expect("the view answers");
        spent.commit += start.elapsed();
    }
    assert_eq!(pool.counts(), (0, 0));

    let start = Instant::now();
    for _ in 0..3 {
        for n in 0..senders {
            let account = view.account(&address(n)).expect("the view answers");
            assert!(account.is_some());
        }
    }
    spent.view = start.elapsed();
    spent
}

/// Add to a full pool of `senders` transactions, each addition evicting one, the base fee changing with every block.
fn measure_full(senders: u64, additions: u64) -> Duration {
    let mut view = View::default();
    (0..senders + additions).for_each(|n| view.set(address(n), 0, u128::MAX >> 1));
    let mut pool = Pool::new(Limits { max_transactions: senders as usize, ..Limits::new(CHAIN) });
    for tx in transactions(senders, 1) {
        pool.add(tx, &view, &ENV).expect("the load is valid");
    }
    let load: Vec<_> = (0..additions).map(|n| Arc::new(Tx::new(address(senders + n), 0, 70))).collect();
    let start = Instant::now();
    for (n, tx) in load.into_iter().enumerate() {
        let base_fee = ENV.base_fee + (n / BLOCK_TRANSACTIONS) as u64 % 2;
        pool.add(tx, &view, &Env { base_fee, ..ENV }).expect("it pays more than all others");
    }
    let spent = start.elapsed();
    assert_eq!(pool.stats().evicted, additions);
    spent
}

fn main() {
    println!(
        "{:>8} {:>6} {:>8} {:>8} {:>8} {:>8}   µs a transaction",
        "senders", "chain", "add", "best", "commit", "sum"
    );
    for (senders, chain) in [(1_000, 200), (100_000, 1)] {
        let spent = measure(senders, chain);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / (senders * chain) as f64;
        println!(
            "{senders:>8} {chain:>6} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>8.3}",
            each(spent.add),
            each(spent.best),
            each(spent.commit),
            each(spent.add + spent.best + spent.commit),
            each(spent.view),
        );
    }
    let additions = 20_000;
    let spent = measure_full(200_000, additions).as_secs_f64() * 1e6 / additions as f64;
    println!("add to a full pool of 200,000 senders, base fee changing each block: {spent:.3}");
}
