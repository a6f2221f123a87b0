//! Filling a block from a source.

mod support;

use alloy_consensus::{SignableTransaction, TxEip4844};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Bytes, U256};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use support::{CHAIN_ID, GWEI, account, contracts, env, key, rich, signed, transfer};
use zg_chain::{CallFields, Transaction, signature};
use zg_evm::{BlockEnv, Engine, Limits, Outcome, Skip, TransactionSource};

const NO_LIMITS: Limits = Limits { gas_budget: u64::MAX, max_body_bytes: usize::MAX, deadline: None };

/// Hands out a list and writes down what became of it.
struct Listed {
    waiting: VecDeque<Arc<Transaction>>,
    included: Vec<B256>,
    skipped: Vec<(B256, Skip)>,
}

impl TransactionSource for Listed {
    fn next(&mut self) -> Option<Arc<Transaction>> {
        self.waiting.pop_front()
    }

    fn included(&mut self, tx: &Transaction) {
        self.included.push(tx.hash);
    }

    fn skipped(&mut self, tx: &Transaction, why: Skip) {
        self.skipped.push((tx.hash, why));
    }
}

fn build(txs: &[Arc<Transaction>], env: &BlockEnv, limits: Limits) -> (Outcome, Listed) {
    let mut state = rich(4);
    state.insert(account(9), 0, U256::from(1), Bytes::new(), []);
    let mut source = Listed { waiting: txs.iter().cloned().collect(), included: Vec::new(), skipped: Vec::new() };
    let outcome = Engine::new().build(&state, env, &mut source, limits).unwrap();
    let built: Vec<_> = outcome.transactions.iter().map(|tx| tx.hash).collect();
    assert_eq!(built, source.included);
    assert_eq!(built.len(), outcome.receipts.len());
    (outcome, source)
}

fn why(source: &Listed) -> Vec<Skip> {
    source.skipped.iter().map(|(_, why)| why.clone()).collect()
}

#[test]
fn what_cannot_be_included_is_passed_over_and_said_why() {
    let txs = [
        transfer(0, 0, account(1), 1),
        transfer(0, 0, account(1), 2),
        transfer(0, 2, account(1), 1),
        transfer(9, 0, account(1), 1),
        signed(
            1,
            0,
            CallFields { to: Some(account(1)), max_fee: Some(1), max_priority: Some(1), ..CallFields::default() },
        ),
        signed(
            1,
            0,
            CallFields { to: Some(account(1)), chain_id: Some(1), gas: Some(20_999), ..CallFields::default() },
        ),
        transfer(0, 1, account(1), 1),
    ];
    let (outcome, source) = build(&txs, &env(), NO_LIMITS);
    assert_eq!(outcome.gas_used, 42_000);
    assert_eq!(source.included, vec![txs[0].hash, txs[6].hash]);
    let expected = [Skip::NonceTooLow, Skip::NonceTooHigh, Skip::Unpayable, Skip::Unpayable];
    assert_eq!(why(&source)[..4], expected);
    assert!(matches!(&why(&source)[4], Skip::Invalid(text) if text.contains("gas")));
}

#[test]
fn what_is_built_executes_to_the_same() {
    let txs: Vec<_> = (0..4).flat_map(|nonce| (0..4).map(move |n| transfer(n, nonce, account(8), 1))).collect();
    let (built, _) = build(&txs, &env(), NO_LIMITS);
    let mut state = rich(4);
    state.insert(account(9), 0, U256::from(1), Bytes::new(), []);
    let executed = Engine::new().execute(&state, &env(), &built.transactions).unwrap();
    assert_eq!((built.diff, built.receipts, built.gas_used), (executed.diff, executed.receipts, executed.gas_used));
}

#[test]
fn the_gas_budget_holds() {
    let txs: Vec<_> = (0..10).map(|nonce| transfer(0, nonce, account(1), 1)).collect();
    let (outcome, _) = build(&txs, &env(), Limits { gas_budget: 70_000, ..NO_LIMITS });
    assert_eq!(outcome.gas_used, 63_000);
    // The header's limit binds when it is the lower one.
    let (outcome, _) =
        build(&txs, &BlockEnv { gas_limit: 50_000, ..env() }, Limits { gas_budget: 70_000, ..NO_LIMITS });
    assert_eq!(outcome.gas_used, 42_000);
}

#[test]
fn a_large_transaction_does_not_close_the_block_to_small_ones() {
    let large = signed(0, 0, CallFields { to: Some(account(1)), gas: Some(60_000), ..CallFields::default() });
    let (outcome, source) =
        build(&[large, transfer(1, 0, account(1), 1)], &env(), Limits { gas_budget: 50_000, ..NO_LIMITS });
    assert_eq!(outcome.gas_used, 21_000);
    assert_eq!(why(&source), vec![Skip::TooLargeForBlock]);
}

#[test]
fn the_body_stays_within_its_size_to_the_byte() {
    let txs: Vec<_> = (0..3).map(|nonce| transfer(0, nonce, account(1), 1)).collect();
    let body: Vec<Bytes> = txs.iter().map(|tx| tx.raw.clone()).collect();
    let size = alloy_rlp::encode(&body).len();
    let built = |max_body_bytes| build(&txs, &env(), Limits { max_body_bytes, ..NO_LIMITS }).0.transactions.len();
    assert_eq!((built(size), built(size - 1)), (3, 2));
}

#[test]
fn after_the_deadline_nothing_is_begun() {
    let limits = Limits { deadline: Some(Instant::now()), ..NO_LIMITS };
    let (outcome, source) = build(&[transfer(0, 0, account(1), 1)], &env(), limits);
    assert_eq!((outcome.transactions.len(), source.waiting.len()), (0, 1));
}

#[test]
fn a_failing_transaction_is_included() {
    let code = contracts::init(&[]);
    let fields =
        CallFields { gas: Some(60_000), input: Some([&[0xfe], &code[..]].concat().into()), ..CallFields::default() };
    let (outcome, _) = build(&[signed(0, 0, fields)], &env(), NO_LIMITS);
    assert!(!outcome.receipts[0].success);
    assert_eq!(outcome.gas_used, 60_000);
}

#[test]
fn blob_transactions_are_never_built() {
    let tx = TxEip4844 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: account(1),
        blob_versioned_hashes: vec![B256::repeat_byte(1)],
        max_fee_per_blob_gas: GWEI,
        ..TxEip4844::default()
    };
    let signature = signature::sign(&tx.signature_hash(), &key(0)).unwrap();
    let tx = Arc::new(Transaction::recover(tx.into_signed(signature).encoded_2718().into()).unwrap());
    let (outcome, source) = build(&[tx], &env(), NO_LIMITS);
    assert!(outcome.transactions.is_empty());
    assert_eq!(why(&source), vec![Skip::Invalid("blob transactions are not built".into())]);
}
