//! Running execution-spec state tests: does one transaction over a given state leave the root that it should?
//!
//! ```text
//!   JSON ──fixture──▶ pre-state, block, transaction ──BlockState──▶ diff ──▶ root, logs hash, against the fixture's
//!                     txbytes ──zg-chain──▶ must say the same as the JSON transaction
//! ```
//! No system calls, rewards or withdrawals: a state test is about a single transaction. A case that must be refused passes
//! when it is refused for the reason that the fixture names and the root is that of the pre-state.

mod collision;
mod exception;
mod fixture;

use crate::codes::CodeCache;
use crate::env::BlockEnv;
use crate::fork::Fork;
use crate::memory::MemoryState;
use crate::state::{BlockHashes, BlockState};
use crate::vm;
use alloy_primitives::{B256, Bytes, Log, keccak256};
use collision::Collisions;
use exception::Refused;
use fixture::{Case, Expected, Fixture};
use revm::context::TxEnv;
use revm::context::transaction::AuthorizationTr;
use revm::context_interface::result::EVMError;
use revm::{ExecuteEvm, InspectEvm};
use std::collections::{BTreeMap, HashMap};
use zg_chain::{Transaction, TransactionError};

/// Block hashes that BLOCKHASH can reach.
const BLOCKHASH_WINDOW: u64 = 256;

/// A file that is not a state test.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    #[error("not a state test: {0}")]
    Json(#[from] serde_json::Error),
    #[error("unknown fork {0:?}")]
    Fork(String),
}

/// What became of one case.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CaseResult {
    pub name: String,
    /// Which of the test's cases for the fork.
    pub index: usize,
    pub pass: bool,
    /// Why the case failed; None when it passed.
    pub error: Option<String>,
    pub state_root: B256,
    pub expected: B256,
    /// Gas that the transaction used; 0 when it was refused.
    pub gas_used: u64,
}

/// Run all cases of a state-test file for `fork`; a file without cases for it gives none.
pub fn run_state_test(json: &str, fork: &str) -> Result<Vec<CaseResult>, FixtureError> {
    let fork = Fork::by_name(fork).ok_or_else(|| FixtureError::Fork(fork.into()))?;
    let tests: BTreeMap<String, Fixture> = serde_json::from_str(json)?;
    let mut results = Vec::new();
    for (name, test) in &tests {
        results.extend(test.cases(fork).enumerate().map(|(index, case)| run(name, index, case)));
    }
    Ok(results)
}

/// A transaction's effect on a state.
struct Executed {
    gas_used: u64,
    logs: Vec<Log>,
}

fn run(name: &str, index: usize, case: Case<'_>) -> CaseResult {
    let Case { env, pre: mut state, transaction, txbytes, expected } = case;
    let result = match transaction.and_then(|tx| agreed(tx, txbytes)) {
        Ok(tx) => transact(&mut state, &env, tx),
        Err(refused) => Ok(Err(refused)),
    };
    let state_root = state.root();
    let (error, gas_used) = match result {
        Err(broken) => (Some(broken), 0),
        Ok(result) => (judge(&result, expected, state_root), result.map_or(0, |executed| executed.gas_used)),
    };
    CaseResult { name: name.into(), index, pass: error.is_none(), error, state_root, expected: expected.hash, gas_used }
}

/// Why a case fails; None when it does not.
fn judge(result: &Result<Executed, Refused>, expected: Expected<'_>, state_root: B256) -> Option<String> {
    let Expected { hash, logs, exception } = expected;
    match (result, exception) {
        (Ok(_), Some(exception)) => return Some(format!("accepted, expected {exception}")),
        (Err(refused), None) => return Some(format!("refused: {refused}")),
        (Err(refused), Some(exception)) if !refused.is(exception) => {
            return Some(format!("refused: {refused}, expected {exception}"));
        }
        (Err(_), Some(_)) => {}
        (Ok(executed), None) => {
            let found = keccak256(alloy_rlp::encode(&executed.logs));
            if found != logs {
                return Some(format!("logs hash {found}, expected {logs}"));
            }
        }
    }
    (state_root != hash).then(|| format!("state root {state_root}, expected {hash}"))
}

/// The transaction of the codec when it can decode `raw`; it must say what the JSON says.
fn agreed(json: TxEnv, raw: &Bytes) -> Result<TxEnv, Refused> {
    let decoded = match Transaction::recover(raw.clone()) {
        Ok(tx) => vm::tx_env(&tx),
        // Larger than any transaction that travels, yet a block could contain it.
        Err(TransactionError::Oversized { .. }) => return Ok(json),
        Err(error) => return Err(Refused::Codec(error)),
    };
    match disagreement(&decoded, &json) {
        Some(field) => Err(Refused::Disagreement(field)),
        None => Ok(decoded),
    }
}

/// The first field in which the two differ. The JSON form of a legacy transaction lacks its chain id.
fn disagreement(raw: &TxEnv, json: &TxEnv) -> Option<&'static str> {
    let signers = |tx: &TxEnv| tx.authorization_list.iter().map(AuthorizationTr::authority).collect::<Vec<_>>();
    let checks = [
        ("type", raw.tx_type == json.tx_type),
        ("sender", raw.caller == json.caller),
        ("gas", raw.gas_limit == json.gas_limit),
        ("max fee", raw.gas_price == json.gas_price),
        ("max priority fee", raw.gas_priority_fee == json.gas_priority_fee),
        ("to", raw.kind == json.kind),
        ("value", raw.value == json.value),
        ("input", raw.data == json.data),
        ("nonce", raw.nonce == json.nonce),
        ("access list", raw.access_list == json.access_list),
        ("blob hashes", raw.blob_hashes == json.blob_hashes),
        ("blob fee", raw.max_fee_per_blob_gas == json.max_fee_per_blob_gas),
        ("authorities", signers(raw) == signers(json)),
    ];
    checks.iter().find(|(_, same)| !same).map(|(field, _)| *field)
}

/// Run `tx` and move `state` forward; the outer error is the machine's.
fn transact(state: &mut MemoryState, env: &BlockEnv, tx: TxEnv) -> Result<Result<Executed, Refused>, String> {
    let codes = CodeCache::default();
    // The convention of the fixtures: a block's hash is that of its number in decimal.
    let first = env.number.saturating_sub(BLOCKHASH_WINDOW);
    let hashes: HashMap<u64, B256> = (first..env.number).map(|n| (n, keccak256(n.to_string()))).collect();
    let (result, diff) = {
        let view = BlockState::new(&*state, &codes, BlockHashes::Table(&hashes));
        let mut machine = vm::machine(env, view).with_inspector(Collisions(state.storage_only().collect()));
        let result = if machine.inspector.0.is_empty() { machine.transact_one(tx) } else { machine.inspect_one_tx(tx) };
        let changes = machine.finalize();
        (result, machine.ctx.journaled_state.database.into_diff(&changes).map_err(|error| error.to_string())?)
    };
    match result {
        Ok(result) => {
            state.apply(&diff).map_err(|error| error.to_string())?;
            Ok(Ok(Executed { gas_used: result.tx_gas_used(), logs: result.into_logs() }))
        }
        Err(EVMError::Transaction(reason)) if diff.accounts.is_empty() => Ok(Err(Refused::Machine(reason))),
        Err(EVMError::Transaction(reason)) => Err(format!("refused ({reason}) but left a trace")),
        Err(error) => Err(error.to_string()),
    }
}
