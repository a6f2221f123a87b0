//! Why a call has no result, in geth's words and codes.
//!
//! ```text
//!   Reverted   code 3        execution reverted: …        with the output as data
//!   Halted     code −32000   out of gas, invalid opcode: …, stack underflow (0 <=> 2), …
//!   Refused    code −32000   insufficient funds for gas * price + value: …, intrinsic gas too low: …
//!   TimedOut   code −32000   execution aborted (timeout = 5s)
//! ```

use crate::revert;
use crate::system::VmError;
use alloy_primitives::{Address, Bytes};
use revm::context::TxEnv;
use revm::context_interface::result::{EVMError, HaltReason, InvalidTransaction};
use std::time::Duration;
use zg_types::ViewError;

/// JSON-RPC code of a revert, whose output is the error's data.
const CODE_REVERT: i32 = 3;
/// JSON-RPC code of every other failure.
const CODE_SERVER: i32 = -32_000;
/// EIP-3860.
const INITCODE_MAX_BYTES: usize = 49_152;

/// Why a call has no result.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CallFailure {
    #[error("execution reverted{}", reason.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Reverted { reason: Option<String>, data: Bytes },
    /// The machine stopped at a fault of the code.
    #[error("{0}")]
    Halted(String),
    /// No such transaction could run.
    #[error("{0}")]
    Refused(String),
    #[error("execution aborted (timeout = {})", seconds(*.0))]
    TimedOut(Duration),
    /// The state could not be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The machine itself gave up: a broken invariant.
    #[error("EVM: {0}")]
    Machine(String),
}

impl CallFailure {
    /// The JSON-RPC error code.
    pub fn code(&self) -> i32 {
        match self {
            Self::Reverted { .. } => CODE_REVERT,
            _ => CODE_SERVER,
        }
    }

    /// What goes into the JSON-RPC error's `data`.
    pub fn data(&self) -> Option<&Bytes> {
        match self {
            Self::Reverted { data, .. } => Some(data),
            _ => None,
        }
    }

    pub(crate) fn reverted(data: Bytes) -> Self {
        Self::Reverted { reason: revert::reason(&data), data }
    }

    /// The machine's error about `tx`; `wrap` puts a refusal into the words of the method.
    pub(crate) fn of(
        error: VmError,
        tx: &TxEnv,
        base_fee: u64,
        timeout: Duration,
        wrap: impl FnOnce(String) -> String,
    ) -> Self {
        match error {
            EVMError::Transaction(reason) => Self::Refused(wrap(refusal(&reason, tx, base_fee))),
            EVMError::Database(error) => Self::View(error.0),
            EVMError::Custom(text) if text == crate::deadline::STOPPED => Self::TimedOut(timeout),
            other => Self::Machine(other.to_string()),
        }
    }
}

/// A duration as Go prints it: 5s, 1.5s, 300ms.
fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{}ms", duration.as_millis())
    } else {
        format!("{}s", duration.as_secs_f64())
    }
}

fn checksummed(address: Address) -> String {
    address.to_checksum(None)
}

/// Why `tx` cannot run in a block with this base fee.
fn refusal(reason: &InvalidTransaction, tx: &TxEnv, base_fee: u64) -> String {
    use InvalidTransaction as I;
    let from = checksummed(tx.caller);
    let tip = tx.gas_priority_fee.unwrap_or(tx.gas_price);
    match reason {
        I::LackOfFundForMaxFee { fee, balance } => {
            format!("insufficient funds for gas * price + value: address {from} have {balance} want {fee}")
        }
        I::OverflowPaymentInTransaction => {
            format!("insufficient funds for gas * price + value: address {from} required balance exceeds 256 bits")
        }
        I::GasPriceLessThanBasefee => format!(
            "max fee per gas less than block base fee: address {from}, maxFeePerGas: {}, baseFee: {base_fee}",
            tx.gas_price
        ),
        I::PriorityFeeGreaterThanMaxFee => format!(
            "max priority fee per gas higher than max fee per gas: address {from}, maxPriorityFeePerGas: {tip}, maxFeePerGas: {}",
            tx.gas_price
        ),
        I::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}")
        }
        I::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            format!("insufficient gas for floor data gas cost: have {gas_limit}, want {gas_floor}")
        }
        I::TxGasLimitGreaterThanCap { gas_limit, cap } => {
            format!("transaction gas limit too high (cap: {cap}, tx: {gas_limit})")
        }
        I::CreateInitCodeSizeLimit => {
            format!("max initcode size exceeded: code size {} limit {INITCODE_MAX_BYTES}", tx.data.len())
        }
        I::BlobGasPriceGreaterThanMax { block_blob_gas_price, tx_max_fee_per_blob_gas } => format!(
            "max fee per blob gas less than block blob gas fee: address {from} blobGasFeeCap: {tx_max_fee_per_blob_gas}, blobBaseFee: {block_blob_gas_price}"
        ),
        I::EmptyBlobs => "blob transaction missing blob hashes".into(),
        I::EmptyAuthorizationList => format!("EIP-7702 transaction with empty auth list (sender {from})"),
        other => other.to_string(),
    }
}

/// What the code did wrong. Faults whose text needs the opcode or the stack are [`crate::fault`]'s.
pub(crate) fn halt(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".into(),
        HaltReason::InvalidJump => "invalid jump destination".into(),
        HaltReason::OutOfOffset => "return data out of bounds".into(),
        HaltReason::CreateCollision => "contract address collision".into(),
        HaltReason::PrecompileErrorWithContext(text) => text.clone(),
        HaltReason::NonceOverflow => "nonce uint64 overflow".into(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".into(),
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef".into(),
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded".into(),
        HaltReason::OutOfFunds | HaltReason::OverflowPayment => "insufficient balance for transfer".into(),
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => "write protection".into(),
        HaltReason::CallTooDeep => "max call depth exceeded".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_printed_as_go_does() {
        assert_eq!(CallFailure::TimedOut(Duration::from_secs(5)).to_string(), "execution aborted (timeout = 5s)");
        assert_eq!(seconds(Duration::from_millis(1500)), "1.5s");
        assert_eq!(seconds(Duration::from_millis(300)), "300ms");
    }
}
