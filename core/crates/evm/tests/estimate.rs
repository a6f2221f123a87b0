//! Gas estimates.

mod support;

use alloy_primitives::{Address, Bytes, U256};
use revm::bytecode::opcode::*;
use std::time::Duration;
use support::{GWEI, account, coins, contracts, env, rich, signed, token};
use zg_chain::{AccountOverride, CallFields, StateOverrides};
use zg_evm::memory::MemoryState;
use zg_evm::{CallFailure, CallLimits, Engine};

const CONTRACT: Address = Address::repeat_byte(0xc0);
const LIMITS: CallLimits = CallLimits { gas_cap: 50_000_000, timeout: Duration::from_secs(5) };

fn with_code(code: impl Into<Bytes>) -> MemoryState {
    let mut state = rich(2);
    let balance = (token::balance_slot(account(0)), U256::from(10));
    state.insert(CONTRACT, 1, U256::ZERO, code.into(), [balance]);
    state
}

fn estimate(state: &MemoryState, fields: &CallFields) -> Result<u64, CallFailure> {
    Engine::new().estimate_gas(state, &env(), fields, &StateOverrides::default(), LIMITS)
}

fn from_0(to: Address) -> CallFields {
    CallFields { from: Some(account(0)), to: Some(to), ..CallFields::default() }
}

/// Whether the transaction succeeds with this much gas.
fn suffices(state: &MemoryState, fields: &CallFields, gas: u64) -> bool {
    let tx = signed(0, 0, CallFields { gas: Some(gas), from: None, ..fields.clone() });
    Engine::new().execute(state, &env(), &[tx]).is_ok_and(|outcome| outcome.receipts[0].success)
}

#[test]
fn a_transfer_takes_21000() {
    let state = rich(1);
    let fields = CallFields { value: Some(U256::from(1)), ..from_0(Address::repeat_byte(9)) };
    assert_eq!(estimate(&state, &fields), Ok(21_000));
    assert_eq!(estimate(&state, &CallFields { gas: Some(30_000), ..fields }), Ok(21_000));
}

#[test]
fn an_estimate_suffices_and_is_close() {
    let create = CallFields { to: None, input: Some(contracts::init(&contracts::setter())), ..from_0(CONTRACT) };
    let pay = CallFields { input: Some(token::transfer_input(account(1), 1)), ..from_0(CONTRACT) };
    let empty = CallFields { input: Some(token::transfer_input(account(1), 10)), ..from_0(CONTRACT) };
    for fields in [create, pay, empty] {
        let state = with_code(token::code());
        let gas = estimate(&state, &fields).unwrap();
        assert!(suffices(&state, &fields, gas));
        assert!(!suffices(&state, &fields, gas - gas / 50), "{gas} is too much");
    }
}

#[test]
fn gas_that_must_be_there_but_is_not_used_is_found() {
    // Succeeds only with more than 200,000 gas left, of which it uses next to nothing; else it is at fault in another way
    // than by running out.
    let code = vec![PUSH3, 3, 0x0d, 0x40, GAS, GT, PUSH1, 10, JUMPI, INVALID, JUMPDEST, STOP];
    let state = with_code(code);
    let gas = estimate(&state, &from_0(CONTRACT)).unwrap();
    assert!(gas > 221_000 && gas < 226_000, "{gas}");
    assert!(suffices(&state, &from_0(CONTRACT), gas));
}

#[test]
fn what_fails_with_any_gas_fails_with_its_reason() {
    let failure = estimate(&with_code(contracts::reverter()), &from_0(CONTRACT)).unwrap_err();
    assert_eq!((failure.to_string().as_str(), failure.code()), ("execution reverted: no", 3));
    let failure = estimate(&with_code(vec![INVALID]), &from_0(CONTRACT)).unwrap_err();
    assert_eq!(failure.to_string(), "invalid opcode: INVALID");
}

#[test]
fn the_gas_of_a_transaction_is_the_ceiling() {
    let failure = estimate(&with_code(contracts::looper()), &from_0(CONTRACT)).unwrap_err();
    assert_eq!(failure.to_string(), "gas required exceeds allowance (16777216)");
    let named = CallFields { gas: Some(50_000), ..from_0(CONTRACT) };
    let failure = estimate(&with_code(contracts::looper()), &named).unwrap_err();
    assert_eq!(failure.to_string(), "gas required exceeds allowance (50000)");
}

#[test]
fn the_balance_bounds_the_gas() {
    let mut state = with_code(contracts::looper());
    state.insert(account(0), 0, U256::from(30_000 * GWEI), Bytes::new(), []);
    let priced = CallFields { gas_price: Some(GWEI), ..from_0(CONTRACT) };
    assert_eq!(estimate(&state, &priced).unwrap_err().to_string(), "gas required exceeds allowance (30000)");
    let all = CallFields { value: Some(coins(1)), ..priced };
    assert_eq!(estimate(&state, &all).unwrap_err().to_string(), "insufficient funds for transfer");
    let unpriced = CallFields { value: Some(coins(1)), ..from_0(Address::repeat_byte(9)) };
    let text = estimate(&state, &unpriced).unwrap_err().to_string();
    assert!(text.starts_with("failed with 21000 gas: insufficient funds for gas * price + value: address"), "{text}");
}

#[test]
fn overrides_hold_while_estimating() {
    let overrides = StateOverrides(vec![(
        account(1),
        AccountOverride { code: Some(contracts::reverter()), ..AccountOverride::default() },
    )]);
    let failure = Engine::new().estimate_gas(&rich(2), &env(), &from_0(account(1)), &overrides, LIMITS).unwrap_err();
    assert_eq!(failure.code(), 3);
}
