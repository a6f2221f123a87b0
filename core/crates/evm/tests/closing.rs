//! The calls that close a block: what they see, what they must not do, and what they leave no trace of.

mod support;

use alloy_primitives::{Address, Bytes, U256, address};
use revm::bytecode::opcode::{CALLER, PUSH0, SLOAD, SSTORE, STOP};
use support::{contracts, env, rich, signed};
use zg_chain::CallFields;
use zg_evm::memory::MemoryState;
use zg_evm::{BlockEnv, BlockError, CLOSING_GAS_MAX, Engine, Outcome, SystemCall};
use zg_types::StateView;

const CONTRACT: Address = Address::repeat_byte(0xc0);
const SYSTEM: Address = address!("fffffffffffffffffffffffffffffffffffffffe");

fn with_code(code: impl Into<Bytes>) -> MemoryState {
    let mut state = rich(1);
    state.insert(CONTRACT, 1, U256::ZERO, code.into(), []);
    state
}

fn words(words: &[u64]) -> Bytes {
    words.iter().flat_map(|word| U256::from(*word).to_be_bytes::<32>()).collect()
}

fn closing(inputs: &[Bytes]) -> BlockEnv {
    let call = |input: &Bytes| SystemCall { contract: CONTRACT, input: input.clone() };
    BlockEnv { closing_calls: inputs.iter().map(call).collect(), ..env() }
}

fn close(state: &MemoryState, inputs: &[Bytes]) -> Result<Outcome, BlockError> {
    Engine::new().execute(state, &closing(inputs), &[])
}

fn refusal(state: &MemoryState) -> String {
    close(state, &[Bytes::new()]).unwrap_err().to_string()
}

fn storage_after(state: &MemoryState, outcome: &Outcome, slot: u64) -> U256 {
    let mut after = state.clone();
    after.apply(&outcome.diff).unwrap();
    after.storage(&CONTRACT, &U256::from(slot)).unwrap()
}

#[test]
fn the_caller_is_the_system_address() {
    let state = with_code(vec![CALLER, PUSH0, SSTORE, STOP]);
    let outcome = close(&state, &[Bytes::new()]).unwrap();
    assert_eq!(storage_after(&state, &outcome, 0), U256::from_be_slice(SYSTEM.as_slice()));
    assert!(outcome.diff.accounts.iter().all(|account| account.address == CONTRACT), "nobody else changes");
}

#[test]
fn calls_come_after_the_transactions_and_in_order() {
    let state = with_code(contracts::setter());
    let fields =
        CallFields { to: Some(CONTRACT), gas: Some(100_000), input: Some(words(&[1, 5])), ..Default::default() };
    let inputs = [words(&[1, 6]), words(&[2, 1]), words(&[2, 7])];
    let outcome = Engine::new().execute(&state, &closing(&inputs), &[signed(0, 0, fields)]).unwrap();
    assert_eq!(storage_after(&state, &outcome, 1), U256::from(6));
    assert_eq!(storage_after(&state, &outcome, 2), U256::from(7));
    assert_eq!(outcome.receipts.len(), 1);
}

#[test]
fn they_use_none_of_the_blocks_gas() {
    let state = with_code(contracts::setter());
    let env = BlockEnv { gas_limit: 1, ..closing(&[words(&[1, 6])]) };
    let outcome = Engine::new().execute(&state, &env, &[]).unwrap();
    assert_eq!(outcome.gas_used, 0);
    assert_eq!(storage_after(&state, &outcome, 1), U256::from(6));
}

#[test]
fn one_that_fails_makes_the_block_invalid() {
    assert!(refusal(&with_code(contracts::reverter())).starts_with(&format!("closing call 0 to {CONTRACT} reverted")));
    assert!(refusal(&with_code(contracts::looper())).contains("halted: OutOfGas"));
    assert!(refusal(&rich(1)).ends_with("found no code"));
}

#[test]
fn the_gas_is_bounded_but_larger_than_a_transactions() {
    let pays_twice = vec![revm::bytecode::opcode::GAS, PUSH0, SSTORE, STOP];
    let state = with_code(pays_twice);
    let seen = storage_after(&state, &close(&state, &[Bytes::new()]).unwrap(), 0);
    assert_eq!(seen, U256::from(CLOSING_GAS_MAX - 2));
}

#[test]
fn a_build_closes_like_an_execution() {
    struct Nothing;
    impl zg_evm::TransactionSource for Nothing {
        fn next(&mut self) -> Option<std::sync::Arc<zg_chain::Transaction>> {
            None
        }
        fn included(&mut self, _: &zg_chain::Transaction) {}
        fn skipped(&mut self, _: &zg_chain::Transaction, _: zg_evm::Skip) {}
    }
    let state = with_code(contracts::setter());
    let limits = zg_evm::Limits { gas_budget: 1_000_000, max_body_bytes: 1_000, deadline: None };
    let built = Engine::new().build(&state, &closing(&[words(&[3, 9])]), &mut Nothing, limits).unwrap();
    assert_eq!(built.diff, close(&state, &[words(&[3, 9])]).unwrap().diff);
}

#[test]
fn an_allocation_is_initialised_to_a_diff_on_nothing() {
    let state = with_code(vec![PUSH0, SLOAD, STOP]);
    let mut setting = with_code(contracts::setter());
    let env = BlockEnv { number: 0, ..closing(&[words(&[4, 8])]) };
    let result = Engine::new().initialise(&setting.allocation(), &env).unwrap();
    let mut rebuilt = MemoryState::default();
    rebuilt.apply(&result).unwrap();
    assert_eq!(rebuilt.storage(&CONTRACT, &U256::from(4)).unwrap(), U256::from(8));
    setting.insert(CONTRACT, 1, U256::ZERO, contracts::setter(), [(U256::from(4), U256::from(8))]);
    assert_eq!(rebuilt.root(), setting.root());
    let untouched = Engine::new().initialise(&state.allocation(), &BlockEnv { number: 0, ..closing(&[]) }).unwrap();
    assert_eq!(untouched, state.allocation());
}
