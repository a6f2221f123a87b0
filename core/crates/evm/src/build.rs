//! Filling a block from a source of transactions, best first.

use crate::block::{BlockError, BlockRun, Engine, Invalid, Outcome, Refusal};
use crate::env::BlockEnv;
use alloy_rlp::{Encodable, length_of_length};
use revm::context_interface::result::InvalidTransaction;
use std::sync::Arc;
use std::time::Instant;
use zg_chain::Transaction;
use zg_types::{PoolTransaction, StateView};

/// Gas of the cheapest transaction: with less left the block is full.
const TX_GAS_MIN: u64 = 21_000;
/// Consecutive transactions too large for what is left of the block, after which it counts as full.
const MISFITS_MAX: usize = 64;
/// Transactions that room is made for at the start.
const EXPECTED: usize = 1024;
/// EIP-4844's type: blobs do not travel on these chains, so a builder has none to offer.
const BLOB_TX_TYPE: u8 = 3;

/// Why the builder passed over a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The account has used this nonce.
    NonceTooLow,
    /// An earlier transaction of the account is missing.
    NonceTooHigh,
    /// The account cannot pay for it, or it does not pay the base fee.
    Unpayable,
    /// It may fit into a later block.
    TooLargeForBlock,
    /// No block can contain it.
    Invalid(String),
}

/// Where the builder takes transactions from.
pub trait TransactionSource {
    /// The next best transaction; None when there is none left for this block.
    fn next(&mut self) -> Option<Arc<Transaction>>;
    /// `tx`, the last one handed out, is in the block.
    fn included(&mut self, tx: &Transaction);
    /// `tx`, the last one handed out, is not.
    fn skipped(&mut self, tx: &Transaction, why: Skip);
}

/// When a block under construction is full.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Gas to use at most; the header's gas limit holds besides.
    pub gas_budget: u64,
    /// Size of the body, an RLP list of byte strings, in bytes.
    pub max_body_bytes: usize,
    /// No transaction is begun after this time.
    pub deadline: Option<Instant>,
}

impl Engine {
    /// Fill a block over `view`, the state after its parent, with transactions of `source`.
    pub fn build(
        &self,
        view: &dyn StateView,
        env: &BlockEnv,
        source: &mut dyn TransactionSource,
        limits: Limits,
    ) -> Result<Outcome, BlockError> {
        let mut run = BlockRun::open(view, env, &self.codes, EXPECTED)?;
        let gas_budget = limits.gas_budget.min(env.gas_limit);
        let mut body_payload = 0;
        let mut misfits = 0;
        while gas_budget - run.gas_used() >= TX_GAS_MIN && misfits < MISFITS_MAX && !over(limits.deadline) {
            let Some(tx) = source.next() else { break };
            let payload = body_payload + tx.raw.length();
            let fits = tx.gas_limit() <= gas_budget - run.gas_used()
                && payload + length_of_length(payload) <= limits.max_body_bytes;
            if !fits {
                misfits += 1;
                source.skipped(&tx, Skip::TooLargeForBlock);
                continue;
            }
            misfits = 0;
            if tx.tx_type() == BLOB_TX_TYPE {
                source.skipped(&tx, Skip::Invalid("blob transactions are not built".into()));
                continue;
            }
            match run.transact(&tx) {
                Ok(()) => {
                    body_payload = payload;
                    source.included(&tx);
                }
                Err(Refusal::Invalid(reason)) => source.skipped(&tx, skip(reason)),
                Err(Refusal::Fatal(error)) => return Err(error),
            }
        }
        run.close(view, env)
    }
}

fn over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|at| Instant::now() >= at)
}

fn skip(reason: Invalid) -> Skip {
    match reason {
        Invalid::BlockGas | Invalid::BlobGas => Skip::TooLargeForBlock,
        Invalid::Transaction(InvalidTransaction::NonceTooLow { .. }) => Skip::NonceTooLow,
        Invalid::Transaction(InvalidTransaction::NonceTooHigh { .. }) => Skip::NonceTooHigh,
        Invalid::Transaction(
            InvalidTransaction::LackOfFundForMaxFee { .. } | InvalidTransaction::GasPriceLessThanBasefee,
        ) => Skip::Unpayable,
        Invalid::Transaction(other) => Skip::Invalid(other.to_string()),
    }
}
