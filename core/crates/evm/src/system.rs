//! System calls at the start of a block: the parent's beacon root (EIP-4788) and hash (EIP-2935) go into state.
//!
//! Where the contract has no code nothing happens, as both EIPs say. EIP-7002 and EIP-7251 (withdrawal and consolidation
//! requests) do not exist on these chains: there is no beacon chain to ask.

use crate::env::BlockEnv;
use crate::state::LoadError;
use crate::vm::Vm;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, address};
use revm::SystemCallEvm;
use revm::context_interface::result::{EVMError, InvalidTransaction};
use zg_types::{StateView, ViewError};

/// EIP-4788.
pub const BEACON_ROOTS: Address = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
/// EIP-2935.
pub const HISTORY_STORAGE: Address = address!("0000F90827F1C53a10cb7A02335B175320002935");

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

fn call(vm: &mut Vm<'_>, view: &dyn StateView, contract: Address, word: B256) -> Result<(), VmError> {
    if has_code(view, &contract).map_err(|error| EVMError::Database(error.into()))? {
        vm.system_call_one(contract, Bytes::copy_from_slice(word.as_slice()))?;
    }
    Ok(())
}

fn has_code(view: &dyn StateView, address: &Address) -> Result<bool, ViewError> {
    Ok(view.account(address)?.is_some_and(|account| account.code_hash != KECCAK256_EMPTY))
}
