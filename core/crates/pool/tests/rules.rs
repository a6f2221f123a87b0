//! Every refusal, with the words that clients search for.
#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use alloy_primitives::{Address, U256};
use common::{CHAIN, ENV, GWEI, Tx, View, address, rich};
use std::sync::Arc;
use zg_pool::{Env, Limits, Pool, PoolError};
use zg_types::{Footprint, ViewError};

fn sender() -> Address {
    address(0)
}

/// What a fresh pool with these limits says to `tx`, whose sender is rich.
fn refusal_under(change: impl FnOnce(&mut Limits), tx: Tx) -> String {
    let (mut pool, view) = rich(1, change);
    let error = pool.add(Arc::new(tx), &view, &ENV).expect_err("accepted");
    assert_eq!(error.code(), -32000);
    assert_eq!(pool.counts(), (0, 0));
    error.to_string()
}

fn refusal(change: impl FnOnce(&mut Tx)) -> String {
    refusal_under(|_| {}, Tx::new(sender(), 0, 1).with(change))
}

fn add(pool: &mut Pool<Tx>, view: &View, tx: Tx) -> Result<bool, String> {
    pool.add(Arc::new(tx), view, &ENV).map(|added| added.executable).map_err(|error| error.to_string())
}

#[test]
fn a_blob_transaction_is_refused() {
    assert_eq!(
        refusal(|tx| tx.tx_type = 3),
        "transaction type not supported: blob transactions (type 3) are not accepted on this chain"
    );
}

#[test]
fn an_unknown_type_is_refused() {
    assert_eq!(refusal(|tx| tx.tx_type = 5), "transaction type not supported: type 5");
}

#[test]
fn a_signature_for_another_chain_is_refused() {
    assert_eq!(refusal(|tx| tx.chain_id = Some(8)), "invalid sender: invalid chain id for signer: have 8 want 7");
}

#[test]
fn a_signature_for_any_chain_is_refused_unless_allowed() {
    let tx = Tx::new(sender(), 0, 1).with(|tx| tx.chain_id = None);
    assert_eq!(refusal_under(|_| {}, tx.clone()), "only replay-protected (EIP-155) transactions allowed over RPC");
    let (mut pool, view) = rich(1, |limits| limits.allow_unprotected = true);
    assert_eq!(add(&mut pool, &view, tx), Ok(true));
}

#[test]
fn an_oversized_transaction_is_refused() {
    assert_eq!(refusal(|tx| tx.raw = vec![0; 131_073]), "oversized data: transaction size 131073, limit 131072");
}

#[test]
fn oversized_initcode_is_refused_by_eip_3860() {
    let create = |bytes| Footprint { zero_bytes: bytes, is_create: true, ..Footprint::default() };
    assert_eq!(
        refusal(|tx| (tx.footprint, tx.gas) = (create(49_153), 1_000_000)),
        "max initcode size exceeded: code size 49153, limit 49152"
    );
    let (mut pool, view) = rich(1, |_| {});
    let largest = Tx::new(sender(), 0, 1).with(|tx| (tx.footprint, tx.gas) = (create(49_152), 1_000_000));
    assert_eq!(add(&mut pool, &view, largest), Ok(true));
}

#[test]
fn a_gas_limit_above_the_cap_is_refused_by_eip_7825() {
    assert_eq!(refusal(|tx| tx.gas = 16_777_217), "transaction gas limit too high (cap: 16777216, tx: 16777217)");
}

#[test]
fn a_gas_limit_above_the_block_is_refused() {
    let (mut pool, view) = rich(1, |_| {});
    let tx = Arc::new(Tx::new(sender(), 0, 1).with(|tx| tx.gas = 30_000));
    let error = pool.add(tx, &view, &Env { block_gas_limit: 29_999, ..ENV }).expect_err("accepted");
    assert_eq!(error.to_string(), "exceeds block gas limit");
}

#[test]
fn a_tip_above_the_fee_is_refused() {
    assert_eq!(refusal(|tx| tx.tip = 101), "max priority fee per gas higher than max fee per gas");
}

#[test]
fn the_last_nonce_is_refused_by_eip_2681() {
    assert_eq!(refusal(|tx| tx.nonce = u64::MAX), "nonce has max value");
}

#[test]
fn gas_below_the_intrinsic_cost_is_refused() {
    assert_eq!(refusal(|tx| tx.gas = 20_999), "intrinsic gas too low: gas 20999, minimum needed 21000");
}

#[test]
fn gas_below_the_data_floor_is_refused_by_eip_7623() {
    // 100 nonzero bytes: 1,600 of intrinsic gas, 4,000 of floor.
    assert_eq!(
        refusal(|tx| (tx.footprint, tx.gas) = (Footprint::of(&[1; 100], false), 24_999)),
        "insufficient gas for floor data gas cost: gas 24999, minimum needed 25000"
    );
}

#[test]
fn a_tip_below_the_minimum_is_refused() {
    assert_eq!(
        refusal_under(|limits| limits.min_tip = 2, Tx::new(sender(), 0, 1)),
        "transaction underpriced: gas tip cap 1, minimum needed 2"
    );
}

#[test]
fn an_empty_authorization_list_is_refused() {
    assert_eq!(refusal(|tx| tx.tx_type = 4), "set code tx must have at least one authorization tuple");
}

#[test]
fn a_contract_cannot_send() {
    let (mut pool, mut view) = rich(1, |_| {});
    view.set_code(sender(), vec![0x60; 9]);
    let error = add(&mut pool, &view, Tx::new(sender(), 0, 1)).expect_err("accepted");
    assert_eq!(error, "sender not an eoa: address 0x0000000000000000000000000000000000000001, len(code): 9");
}

#[test]
fn a_used_nonce_is_refused() {
    let (mut pool, mut view) = rich(1, |_| {});
    view.set(sender(), 2, GWEI);
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 1, 1)), Err("nonce too low: next nonce 2, tx nonce 1".into()));
}

#[test]
fn the_same_transaction_twice_is_refused() {
    let (mut pool, view) = rich(1, |_| {});
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 0, 1)), Ok(true));
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 0, 1)), Err("already known".into()));
}

#[test]
fn a_transaction_above_the_balance_is_refused() {
    let (mut pool, mut view) = rich(1, |_| {});
    view.set(sender(), 0, 2_099_999);
    assert_eq!(
        add(&mut pool, &view, Tx::new(sender(), 0, 1)),
        Err("insufficient funds for gas * price + value: balance 2099999, tx cost 2100000, overshot 1".into())
    );
}

#[test]
fn costs_count_together_for_a_sender() {
    let (mut pool, mut view) = rich(1, |_| {});
    view.set(sender(), 0, 4_199_999);
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 0, 1)), Ok(true));
    assert_eq!(
        add(&mut pool, &view, Tx::new(sender(), 1, 1)),
        Err("insufficient funds for gas * price + value: balance 4199999, queued cost 2100000, tx cost 2100000, \
             overshot 1"
            .into())
    );
}

#[test]
fn a_replacement_counts_only_its_difference() {
    let (mut pool, mut view) = rich(1, |_| {});
    view.set(sender(), 0, 4_200_009);
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 0, 1)), Ok(true));
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 1, 1)), Ok(true));
    let replacement =
        |value| Tx::new(sender(), 0, 2).with(|tx| (tx.gas, tx.max_fee, tx.value) = (21_000, 110, U256::from(value)));
    // 210,000 more for gas.
    assert_eq!(
        add(&mut pool, &view, replacement(0)),
        Err("insufficient funds for gas * price + value: balance 4200009, queued cost 4200000, tx bumped 210000, \
             overshot 209991"
            .into())
    );
    view.set(sender(), 0, 4_410_007);
    pool.commit([], &[sender()], &view, &ENV).expect("the view answers");
    assert_eq!(
        add(&mut pool, &view, replacement(8)),
        Err("insufficient funds for gas * price + value: balance 4410007, queued cost 4200000, tx bumped 210008, \
             overshot 1"
            .into())
    );
    assert_eq!(add(&mut pool, &view, replacement(7)), Ok(true));
}

#[test]
fn costs_beyond_256_bits_are_refused() {
    let (mut pool, mut view) = rich(1, |_| {});
    let all = |tx: &mut Tx| tx.value = U256::MAX;
    assert!(add(&mut pool, &view, Tx::new(sender(), 0, 1).with(all)).is_err());
    view.accounts.entry(sender()).or_default().balance = U256::MAX;
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 0, 1).with(all)), Ok(true));
    let second = add(&mut pool, &view, Tx::new(sender(), 1, 1).with(all)).expect_err("accepted");
    assert!(second.starts_with("insufficient funds for gas * price + value: balance 1157"), "{second}");
}

#[test]
fn a_replacement_must_raise_fee_and_tip_by_the_bump() {
    let (mut pool, view) = rich(1, |_| {});
    let priced = |max_fee, tip| Tx::new(sender(), 0, tip).with(|tx| tx.max_fee = max_fee);
    assert_eq!(add(&mut pool, &view, priced(100, 10)), Ok(true));
    for (max_fee, tip) in [(109, 11), (200, 10), (100, 20)] {
        assert_eq!(
            add(&mut pool, &view, priced(max_fee, tip)),
            Err("replacement transaction underpriced".into()),
            "{max_fee} {tip}"
        );
    }
    let added = pool.add(Arc::new(priced(110, 11)), &view, &ENV).expect("refused");
    assert_eq!(added.replaced.map(|old| old.hash), Some(priced(100, 10).hash));
    assert_eq!(pool.counts(), (1, 0));
}

#[test]
fn a_sender_has_a_bounded_share() {
    let (mut pool, view) = rich(1, |limits| (limits.max_per_sender, limits.max_queued_per_sender) = (2, 1));
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 0, 1)), Ok(true));
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 1, 1)), Ok(true));
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 2, 1)), Err("account limit exceeded: pooled 2 txs".into()));
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 3, 1)), Ok(false));
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 4, 1)), Err("account limit exceeded: pooled 3 txs".into()));
}

#[test]
fn a_delegated_account_holds_one_transaction() {
    let (mut pool, mut view) = rich(1, |_| {});
    view.set_code(sender(), [vec![0xef, 0x01, 0x00], vec![7; 20]].concat());
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 1, 1)), Err("gapped-nonce tx from delegated accounts".into()));
    assert_eq!(add(&mut pool, &view, Tx::new(sender(), 0, 1)), Ok(true));
    assert_eq!(
        add(&mut pool, &view, Tx::new(sender(), 1, 1)),
        Err("in-flight transaction limit reached for delegated accounts".into())
    );
    let replacement = Tx::new(sender(), 0, 2).with(|tx| tx.max_fee = 200);
    assert_eq!(add(&mut pool, &view, replacement), Ok(true));
}

fn authorizing(sender: Address, authority: Address) -> Tx {
    Tx::new(sender, 0, 1).with(|tx| {
        tx.tx_type = 4;
        tx.gas = 100_000;
        tx.footprint.authorizations = 1;
        tx.authorities = vec![authority];
    })
}

#[test]
fn a_pending_authority_holds_one_transaction() {
    let (mut pool, view) = rich(2, |_| {});
    let authorization = authorizing(address(0), address(1));
    assert_eq!(add(&mut pool, &view, authorization.clone()), Ok(true));
    assert_eq!(add(&mut pool, &view, Tx::new(address(1), 0, 1)), Ok(true));
    assert_eq!(
        add(&mut pool, &view, Tx::new(address(1), 1, 1)),
        Err("in-flight transaction limit reached for delegated accounts".into())
    );
    pool.remove(&authorization.hash).expect("it is there");
    assert_eq!(add(&mut pool, &view, Tx::new(address(1), 1, 1)), Ok(true));
}

#[test]
fn an_authority_with_more_in_flight_is_reserved() {
    let (mut pool, view) = rich(2, |_| {});
    assert_eq!(add(&mut pool, &view, Tx::new(address(1), 0, 1)), Ok(true));
    assert_eq!(add(&mut pool, &view, Tx::new(address(1), 5, 1)), Ok(false));
    assert_eq!(add(&mut pool, &view, authorizing(address(0), address(1))), Err("authority already reserved".into()));
}

#[test]
fn a_state_that_cannot_be_read_is_no_verdict() {
    let mut pool = Pool::new(Limits::new(CHAIN));
    let view = View { broken: true, ..View::default() };
    let error = pool.add(Arc::new(Tx::new(sender(), 0, 1)), &view, &ENV).expect_err("accepted");
    assert_eq!(error, PoolError::View(ViewError::Io("gone".into())));
    assert_eq!(error.code(), -32603);
}
