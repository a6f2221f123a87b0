//! Messages that change nothing: outputs, failures in geth's words, overrides, and the clock.

mod support;

use alloy_primitives::{Address, Bytes, U256};
use revm::bytecode::opcode::*;
use std::time::{Duration, Instant};
use support::{CHAIN_ID, GWEI, account, coins, contracts, env, rich};
use zg_chain::{AccountOverride, CallFields, StateOverrides, StorageOverride};
use zg_evm::memory::MemoryState;
use zg_evm::{CallFailure, CallLimits, Engine, Output};

const CONTRACT: Address = Address::repeat_byte(0xc0);
const LIMITS: CallLimits = CallLimits { gas_cap: 50_000_000, timeout: Duration::from_secs(5) };

fn with_code(code: impl Into<Bytes>) -> MemoryState {
    let mut state = rich(2);
    state.insert(CONTRACT, 1, U256::from(7), code.into(), [(U256::ZERO, U256::from(8))]);
    state
}

fn to_contract() -> CallFields {
    CallFields { to: Some(CONTRACT), ..CallFields::default() }
}

fn call(state: &MemoryState, fields: &CallFields, overrides: &StateOverrides) -> Result<Output, CallFailure> {
    Engine::new().call(state, &env(), fields, overrides, LIMITS)
}

fn run(code: impl Into<Bytes>, fields: &CallFields) -> Result<Output, CallFailure> {
    call(&with_code(code), fields, &StateOverrides::default())
}

fn word(code: impl Into<Bytes>, fields: &CallFields) -> U256 {
    U256::from_be_slice(&run(code, fields).unwrap().output)
}

fn overriding(address: Address, account: AccountOverride) -> StateOverrides {
    StateOverrides(vec![(address, account)])
}

#[test]
fn anyone_may_call_with_more_gas_than_a_transaction_may_have() {
    let gas = word(contracts::returns(GAS), &to_contract());
    assert!(gas > U256::from(1 << 24) && gas < U256::from(LIMITS.gas_cap));
    let named = CallFields { gas: Some(u64::MAX), ..to_contract() };
    assert_eq!(word(contracts::returns(GAS), &named), gas);
}

#[test]
fn contracts_may_send_and_no_nonce_or_balance_is_asked_for() {
    let fields = CallFields { from: Some(CONTRACT), nonce: Some(99), ..to_contract() };
    assert_eq!(word(contracts::returns(CALLER), &fields), U256::from_be_slice(CONTRACT.as_slice()));
}

#[test]
fn without_fees_the_base_fee_is_zero_and_with_fees_they_are_checked() {
    assert_eq!(word(contracts::returns(BASEFEE), &to_contract()), U256::ZERO);
    let paying = CallFields { from: Some(account(0)), gas_price: Some(2 * GWEI), ..to_contract() };
    assert_eq!(word(contracts::returns(BASEFEE), &paying), U256::from(GWEI));
    assert_eq!(word(contracts::returns(GASPRICE), &paying), U256::from(2 * GWEI));
    let text = |fields| run(contracts::returns(GAS), &fields).unwrap_err().to_string();
    let zero = Address::ZERO.to_checksum(None);
    assert_eq!(
        text(CallFields { max_fee: Some(GWEI - 1), ..to_contract() }),
        format!(
            "err: max fee per gas less than block base fee: address {zero}, maxFeePerGas: 999999999, baseFee: 1000000000 (supplied gas 50000000)"
        )
    );
    assert_eq!(
        text(CallFields { max_fee: Some(GWEI), max_priority: Some(GWEI + 1), ..to_contract() }),
        format!(
            "err: max priority fee per gas higher than max fee per gas: address {zero}, maxPriorityFeePerGas: 1000000001, maxFeePerGas: 1000000000 (supplied gas 50000000)"
        )
    );
    assert_eq!(
        text(CallFields { chain_id: Some(5), ..to_contract() }),
        format!("chainId does not match node's (have=5, want={CHAIN_ID})")
    );
}

#[test]
fn value_must_be_there() {
    let fields = CallFields { value: Some(U256::from(3)), ..to_contract() };
    let failure = run(contracts::returns(CALLVALUE), &fields).unwrap_err();
    let zero = Address::ZERO.to_checksum(None);
    assert_eq!(
        failure.to_string(),
        format!(
            "err: insufficient funds for gas * price + value: address {zero} have 0 want 3 (supplied gas 50000000)"
        )
    );
    assert_eq!(failure.code(), -32_000);
    let rich = CallFields { from: Some(account(0)), ..fields };
    assert_eq!(word(contracts::returns(CALLVALUE), &rich), U256::from(3));
}

#[test]
fn a_revert_has_code_3_its_reason_and_its_data() {
    let failure = run(contracts::reverter(), &to_contract()).unwrap_err();
    assert_eq!(failure.to_string(), "execution reverted: no");
    assert_eq!((failure.code(), failure.data().unwrap().len()), (3, 100));
    let bare = run(vec![PUSH0, PUSH0, REVERT], &to_contract()).unwrap_err();
    assert_eq!((bare.to_string().as_str(), bare.data()), ("execution reverted", Some(&Bytes::new())));
}

#[test]
fn faults_of_the_code_have_geths_words() {
    let mut overflowing = vec![PUSH0; 1025];
    overflowing.push(STOP);
    for (code, text) in [
        (vec![INVALID], "invalid opcode: INVALID"),
        (vec![0x0c], "invalid opcode: opcode 0xc not defined"),
        (vec![PUSH0, ADD], "stack underflow (1 <=> 2)"),
        (vec![PUSH0, SWAP3], "stack underflow (1 <=> 4)"),
        (overflowing, "stack limit reached 1024 (1023)"),
        (vec![PUSH0, JUMP], "invalid jump destination"),
        (vec![PUSH1, 1, PUSH0, PUSH0, RETURNDATACOPY], "return data out of bounds"),
        (contracts::looper().to_vec(), "out of gas"),
    ] {
        let fields = CallFields { gas: Some(1_000_000), ..to_contract() };
        let failure = run(code, &fields).unwrap_err();
        assert_eq!((failure.to_string().as_str(), failure.code(), failure.data()), (text, -32_000, None));
    }
    let creation = CallFields {
        input: Some(vec![PUSH1, 0xef, PUSH0, MSTORE8, PUSH1, 1, PUSH0, RETURN].into()),
        ..CallFields::default()
    };
    assert_eq!(run(vec![], &creation).unwrap_err().to_string(), "invalid code: must not begin with 0xef");
}

#[test]
fn the_fault_of_a_callee_is_not_taken_for_the_callers() {
    let mut state = with_code(vec![PUSH0, PUSH0, PUSH0, PUSH0, PUSH0, PUSH1, 0x77, GAS, CALL, POP, POP]);
    state.insert(Address::with_last_byte(0x77), 1, U256::ZERO, Bytes::from_static(&[INVALID]), []);
    let failure = call(&state, &to_contract(), &StateOverrides::default()).unwrap_err();
    assert_eq!(failure.to_string(), "stack underflow (0 <=> 1)");
}

#[test]
fn creation_returns_the_code() {
    let fields = CallFields { input: Some(contracts::init(&[1, 2, 3])), ..CallFields::default() };
    assert_eq!(run(vec![], &fields).unwrap().output, Bytes::from_static(&[1, 2, 3]));
}

#[test]
fn code_balance_nonce_and_storage_can_be_overridden() {
    let state = with_code(contracts::returns(SELFBALANCE));
    let balance = overriding(CONTRACT, AccountOverride { balance: Some(coins(5)), ..AccountOverride::default() });
    let output =
        |overrides: &StateOverrides| U256::from_be_slice(&call(&state, &to_contract(), overrides).unwrap().output);
    assert_eq!(output(&balance), coins(5));
    let sload = |slot: u8| Bytes::from(vec![PUSH1, slot, SLOAD, PUSH0, MSTORE, PUSH1, 32, PUSH0, RETURN]);
    let with_storage = |slot, storage| {
        overriding(CONTRACT, AccountOverride { code: Some(sload(slot)), storage, ..AccountOverride::default() })
    };
    let pairs = vec![(U256::from(1).into(), U256::from(9).into())];
    assert_eq!(output(&with_storage(0, None)), U256::from(8));
    assert_eq!(output(&with_storage(0, Some(StorageOverride::Diff(pairs.clone())))), U256::from(8));
    assert_eq!(output(&with_storage(1, Some(StorageOverride::Diff(pairs.clone())))), U256::from(9));
    assert_eq!(output(&with_storage(0, Some(StorageOverride::Whole(pairs.clone())))), U256::ZERO);
    assert_eq!(output(&with_storage(1, Some(StorageOverride::Whole(pairs)))), U256::from(9));
    // Storage is the same afterwards, and so is code: nothing of an override is remembered.
    assert_eq!(output(&StateOverrides::default()), U256::from(7));
    let nonce = overriding(account(0), AccountOverride { nonce: Some(4), ..AccountOverride::default() });
    let creation = CallFields {
        from: Some(account(0)),
        input: Some(vec![ADDRESS, PUSH0, MSTORE, PUSH1, 32, PUSH0, RETURN].into()),
        ..CallFields::default()
    };
    let created = call(&state, &creation, &nonce).unwrap().output;
    assert_eq!(Address::from_slice(&created[12..]), account(0).create(4));
}

#[test]
fn a_precompile_can_be_moved_and_replaced() {
    let identity = Address::with_last_byte(4);
    let elsewhere = Address::repeat_byte(0x44);
    let moved = AccountOverride { move_precompile_to: Some(elsewhere), ..AccountOverride::default() };
    let state = rich(1);
    let fields = |to| CallFields { to: Some(to), input: Some(Bytes::from_static(b"same")), ..CallFields::default() };
    let overrides = overriding(identity, moved.clone());
    assert_eq!(call(&state, &fields(elsewhere), &overrides).unwrap().output, Bytes::from_static(b"same"));
    assert!(call(&state, &fields(identity), &overrides).unwrap().output.is_empty());
    let replaced =
        overriding(identity, AccountOverride { code: Some(contracts::returns(CALLDATASIZE)), ..moved.clone() });
    assert_eq!(call(&state, &fields(identity), &replaced).unwrap().output.last(), Some(&4));
    let failure = call(&state, &fields(identity), &overriding(CONTRACT, moved)).unwrap_err();
    assert_eq!(failure.to_string(), format!("account {} is not a precompile", CONTRACT.to_checksum(None)));
}

#[test]
fn a_call_stops_at_its_deadline_whatever_it_does() {
    let recursive = vec![
        PUSH0, PUSH0, PUSH0, PUSH0, PUSH0, ADDRESS, GAS, CALL, PUSH0, PUSH0, PUSH0, PUSH0, PUSH0, ADDRESS, GAS, CALL,
    ];
    let creating = vec![JUMPDEST, PUSH0, PUSH0, PUSH0, CREATE, POP, PUSH0, JUMP];
    for code in [contracts::looper(), recursive.into(), creating.into()] {
        let limits = CallLimits { gas_cap: u64::MAX / 2, timeout: Duration::from_millis(30) };
        let start = Instant::now();
        let failure = Engine::new()
            .call(&with_code(code), &env(), &to_contract(), &StateOverrides::default(), limits)
            .unwrap_err();
        assert_eq!(failure, CallFailure::TimedOut(limits.timeout));
        assert_eq!(failure.to_string(), "execution aborted (timeout = 30ms)");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn types_3_and_4_create_nothing() {
    let blobs = CallFields { blob_versioned_hashes: Some(vec![]), ..CallFields::default() };
    assert_eq!(run(vec![], &blobs).unwrap_err().to_string(), "blob transaction cannot be used to create contract");
    let empty = CallFields { authorization_list: Some(vec![]), ..to_contract() };
    assert!(run(vec![], &empty).unwrap_err().to_string().contains("empty auth list"));
}
