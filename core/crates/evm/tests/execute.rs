//! Blocks of given transactions: receipts, gas, refusals, and what the diff says.

mod support;

use alloy_consensus::{SignableTransaction, TxEip4844};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use std::sync::Arc;
use support::{CHAIN_ID, COINBASE, GWEI, account, coins, contracts, env, key, rich, signed, token, transfer};
use zg_chain::{CallFields, Transaction, signature};
use zg_evm::memory::MemoryState;
use zg_evm::{BEACON_ROOTS, BlockEnv, BlockError, Engine, HISTORY_STORAGE, Invalid, Outcome};
use zg_types::{Account, AccountDiff, SlotDiff, StateView};

const CONTRACT: Address = Address::repeat_byte(0xc0);

fn execute(state: &MemoryState, txs: &[Arc<Transaction>]) -> Result<Outcome, BlockError> {
    Engine::new().execute(state, &env(), txs)
}

fn with_code(code: Bytes) -> MemoryState {
    let mut state = rich(4);
    state.insert(CONTRACT, 1, U256::ZERO, code, []);
    state
}

fn call(number: u64, nonce: u64, gas: u64, input: impl Into<Bytes>) -> Arc<Transaction> {
    let fields = CallFields { to: Some(CONTRACT), gas: Some(gas), input: Some(input.into()), ..CallFields::default() };
    signed(number, nonce, fields)
}

fn words(words: &[u64]) -> Bytes {
    words.iter().flat_map(|word| U256::from(*word).to_be_bytes::<32>()).collect()
}

fn diff_of(outcome: &Outcome, address: Address) -> Option<&AccountDiff> {
    outcome.diff.accounts.iter().find(|account| account.address == address)
}

fn slot(slot: u64, before: u64, after: u64) -> SlotDiff {
    SlotDiff { slot: U256::from(slot), before: U256::from(before), after: U256::from(after) }
}

#[test]
fn a_transfer_pays_receiver_and_coinbase_and_burns_the_base_fee() {
    let state = rich(1);
    let receiver = Address::repeat_byte(1);
    let outcome = execute(&state, &[transfer(0, 0, receiver, 5)]).unwrap();
    assert_eq!(outcome.gas_used, 21_000);
    assert_eq!((outcome.receipts[0].success, outcome.receipts[0].cumulative_gas_used), (true, 21_000));
    let balance = |address| diff_of(&outcome, address).unwrap().after.unwrap().balance;
    let gwei = U256::from(GWEI);
    assert_eq!(balance(receiver), U256::from(5));
    assert_eq!(balance(COINBASE), gwei * U256::from(21_000));
    assert_eq!(balance(account(0)), coins(1000) - U256::from(5) - gwei * U256::from(42_000));
    assert_eq!(diff_of(&outcome, account(0)).unwrap().before.unwrap().balance, coins(1000));
    assert_eq!(diff_of(&outcome, receiver).unwrap().before, None);
    assert_eq!(outcome.diff.accounts.len(), 3);
}

#[test]
fn a_failing_transaction_pays_changes_nothing_else_and_leaves_the_next_receipt_right() {
    for (code, gas_used) in [(contracts::reverter(), None), (contracts::looper(), Some(60_000))] {
        let outcome =
            execute(&with_code(code), &[call(0, 0, 60_000, Bytes::new()), transfer(1, 0, account(2), 1)]).unwrap();
        let (failed, fine) = (&outcome.receipts[0], &outcome.receipts[1]);
        assert!(!failed.success && fine.success);
        assert!(failed.logs.is_empty());
        assert!(gas_used.is_none_or(|gas| failed.cumulative_gas_used == gas));
        assert_eq!(fine.cumulative_gas_used, failed.cumulative_gas_used + 21_000);
        assert_eq!(outcome.gas_used, fine.cumulative_gas_used);
        assert_eq!(diff_of(&outcome, account(0)).unwrap().after.unwrap().nonce, 1);
        assert_eq!(diff_of(&outcome, CONTRACT), None);
    }
}

#[test]
fn the_first_invalid_transaction_is_named_with_its_fault() {
    let state = rich(2);
    let refusal = |tx| match execute(&state, &[transfer(0, 0, account(1), 1), tx]) {
        Err(BlockError::Transaction { index: 1, reason }) => reason.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refusal(transfer(0, 0, account(1), 1)), "nonce 0 too low, expected 1");
    assert_eq!(refusal(transfer(0, 2, account(1), 1)), "nonce 2 too high, expected 1");
    let poor = CallFields { to: Some(account(1)), value: Some(coins(1001)), ..CallFields::default() };
    assert!(refusal(signed(1, 0, poor)).starts_with("lack of funds"));
    let cheap =
        CallFields { to: Some(account(1)), max_fee: Some(GWEI - 1), max_priority: Some(0), ..CallFields::default() };
    assert_eq!(refusal(signed(1, 0, cheap)), "gas price is less than basefee");
    let capped = CallFields { to: Some(account(1)), gas: Some((1 << 24) + 1), ..CallFields::default() };
    assert_eq!(refusal(signed(1, 0, capped)), "transaction gas limit (16777217) is greater than the cap (16777216)");
}

#[test]
fn gas_limits_add_up_to_the_block_by_gas_used() {
    let env = BlockEnv { gas_limit: 100_000, ..env() };
    let roomy = CallFields { to: Some(account(1)), gas: Some(80_000), ..CallFields::default() };
    let execute = |txs: &[_]| Engine::new().execute(&rich(2), &env, txs);
    // The first uses 21,000 of its 80,000, which leaves room for 79,000.
    let fits = [signed(0, 0, roomy.clone()), signed(1, 0, CallFields { gas: Some(79_000), ..roomy.clone() })];
    assert_eq!(execute(&fits).unwrap().gas_used, 42_000);
    let error = execute(&[signed(0, 0, roomy.clone()), signed(1, 0, roomy)]).unwrap_err();
    assert_eq!(error, BlockError::Transaction { index: 1, reason: Invalid::BlockGas });
}

#[test]
fn created_code_is_in_the_diff_once() {
    let runtime = contracts::setter();
    let create = |number| {
        let input = Some(contracts::init(&runtime));
        signed(number, 0, CallFields { gas: Some(200_000), input, ..CallFields::default() })
    };
    let outcome = execute(&rich(2), &[create(0), create(1)]).unwrap();
    assert_eq!(outcome.diff.codes, vec![(keccak256(&runtime), runtime)]);
    let created = diff_of(&outcome, account(0).create(0)).unwrap();
    assert_eq!((created.before, created.after.unwrap().nonce), (None, 1));
    assert_eq!(created.after.unwrap().code_hash, outcome.diff.codes[0].0);
}

#[test]
fn slots_have_the_values_around_the_block() {
    let mut state = with_code(contracts::setter());
    state.insert(
        CONTRACT,
        1,
        U256::ZERO,
        contracts::setter(),
        [(U256::from(1), U256::from(10)), (U256::from(2), U256::from(20))],
    );
    let set = |nonce, slot, value| call(0, nonce, 100_000, words(&[slot, value]));
    let txs = [set(0, 1, 11), set(1, 1, 12), set(2, 2, 0), set(3, 9, 90), set(4, 5, 50), set(5, 5, 0)];
    let outcome = execute(&state, &txs).unwrap();
    let diff = diff_of(&outcome, CONTRACT).unwrap();
    // Slot 5 was written and restored: no change.
    assert_eq!(diff.storage, vec![slot(1, 10, 12), slot(2, 20, 0), slot(9, 0, 90)]);
    assert!(!diff.wiped && diff.before == diff.after);
}

#[test]
fn what_is_created_and_destroyed_in_one_transaction_leaves_nothing() {
    let mut state = with_code(contracts::phoenix());
    state.insert(CONTRACT, 1, U256::from(10), contracts::phoenix(), []);
    let outcome = execute(&state, &[call(0, 0, 500_000, [1])]).unwrap();
    assert!(outcome.receipts[0].success);
    assert_eq!(diff_of(&outcome, contracts::child(CONTRACT)), None);
    assert!(outcome.diff.codes.is_empty());
    // The counter part: without the last call the child stays, with its slot.
    let outcome = execute(&state, &[call(0, 0, 500_000, [])]).unwrap();
    let child = diff_of(&outcome, contracts::child(CONTRACT)).unwrap();
    assert_eq!(child.storage, vec![slot(0, 0, 2)]);
}

#[test]
fn an_authorization_gives_an_account_the_code_of_another() {
    let state = with_code(contracts::setter());
    let inner = Authorization { chain_id: U256::from(CHAIN_ID), address: CONTRACT, nonce: 0 };
    let signature = signature::sign(&inner.signature_hash(), &key(3)).unwrap();
    let authorization = inner.into_signed(signature);
    let outcome = execute(&state, &[delegation(authorization)]).unwrap();
    let authority = diff_of(&outcome, account(3)).unwrap();
    let designation: Bytes = [&[0xef, 0x01, 0x00], CONTRACT.as_slice()].concat().into();
    assert_eq!(authority.after.unwrap().code_hash, keccak256(&designation));
    assert_eq!(authority.after.unwrap().nonce, 1);
    assert_eq!(authority.storage, vec![slot(7, 0, 70)]);
    assert_eq!(outcome.diff.codes, vec![(keccak256(&designation), designation)]);
}

#[test]
fn an_authorization_that_nobody_signed_has_no_effect() {
    let inner = Authorization { chain_id: U256::from(CHAIN_ID), address: CONTRACT, nonce: 0 };
    let unsigned = SignedAuthorization::new_unchecked(inner, 0, U256::from(1), U256::MAX);
    let outcome = execute(&with_code(contracts::setter()), &[delegation(unsigned)]).unwrap();
    assert!(outcome.receipts[0].success && outcome.diff.codes.is_empty());
    assert_eq!(diff_of(&outcome, account(3)), None);
}

/// Account 0 carries `authorization` and calls account 3 with words (7, 70).
fn delegation(authorization: SignedAuthorization) -> Arc<Transaction> {
    let fields = CallFields {
        to: Some(account(3)),
        gas: Some(200_000),
        input: Some(words(&[7, 70])),
        authorization_list: Some(vec![authorization]),
        ..CallFields::default()
    };
    signed(0, 0, fields)
}

#[test]
fn the_block_begins_with_the_beacon_root_and_the_parent_hash_in_state() {
    let mut state = rich(1);
    state.insert(BEACON_ROOTS, 1, U256::ZERO, alloy_eips::eip4788::BEACON_ROOTS_CODE.clone(), []);
    state.insert(HISTORY_STORAGE, 1, U256::ZERO, alloy_eips::eip2935::HISTORY_STORAGE_CODE.clone(), []);
    let env = BlockEnv { number: 9000, ..env() };
    let outcome = Engine::new().execute(&state, &env, &[]).unwrap();
    let written = |slot, after| SlotDiff { slot: U256::from(slot), before: U256::ZERO, after };
    let history = diff_of(&outcome, HISTORY_STORAGE).unwrap();
    assert_eq!(history.storage, vec![written((9000 - 1) % 8191, env.parent_hash.into())]);
    let ring = env.timestamp % 8191;
    let roots = diff_of(&outcome, BEACON_ROOTS).unwrap();
    let root = env.parent_beacon_root.into();
    assert_eq!(roots.storage, vec![written(ring, U256::from(env.timestamp)), written(ring + 8191, root)]);
    assert_eq!(outcome.diff.accounts.len(), 2);
    assert_eq!(outcome.gas_used, 0);
}

#[test]
fn without_the_system_contracts_an_empty_block_changes_nothing() {
    assert!(execute(&rich(1), &[]).unwrap().diff.accounts.is_empty());
}

#[test]
fn blockhash_reaches_back_256_blocks_through_the_history_contract() {
    let number = 10_000;
    let mut state = with_code(contracts::hash_keeper());
    let kept = (number - 300..number - 1).map(|n| (U256::from(n % 8191), U256::from(n)));
    state.insert(HISTORY_STORAGE, 1, U256::ZERO, alloy_eips::eip2935::HISTORY_STORAGE_CODE.clone(), kept);
    let asked = [number - 1, number - 2, number - 256, number - 257, number];
    let txs: Vec<_> = asked.iter().enumerate().map(|(nonce, n)| call(0, nonce as u64, 100_000, words(&[*n]))).collect();
    let env = BlockEnv { number, ..env() };
    let outcome = Engine::new().execute(&state, &env, &txs).unwrap();
    let found = |n: u64| {
        let storage = &diff_of(&outcome, CONTRACT).unwrap().storage;
        storage.iter().find(|slot| slot.slot == U256::from(n)).map_or(U256::ZERO, |slot| slot.after)
    };
    assert_eq!(found(number - 1), U256::from_be_bytes(env.parent_hash.0));
    assert_eq!(found(number - 2), U256::from(number - 2));
    assert_eq!(found(number - 256), U256::from(number - 256));
    assert_eq!((found(number - 257), found(number)), (U256::ZERO, U256::ZERO));
}

#[test]
fn blob_transactions_run_and_their_gas_is_counted_and_bounded() {
    let blob_tx = |nonce, blobs| {
        let tx = TxEip4844 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 10 * GWEI,
            max_priority_fee_per_gas: GWEI,
            to: account(1),
            blob_versioned_hashes: vec![B256::repeat_byte(1); blobs],
            max_fee_per_blob_gas: GWEI,
            ..TxEip4844::default()
        };
        let signature = signature::sign(&tx.signature_hash(), &key(0)).unwrap();
        Arc::new(Transaction::recover(tx.into_signed(signature).encoded_2718().into()).unwrap())
    };
    let full: Vec<_> = (0..3).map(|nonce| blob_tx(nonce, 6)).chain([blob_tx(3, 3)]).collect();
    let outcome = execute(&rich(2), &full).unwrap();
    assert_eq!(outcome.blob_gas_used, 21 * 131_072);
    let over: Vec<_> = (0..4).map(|nonce| blob_tx(nonce, 6)).collect();
    let error = execute(&rich(2), &over).unwrap_err();
    assert_eq!(error, BlockError::Transaction { index: 3, reason: Invalid::BlobGas });
    assert!(execute(&rich(2), &[blob_tx(0, 7)]).unwrap_err().to_string().contains("too many blobs"));
}

#[test]
fn a_diff_goes_forward_and_back() {
    let mut start = with_code(contracts::setter());
    let holder = token::balance_slot(account(0));
    let token_address = Address::repeat_byte(0x70);
    start.insert(token_address, 1, U256::ZERO, token::code(), [(holder, U256::from(3))]);
    start.insert(Address::repeat_byte(0xd0), 1, U256::from(9), contracts::phoenix(), []);
    let pay = |nonce| {
        let input = Some(token::transfer_input(account(1), 1));
        signed(0, nonce, CallFields { to: Some(token_address), gas: Some(100_000), input, ..CallFields::default() })
    };
    let phoenix = |number, nonce, input: &'static [u8]| {
        let (to, input) = (Some(Address::repeat_byte(0xd0)), Some(Bytes::from_static(input)));
        signed(number, nonce, CallFields { to, gas: Some(500_000), input, ..CallFields::default() })
    };
    let blocks = [
        vec![transfer(0, 0, Address::repeat_byte(5), 7), pay(1), pay(2), phoenix(1, 0, b"x")],
        vec![pay(3), pay(4), call(1, 1, 100_000, words(&[1, 2])), phoenix(2, 0, b"")],
        vec![call(1, 2, 100_000, words(&[1, 0])), phoenix(2, 1, b"x"), phoenix(2, 2, b"")],
    ];
    let mut states = vec![start];
    let mut diffs = Vec::new();
    for txs in &blocks {
        let mut state = states.last().unwrap().clone();
        let outcome = execute(&state, txs).unwrap();
        assert_eq!(zg_types::StateDiff::decode(&outcome.diff.encode()).as_ref(), Ok(&outcome.diff));
        state.apply(&outcome.diff).unwrap();
        states.push(state);
        diffs.push(outcome.diff);
    }
    // The token was empty for the second payment of block 2: three of four succeeded.
    assert_eq!(states[3].storage(&token_address, &token::balance_slot(account(1))).unwrap(), U256::from(3));
    let mut state = states.pop().unwrap();
    for (diff, earlier) in diffs.iter().zip(&states).rev() {
        state.revert(diff).unwrap();
        assert_eq!(state.root(), earlier.root());
    }
}

#[test]
fn an_empty_coinbase_without_tips_does_not_come_into_being() {
    let fields = CallFields { to: Some(account(0)), max_priority: Some(0), ..CallFields::default() };
    let outcome = execute(&rich(1), &[signed(0, 0, fields)]).unwrap();
    assert_eq!(diff_of(&outcome, COINBASE), None);
    let after = diff_of(&outcome, account(0)).unwrap().after;
    assert_eq!(
        after.map(|account| Account { balance: U256::ZERO, ..account }),
        Some(Account { nonce: 1, ..Account::default() })
    );
}
