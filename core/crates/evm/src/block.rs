//! Executing a block: transactions over a view become receipts and a diff.
//!
//! ```text
//!   execute   the transactions of a proposed block, in order; the first invalid one refuses the block
//!   build     the best transactions of a source, until the gas, the bytes or the time is used up (see `build`)
//! ```
//! Both open the block with the system calls, run every transaction on one machine whose journal is the block's cache, and
//! end with the closing calls.
//! Common errors: `nonce 7 too high, expected 5`, `lack of funds (…) for max fee (…)`, `gas limit reached`.

use crate::codes::CodeCache;
use crate::env::BlockEnv;
use crate::state::BlockState;
use crate::system::{self, VmError};
use crate::vm::{self, Vm};
use alloy_consensus::Transaction as _;
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_primitives::Address;
use revm::ExecuteEvm;
use revm::context_interface::result::{EVMError, ExecutionResult, InvalidTransaction};
use std::sync::Arc;
use zg_chain::{Receipt, Transaction};
use zg_types::{PoolTransaction, StateDiff, StateView, ViewError};

/// Why a transaction cannot be in a block.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Invalid {
    #[error("gas limit reached")]
    BlockGas,
    #[error("blob gas limit reached")]
    BlobGas,
    #[error(transparent)]
    Transaction(InvalidTransaction),
}

/// Why there is no outcome.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BlockError {
    /// The proposer's fault.
    #[error("transaction {index}: {reason}")]
    Transaction { index: usize, reason: Invalid },
    /// The protocol's own call at the end of the block.
    #[error("closing call {index} to {contract} {reason}")]
    Closing { index: usize, contract: Address, reason: String },
    /// The state could not be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The machine itself gave up: a broken invariant.
    #[error("EVM: {0}")]
    Machine(String),
}

/// What executing a block came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub transactions: Vec<Arc<Transaction>>,
    /// One a transaction, in order.
    pub receipts: Vec<Receipt>,
    pub gas_used: u64,
    pub blob_gas_used: u64,
    pub diff: StateDiff,
}

/// Runs blocks and calls. Cheap to share between threads; what it keeps is a cache of code.
#[derive(Debug, Default)]
pub struct Engine {
    pub(crate) codes: CodeCache,
}

impl Engine {
    pub fn new() -> Self {
        Self::default()
    }

    /// Execute `txs` in order over `view`, the state after the parent block.
    pub fn execute(
        &self,
        view: &dyn StateView,
        env: &BlockEnv,
        txs: &[Arc<Transaction>],
    ) -> Result<Outcome, BlockError> {
        let mut run = BlockRun::open(view, env, &self.codes, txs.len())?;
        for (index, tx) in txs.iter().enumerate() {
            run.transact(tx).map_err(|refusal| match refusal {
                Refusal::Invalid(reason) => BlockError::Transaction { index, reason },
                Refusal::Fatal(error) => error,
            })?;
        }
        run.close(view, env)
    }
}

/// Why a transaction did not run: its own fault, or the machine's.
pub(crate) enum Refusal {
    Invalid(Invalid),
    Fatal(BlockError),
}

impl From<VmError> for Refusal {
    fn from(error: VmError) -> Self {
        match error {
            EVMError::Transaction(reason) => Self::Invalid(Invalid::Transaction(reason)),
            EVMError::Database(error) => Self::Fatal(BlockError::View(error.0)),
            other => Self::Fatal(BlockError::Machine(other.to_string())),
        }
    }
}

/// A block under execution.
pub(crate) struct BlockRun<'a> {
    vm: Vm<'a>,
    gas_limit: u64,
    blob_gas_max: u64,
    outcome: Outcome,
}

impl<'a> BlockRun<'a> {
    /// A machine on `view` with the block's system calls made; room for about `expected` transactions.
    pub(crate) fn open(
        view: &'a dyn StateView,
        env: &BlockEnv,
        codes: &'a CodeCache,
        expected: usize,
    ) -> Result<Self, BlockError> {
        let mut state = BlockState::new(view, codes, env.hashes());
        state.reserve(2 * expected);
        let mut vm = vm::machine(env, state);
        vm.ctx.journaled_state.inner.state.reserve(2 * expected);
        system::open_block(&mut vm, view, env).map_err(machine)?;
        let outcome = Outcome {
            transactions: Vec::with_capacity(expected),
            receipts: Vec::with_capacity(expected),
            ..Outcome::default()
        };
        let blob_gas_max = env.fork.blobs.max * DATA_GAS_PER_BLOB;
        Ok(Self { vm, gas_limit: env.gas_limit, blob_gas_max, outcome })
    }

    /// Gas that the transactions so far left.
    pub(crate) fn gas_left(&self) -> u64 {
        self.gas_limit - self.outcome.gas_used
    }

    pub(crate) fn gas_used(&self) -> u64 {
        self.outcome.gas_used
    }

    /// Run one transaction; a refused one leaves no trace.
    pub(crate) fn transact(&mut self, tx: &Arc<Transaction>) -> Result<(), Refusal> {
        if tx.gas_limit() > self.gas_left() {
            return Err(Refusal::Invalid(Invalid::BlockGas));
        }
        let blob_gas_used = self.outcome.blob_gas_used + tx.envelope.blob_gas_used().unwrap_or_default();
        if blob_gas_used > self.blob_gas_max {
            return Err(Refusal::Invalid(Invalid::BlobGas));
        }
        self.forget_touches(tx.authorities());
        let result = self.vm.transact_one(vm::tx_env(tx))?;
        let outcome = &mut self.outcome;
        outcome.gas_used += result.tx_gas_used();
        outcome.blob_gas_used = blob_gas_used;
        outcome.receipts.push(receipt(result, outcome.gas_used));
        outcome.transactions.push(Arc::clone(tx));
        Ok(())
    }

    /// What an earlier transaction only touched does not exist (EIP-161); an authority that does not exist earns no
    /// refund (EIP-7702), and revm tells by the mark.
    fn forget_touches(&mut self, authorities: &[Address]) {
        let accounts = &mut self.vm.ctx.journaled_state.inner.state;
        for address in authorities {
            if let Some(account) = accounts.get_mut(address)
                && account.is_loaded_as_not_existing()
                && account.is_empty()
            {
                account.unmark_touch();
            }
        }
    }

    /// End the block with the calls of `env`.
    pub(crate) fn close(mut self, view: &dyn StateView, env: &BlockEnv) -> Result<Outcome, BlockError> {
        for (index, call) in env.closing_calls.iter().enumerate() {
            system::close_block(&mut self.vm, view, call).map_err(machine)?.map_err(|reason| BlockError::Closing {
                index,
                contract: call.contract,
                reason,
            })?;
        }
        let changes = self.vm.finalize();
        self.outcome.diff = self.vm.ctx.journaled_state.database.into_diff(&changes)?;
        Ok(self.outcome)
    }
}

/// An error of a system call, which no transaction is to blame for.
fn machine(error: VmError) -> BlockError {
    match Refusal::from(error) {
        Refusal::Invalid(reason) => BlockError::Machine(reason.to_string()),
        Refusal::Fatal(error) => error,
    }
}

fn receipt(result: ExecutionResult, cumulative_gas_used: u64) -> Receipt {
    match result {
        ExecutionResult::Success { logs, .. } => Receipt { success: true, cumulative_gas_used, logs },
        // revm keeps no logs of what was undone.
        ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. } => {
            Receipt { success: false, cumulative_gas_used, logs: Vec::new() }
        }
    }
}
