//! Access lists of messages.

mod support;

use alloy_primitives::{Address, B256, Bytes, U256};
use revm::bytecode::opcode::*;
use serde_json::json;
use std::time::Duration;
use support::{account, contracts, env, rich, token};
use zg_chain::{CallFields, StateOverrides};
use zg_evm::memory::MemoryState;
use zg_evm::{Accesses, CallLimits, Engine};

const CONTRACT: Address = Address::repeat_byte(0xc0);
const OTHER: Address = Address::with_last_byte(0x77);
const LIMITS: CallLimits = CallLimits { gas_cap: 50_000_000, timeout: Duration::from_secs(5) };

fn accesses(code: impl Into<Bytes>, input: Bytes) -> Accesses {
    let mut state: MemoryState = rich(2);
    state.insert(CONTRACT, 1, U256::ZERO, code.into(), [(token::balance_slot(account(0)), U256::from(10))]);
    state.insert(OTHER, 1, U256::ZERO, contracts::setter(), []);
    let fields = CallFields { from: Some(account(0)), to: Some(CONTRACT), input: Some(input), ..CallFields::default() };
    Engine::new().access_list(&state, &env(), &fields, &StateOverrides::default(), LIMITS).unwrap()
}

fn listed(accesses: &Accesses) -> Vec<(Address, Vec<B256>)> {
    accesses.access_list.0.iter().map(|item| (item.address, item.storage_keys.clone())).collect()
}

#[test]
fn slots_of_the_receiver_are_listed() {
    let found = accesses(token::code(), token::transfer_input(account(1), 1));
    let mut slots: Vec<B256> = [0, 1].map(|number| token::balance_slot(account(number)).into()).into();
    slots.sort();
    assert_eq!(listed(&found), vec![(CONTRACT, slots)]);
    assert_eq!(found.error, None);
}

#[test]
fn called_contracts_are_listed_but_precompiles_and_sender_are_not() {
    let call = |to: u8| vec![PUSH0, PUSH0, PUSH0, PUSH0, PUSH0, PUSH1, to, GAS, CALL, POP];
    let code = [call(0x77), call(4), vec![CALLER, BALANCE, POP, PUSH1, 0x55, EXTCODESIZE]].concat();
    let found = accesses(code, Bytes::new());
    assert_eq!(listed(&found), vec![(Address::with_last_byte(0x55), vec![]), (OTHER, vec![B256::ZERO])]);
}

#[test]
fn accesses_that_follow_from_the_list_itself_are_found() {
    // Where slot 1 costs less than 1,000 gas, because it is listed, slot 2 is read as well.
    let code = vec![
        GAS, PUSH1, 1, SLOAD, POP, GAS, SWAP1, SUB, PUSH2, 3, 0xe8, GT, PUSH1, 16, JUMPI, STOP, JUMPDEST, PUSH1, 2,
        SLOAD,
    ];
    let found = accesses(code, Bytes::new());
    let slots = [1, 2].map(|slot| B256::from(U256::from(slot)));
    assert_eq!(listed(&found), vec![(CONTRACT, slots.into())]);
}

#[test]
fn a_failing_message_has_a_list_and_an_error() {
    let found = accesses(vec![PUSH1, 3, SLOAD, PUSH0, PUSH0, REVERT], Bytes::new());
    assert_eq!(listed(&found), vec![(CONTRACT, vec![B256::with_last_byte(3)])]);
    assert_eq!(found.error.as_deref(), Some("execution reverted"));
    let halted = accesses(vec![PUSH1, 3, SLOAD, INVALID], Bytes::new());
    assert_eq!(halted.error.as_deref(), Some("invalid opcode: INVALID"));
}

#[test]
fn the_json_is_geths() {
    let found = accesses(vec![PUSH1, 3, SLOAD, INVALID], Bytes::new()).to_json();
    let expected = json!({
        "accessList": [{ "address": format!("{CONTRACT:#x}"), "storageKeys": [B256::with_last_byte(3)] }],
        "gasUsed": "0x2faf080",
        "error": "invalid opcode: INVALID",
    });
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&found).unwrap(), expected);
}
