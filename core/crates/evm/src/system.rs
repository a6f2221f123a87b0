//! System calls: what the protocol itself does to state, outside every transaction.
//!
//! ```text
//!   block start   the parent's beacon root (EIP-4788) and hash (EIP-2935) go into their contracts
//!   transactions
//!   block end     the closing calls of the block's environment, such as the staking contract's epoch change
//! ```
//! At the start a contract without code is passed over and one that reverts changes nothing, as both EIPs say. EIP-7002
//! and EIP-7251 (withdrawal and consolidation requests) do not exist on these chains: there is no beacon chain to ask.
//!
//! A closing call must succeed, or the block is invalid. It pays nothing, counts nothing against the block's gas limit,
//! is bounded by `CLOSING_GAS_MAX`, and has no receipt: its logs are dropped.

use crate::env::BlockEnv;
use crate::state::LoadError;
use crate::vm::Vm;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, address};
use revm::SystemCallEvm;
use revm::context::{ContextSetters, TxEnv};
use revm::context_interface::result::{EVMError, ExecutionResult, InvalidTransaction};
use revm::handler::{Handler, MainnetHandler, SystemCallTx};
use zg_types::{StateView, ViewError};

/// EIP-4788.
pub const BEACON_ROOTS: Address = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
/// EIP-2935.
pub const HISTORY_STORAGE: Address = address!("0000F90827F1C53a10cb7A02335B175320002935");
/// Gas that one closing call may use.
pub const CLOSING_GAS_MAX: u64 = 200_000_000;

/// A call that the system address makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemCall {
    pub contract: Address,
    pub input: Bytes,
}

/// revm's error over our database.
pub(crate) type VmError = EVMError<LoadError, InvalidTransaction>;

/// Make the calls that open the block. A reverting contract changes nothing and is no error.
pub(crate) fn open_block(vm: &mut Vm<'_>, view: &dyn StateView, env: &BlockEnv) -> Result<(), VmError> {
    if env.number == 0 {
        return Ok(());
    }
    call(vm, view, BEACON_ROOTS, env.parent_beacon_root)?;
    if env.fork.keeps_block_hashes() {
        call(vm, view, HISTORY_STORAGE, env.parent_hash)?;
    }
    Ok(())
}

/// Make one of the calls that close the block; what happened when it did not succeed.
///
/// The contract has code since before the block: a predeploy that is missing must not pass for one that agreed.
pub(crate) fn close_block(
    vm: &mut Vm<'_>,
    view: &dyn StateView,
    call: &SystemCall,
) -> Result<Result<(), String>, VmError> {
    if !has_code(view, &call.contract).map_err(|error| EVMError::Database(error.into()))? {
        return Ok(Err("found no code".into()));
    }
    let mut tx = TxEnv::new_system_tx(call.contract, call.input.clone());
    tx.gas_limit = CLOSING_GAS_MAX;
    vm.ctx.set_tx(tx);
    let result = MainnetHandler::<_, VmError, _>::default().run_system_call(vm)?;
    Ok(match result {
        ExecutionResult::Success { .. } => Ok(()),
        ExecutionResult::Revert { output, .. } => Err(format!("reverted with {output}")),
        ExecutionResult::Halt { reason, .. } => Err(format!("halted: {reason:?}")),
    })
}

fn call(vm: &mut Vm<'_>, view: &dyn StateView, contract: Address, word: B256) -> Result<(), VmError> {
    if has_code(view, &contract).map_err(|error| EVMError::Database(error.into()))? {
        vm.system_call_one(contract, Bytes::copy_from_slice(word.as_slice()))?;
    }
    Ok(())
}

fn has_code(view: &dyn StateView, address: &Address) -> Result<bool, ViewError> {
    Ok(view.account(address)?.is_some_and(|account| account.code_hash != KECCAK256_EMPTY))
}
