//! How transactions move through the pool: promotion, blocks, eviction, expiry, and what the pool tells about it.
#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use alloy_primitives::{B256, U256};
use common::{CHAIN, ENV, GWEI, Tx, View, address, rich};
use std::sync::Arc;
use zg_pool::{Added, Env, Limits, Pool, PoolError};

fn add(pool: &mut Pool<Tx>, view: &View, tx: &Tx) -> Result<Added<Tx>, PoolError> {
    pool.add(Arc::new(tx.clone()), view, &ENV)
}

/// Add transactions that the pool must accept.
fn fill(pool: &mut Pool<Tx>, view: &View, txs: &[Tx]) {
    for tx in txs {
        add(pool, view, tx).unwrap_or_else(|error| panic!("{tx:?}: {error}"));
    }
}

/// (sender's number, nonce) in the order in which a builder takes them.
fn order(pool: &Pool<Tx>, view: &View) -> Vec<(u64, u64)> {
    pool.best(view, ENV.base_fee).map(|tx| tx.expect("the view answers")).map(|tx| place(tx)).collect()
}

fn place(tx: &Tx) -> (u64, u64) {
    (u64::from(tx.sender[19]) - 1, tx.nonce)
}

fn tx(sender: u64, nonce: u64, tip: u128) -> Tx {
    Tx::new(address(sender), nonce, tip)
}

#[test]
fn a_filled_gap_makes_what_follows_executable() {
    let (mut pool, view) = rich(1, |_| {});
    fill(&mut pool, &view, &[tx(0, 2, 1), tx(0, 1, 1), tx(0, 4, 1)]);
    assert_eq!(pool.counts(), (0, 3));
    assert!(order(&pool, &view).is_empty());
    assert!(add(&mut pool, &view, &tx(0, 0, 1)).expect("refused").executable);
    assert_eq!(pool.counts(), (3, 1));
    assert_eq!(pool.pending_nonce(&address(0), 0), 3);
    assert_eq!(pool.pending_nonce(&address(0), 9), 9);
    assert_eq!(pool.pending_nonce(&address(1), 9), 9);
}

#[test]
fn the_pending_cost_is_what_executable_transactions_pay_at_the_base_fee() {
    let (mut pool, view) = rich(1, |_| {});
    let paying = |nonce, tip, value: u64| tx(0, nonce, tip).with(|tx| tx.value = U256::from(value));
    fill(&mut pool, &view, &[paying(0, 1, 5), paying(1, 95, 7), paying(3, 1, 1000)]);
    let cost = |state_nonce, base_fee| pool.pending_cost(&address(0), state_nonce, base_fee);
    assert_eq!(cost(0, 10), U256::from(21_000 * 11 + 5 + 21_000 * 100 + 7), "the fee cap bounds the second");
    assert_eq!(cost(1, 10), U256::from(21_000 * 100 + 7), "a block has included the first");
    assert_eq!(cost(0, 200), U256::from(2 * 21_000 * 100 + 12), "the base fee is above both");
    assert_eq!(pool.pending_cost(&address(1), 0, 10), U256::ZERO);
}

#[test]
fn the_best_tip_goes_first_and_arrival_breaks_ties() {
    let (mut pool, view) = rich(3, |_| {});
    fill(&mut pool, &view, &[tx(0, 0, 1), tx(0, 1, 9), tx(1, 0, 5), tx(2, 0, 5), tx(1, 1, 5)]);
    assert_eq!(order(&pool, &view), [(1, 0), (2, 0), (1, 1), (0, 0), (0, 1)]);
}

#[test]
fn the_base_fee_decides_the_effective_tip() {
    let (mut pool, view) = rich(3, |_| {});
    let priced = |sender, max_fee, tip| tx(sender, 0, tip).with(|tx| tx.max_fee = max_fee);
    fill(&mut pool, &view, &[priced(0, 100, 50), priced(1, 200, 40), priced(2, 89, 1)]);
    let at = |base_fee| -> Vec<u64> {
        pool.best(&view, base_fee).map(|tx| place(tx.expect("the view answers")).0).collect()
    };
    assert_eq!(at(10), [0, 1, 2]);
    assert_eq!(at(80), [1, 0, 2]);
    assert_eq!(at(90), [1, 0]);
    assert_eq!(at(201), [0; 0]);
}

#[test]
fn a_pool_is_ready_when_a_first_transaction_pays_the_base_fee() {
    let (mut pool, view) = rich(3, |_| {});
    let priced = |sender, nonce, max_fee| tx(sender, nonce, 1).with(|tx| tx.max_fee = max_fee);
    assert!(!pool.ready(0), "there is nothing");
    fill(&mut pool, &view, &[priced(0, 0, 50), priced(0, 1, 500), priced(1, 0, 80), priced(2, 1, 500)]);
    assert!(pool.ready(80));
    assert!(!pool.ready(81), "the dear ones are behind a cheap one, and behind a gap");
    assert!(pool.ready(80), "a refusal forgets nothing");
    fill(&mut pool, &view, &[priced(2, 0, 90)]);
    assert!(pool.ready(81), "a dearer one has come");
    pool.remove(&priced(2, 0, 90).hash).expect("it is here");
    assert!(!pool.ready(81));
    pool.remove(&priced(1, 0, 80).hash).expect("it is here");
    assert!(!pool.ready(51));
    assert!(pool.ready(50));
}

#[test]
fn a_skipped_sender_does_not_come_again() {
    let (mut pool, view) = rich(2, |_| {});
    fill(&mut pool, &view, &[tx(0, 0, 9), tx(0, 1, 9), tx(1, 0, 5), tx(1, 1, 7)]);
    let mut best = pool.best(&view, ENV.base_fee);
    assert_eq!(best.next().map(|tx| place(tx.expect("the view answers"))), Some((0, 0)));
    best.skip_sender(&address(0));
    best.skip_sender(&address(7));
    let rest: Vec<_> = best.map(|tx| place(tx.expect("the view answers"))).collect();
    assert_eq!(rest, [(1, 0), (1, 1)]);
}

#[test]
fn a_sender_may_be_skipped_before_its_turn() {
    let (mut pool, view) = rich(3, |_| {});
    fill(&mut pool, &view, &[tx(0, 0, 9), tx(1, 0, 5), tx(2, 0, 1)]);
    let mut best = pool.best(&view, ENV.base_fee);
    best.skip_sender(&address(1));
    let rest: Vec<_> = best.map(|tx| place(tx.expect("the view answers"))).collect();
    assert_eq!(rest, [(0, 0), (2, 0)]);
}

#[test]
fn a_block_on_an_unfinalised_parent_starts_where_the_parent_ends() {
    let (mut pool, mut view) = rich(2, |_| {});
    fill(&mut pool, &view, &[tx(0, 0, 9), tx(0, 1, 8), tx(0, 2, 7), tx(1, 0, 1)]);
    view.set(address(0), 2, GWEI);
    view.set(address(1), 1, GWEI);
    assert_eq!(order(&pool, &view), [(0, 2)]);
}

#[test]
fn a_view_that_fails_ends_the_iteration() {
    let (mut pool, mut view) = rich(2, |_| {});
    fill(&mut pool, &view, &[tx(0, 0, 9), tx(1, 0, 5)]);
    view.broken = true;
    let mut best = pool.best(&view, ENV.base_fee);
    assert!(matches!(best.next(), Some(Err(_))));
    assert!(best.next().is_none());
}

#[test]
fn a_block_forgets_what_it_included() {
    let (mut pool, mut view) = rich(2, |_| {});
    let txs = [tx(0, 0, 1), tx(0, 1, 1), tx(0, 2, 1), tx(1, 0, 1)];
    fill(&mut pool, &view, &txs);
    view.set(address(0), 2, GWEI);
    pool.commit([&txs[0].hash, &txs[1].hash], &[address(0)], &view, &ENV).expect("the view answers");
    assert_eq!(order(&pool, &view), [(0, 2), (1, 0)]);
    assert_eq!(pool.stats().included, 2);
    assert!(pool.get(&txs[0].hash).is_none());
    assert!(pool.get(&txs[2].hash).is_some());
}

#[test]
fn a_nonce_used_by_a_stranger_makes_ours_stale() {
    let (mut pool, mut view) = rich(1, |_| {});
    let txs = [tx(0, 0, 1), tx(0, 1, 1), tx(0, 3, 1), tx(0, 5, 1)];
    fill(&mut pool, &view, &txs);
    view.set(address(0), 4, GWEI);
    pool.commit([&B256::repeat_byte(9)], &[address(0)], &view, &ENV).expect("the view answers");
    assert_eq!(pool.counts(), (0, 1));
    assert!(pool.get(&txs[3].hash).is_some());
}

#[test]
fn a_spent_balance_demotes_and_a_deposit_promotes() {
    let (mut pool, mut view) = rich(1, |_| {});
    fill(&mut pool, &view, &[tx(0, 0, 1), tx(0, 1, 1), tx(0, 2, 1)]);
    view.set(address(0), 0, 4_200_000);
    pool.commit([], &[address(0)], &view, &ENV).expect("the view answers");
    assert_eq!(pool.counts(), (2, 1));
    view.set(address(0), 0, 6_300_000);
    pool.commit([], &[address(0)], &view, &ENV).expect("the view answers");
    assert_eq!(pool.counts(), (3, 0));
}

#[test]
fn a_sender_that_becomes_a_contract_loses_its_transactions() {
    let (mut pool, mut view) = rich(1, |_| {});
    fill(&mut pool, &view, &[tx(0, 0, 1), tx(0, 1, 1), tx(0, 3, 1)]);
    view.set_code(address(0), vec![0x60]);
    pool.commit([], &[address(0)], &view, &ENV).expect("the view answers");
    assert_eq!(pool.counts(), (0, 0));
}

#[test]
fn a_view_that_fails_leaves_a_commit_undone() {
    let (mut pool, mut view) = rich(1, |_| {});
    let first = tx(0, 0, 1);
    fill(&mut pool, &view, std::slice::from_ref(&first));
    view.broken = true;
    assert!(pool.commit([&first.hash], &[address(0)], &view, &ENV).is_err());
    assert!(pool.get(&first.hash).is_some());
}

#[test]
fn removing_one_queues_what_followed() {
    let (mut pool, view) = rich(1, |_| {});
    let txs = [tx(0, 0, 1), tx(0, 1, 1), tx(0, 2, 1)];
    fill(&mut pool, &view, &txs);
    assert_eq!(pool.remove(&txs[1].hash).map(|tx| tx.hash), Some(txs[1].hash));
    assert_eq!(pool.counts(), (1, 1));
    assert!(pool.remove(&txs[1].hash).is_none());
    fill(&mut pool, &view, &txs[1..2]);
    assert_eq!(pool.counts(), (3, 0));
}

#[test]
fn only_queued_transactions_expire() {
    let (mut pool, view) = rich(2, |limits| limits.lifetime_ms = 100);
    fill(&mut pool, &view, &[tx(0, 0, 1), tx(0, 2, 1)]);
    pool.add(Arc::new(tx(1, 1, 1)), &view, &Env { now_ms: 60, ..ENV }).expect("refused");
    assert_eq!(pool.expire(100), 0);
    assert_eq!(pool.expire(101), 1);
    // A clock that goes back expires nothing, and nothing lives longer for it.
    assert_eq!(pool.expire(0), 0);
    assert_eq!(pool.expire(161), 1);
    assert_eq!(pool.counts(), (1, 0));
}

#[test]
fn a_full_pool_evicts_the_oldest_queued_first() {
    let (mut pool, view) = rich(3, |limits| limits.max_transactions = 3);
    let txs = [tx(0, 5, 50), tx(1, 0, 1), tx(0, 3, 50)];
    fill(&mut pool, &view, &txs);
    fill(&mut pool, &view, &[tx(2, 0, 1)]);
    assert!(pool.get(&txs[0].hash).is_none());
    assert_eq!(pool.counts(), (2, 1));
}

#[test]
fn a_full_pool_evicts_the_worst_last_nonce() {
    let (mut pool, view) = rich(4, |limits| limits.max_transactions = 3);
    // The worst tip is sender 0's first, which protects nothing behind it: its last goes.
    let txs = [tx(0, 0, 1), tx(0, 1, 5), tx(1, 0, 6)];
    fill(&mut pool, &view, &txs);
    fill(&mut pool, &view, &[tx(2, 0, 7)]);
    assert!(pool.get(&txs[1].hash).is_none());
    fill(&mut pool, &view, &[tx(3, 0, 7)]);
    assert!(pool.get(&txs[0].hash).is_none());
    assert_eq!(pool.counts(), (3, 0));
    assert_eq!(pool.stats().evicted, 2);
}

#[test]
fn a_full_pool_refuses_what_is_no_better() {
    let (mut pool, view) = rich(3, |limits| limits.max_transactions = 2);
    fill(&mut pool, &view, &[tx(0, 0, 5), tx(1, 0, 5)]);
    let refusal = |pool: &mut Pool<Tx>, tx: Tx| add(pool, &view, &tx).expect_err("accepted").to_string();
    assert_eq!(refusal(&mut pool, tx(2, 0, 5)), "transaction underpriced");
    assert_eq!(refusal(&mut pool, tx(2, 1, 50)), "future transaction tries to replace pending");
    let replacement = tx(0, 0, 6).with(|tx| tx.max_fee = 200);
    assert!(add(&mut pool, &view, &replacement).expect("refused").replaced.is_some());
    assert_eq!(pool.counts(), (2, 0));
}

#[test]
fn a_sender_cannot_evict_its_own_chain() {
    let (mut pool, view) = rich(1, |limits| limits.max_transactions = 2);
    fill(&mut pool, &view, &[tx(0, 0, 1), tx(0, 1, 1)]);
    assert_eq!(add(&mut pool, &view, &tx(0, 2, 50)).expect_err("accepted").to_string(), "txpool is full");
    assert_eq!(pool.counts(), (2, 0));
}

#[test]
fn a_large_transaction_evicts_several_small_ones_or_none() {
    let large = |tip| tx(3, 0, tip).with(|tx| tx.raw = vec![0; 250]);
    let small = [tx(0, 0, 2), tx(0, 1, 4), tx(1, 0, 3), tx(2, 0, 9)];
    // 400 bytes are full; three of four have to go, and the third is as good as the newcomer.
    let (mut pool, view) = rich(4, |limits| limits.max_bytes = 400);
    fill(&mut pool, &view, &small);
    assert_eq!(add(&mut pool, &view, &large(3)), Err(PoolError::Underpriced));
    assert_eq!(pool.stats().bytes, 400);
    assert!(add(&mut pool, &view, &large(5)).expect("refused").executable);
    assert_eq!(order(&pool, &view), [(2, 0), (3, 0)]);
    assert_eq!(pool.stats().bytes, 350);
}

#[test]
fn a_new_base_fee_changes_who_is_worst() {
    let (mut pool, view) = rich(4, |limits| limits.max_transactions = 2);
    let priced = |sender, max_fee, tip| tx(sender, 0, tip).with(|tx| tx.max_fee = max_fee);
    fill(&mut pool, &view, &[priced(0, 60, 50), priced(1, 100, 40)]);
    let mut at = |base_fee, tx: Tx| pool.add(Arc::new(tx), &view, &Env { base_fee, ..ENV }).is_ok();
    assert!(!at(10, priced(2, 1_000, 40)), "the tips are 50 and 40");
    assert!(at(50, priced(2, 1_000, 20)), "the tips are 10 and 40");
    assert!(pool.get(&priced(0, 60, 50).hash).is_none());
}

#[test]
fn a_base_fee_that_moves_a_little_keeps_the_ranking() {
    let (mut pool, view) = rich(4, |limits| limits.max_transactions = 2);
    let priced = |sender, max_fee, tip| tx(sender, 0, tip).with(|tx| tx.max_fee = max_fee);
    fill(&mut pool, &view, &[priced(0, 120, 40), priced(1, 1_000, 35)]);
    let at = |pool: &mut Pool<Tx>, base_fee, tip| {
        pool.add(Arc::new(priced(2, 1_000, tip)), &view, &Env { base_fee, ..ENV }).map(|_| ())
    };
    assert_eq!(at(&mut pool, 80, 35), Err(PoolError::Underpriced));
    // At 90 the tips are 30 and 35, but the ranking is the one of 80.
    assert_eq!(at(&mut pool, 90, 35), Err(PoolError::Underpriced));
    assert_eq!(at(&mut pool, 91, 35), Ok(()));
    assert!(pool.get(&priced(0, 120, 40).hash).is_none());
}

#[test]
fn the_queue_is_bounded_for_all_senders_together() {
    let (mut pool, view) = rich(3, |limits| limits.max_queued = 2);
    let first = tx(0, 1, 1);
    fill(&mut pool, &view, &[first.clone(), tx(1, 1, 1), tx(2, 1, 1)]);
    assert_eq!(pool.counts(), (0, 2));
    assert!(pool.get(&first.hash).is_none());
}

#[test]
fn the_state_is_read_once_for_a_sender_and_once_for_a_block_that_touched_it() {
    let (mut pool, view) = rich(2, |_| {});
    fill(&mut pool, &view, &[tx(0, 0, 1), tx(0, 1, 1), tx(0, 2, 1), tx(1, 0, 1)]);
    assert_eq!(view.reads(), 2);
    pool.commit([], [&address(0), &address(0), &address(5)], &view, &ENV).expect("the view answers");
    assert_eq!(view.reads(), 3);
    assert_eq!(pool.best(&view, ENV.base_fee).take(3).count(), 3);
    assert_eq!(view.reads(), 4);
}

#[test]
fn executable_transactions_are_announced_once() {
    let (mut pool, mut view) = rich(1, |_| {});
    let txs = [tx(0, 1, 1), tx(0, 0, 1)];
    fill(&mut pool, &view, &txs[..1]);
    assert!(pool.take_new().is_empty());
    fill(&mut pool, &view, &txs[1..]);
    assert_eq!(pool.take_new(), [txs[1].hash, txs[0].hash]);
    view.set(address(0), 0, 2_100_000);
    pool.commit([], &[address(0)], &view, &ENV).expect("the view answers");
    view.set(address(0), 0, GWEI);
    pool.commit([], &[address(0)], &view, &ENV).expect("the view answers");
    assert_eq!(pool.counts(), (2, 0));
    assert!(pool.take_new().is_empty());
}

#[test]
fn the_journal_has_what_was_accepted_and_is_still_here() {
    let (mut pool, view) = rich(1, |_| {});
    let txs = [tx(0, 0, 1), tx(0, 1, 1), tx(0, 5, 1)];
    fill(&mut pool, &view, &txs);
    pool.remove(&txs[1].hash).expect("it is there");
    let hashes: Vec<B256> = pool.take_journal().iter().map(|tx| tx.hash).collect();
    assert_eq!(hashes, [txs[0].hash, txs[2].hash]);
    assert!(pool.take_journal().is_empty());
}

#[test]
fn a_pool_refilled_from_all_is_the_same() {
    let (mut pool, view) = rich(3, |_| {});
    fill(&mut pool, &view, &[tx(0, 1, 1), tx(1, 4, 2), tx(0, 0, 3), tx(2, 0, 1), tx(1, 0, 1)]);
    let mut again = Pool::new(Limits::new(CHAIN));
    let all: Vec<Tx> = pool.all().map(|tx| (**tx).clone()).collect();
    fill(&mut again, &view, &all);
    assert_eq!(again.counts(), pool.counts());
    assert!(all.iter().all(|tx| again.get(&tx.hash).is_some()));
}

#[test]
fn content_is_told_by_sender() {
    let (mut pool, view) = rich(2, |_| {});
    fill(&mut pool, &view, &[tx(0, 0, 1), tx(0, 1, 1), tx(0, 7, 1), tx(1, 2, 1)]);
    let nonces = |n| {
        let content = pool.content_of(&address(n)).expect("it is there");
        let executable: Vec<u64> = content.executable().map(|tx| tx.nonce).collect();
        let queued: Vec<u64> = content.queued().map(|tx| tx.nonce).collect();
        (executable, queued)
    };
    assert_eq!(nonces(0), (vec![0, 1], vec![7]));
    assert_eq!(nonces(1), (vec![], vec![2]));
    assert_eq!(pool.content().count(), 2);
    assert!(pool.content_of(&address(2)).is_none());
}
