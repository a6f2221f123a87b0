//! Checks that need nothing but the transaction, the limits and the head.

use crate::{Env, Limits, PoolError};
use zg_types::PoolTransaction;
use zg_types::pool::{BLOB_TYPE, INITCODE_BYTES_MAX, SET_CODE_TYPE, TRANSACTION_GAS_MAX};

/// Refuse what no state could make valid; cheap checks first.
pub(crate) fn check<T: PoolTransaction>(tx: &T, limits: &Limits, env: &Env) -> Result<(), PoolError> {
    match tx.tx_type() {
        BLOB_TYPE => return Err(PoolError::BlobTransaction),
        tx_type if tx_type > SET_CODE_TYPE => return Err(PoolError::UnknownType { tx_type }),
        _ => {}
    }
    check_chain(tx, limits)?;
    let bytes = tx.raw().len();
    if bytes > limits.max_transaction_bytes {
        return Err(PoolError::Oversized { bytes, limit: limits.max_transaction_bytes });
    }
    if tx.max_fee() < tx.max_priority_fee() {
        return Err(PoolError::TipAboveFee);
    }
    // EIP-2681
    if tx.nonce() == u64::MAX {
        return Err(PoolError::NonceMax);
    }
    check_gas(tx, env)?;
    if tx.max_priority_fee() < limits.min_tip {
        return Err(PoolError::TipTooLow { tip: tx.max_priority_fee(), needed: limits.min_tip });
    }
    Ok(())
}

fn check_chain<T: PoolTransaction>(tx: &T, limits: &Limits) -> Result<(), PoolError> {
    match tx.chain_id() {
        Some(have) if have != limits.chain_id => Err(PoolError::WrongChain { have, want: limits.chain_id }),
        None if !limits.allow_unprotected => Err(PoolError::Unprotected),
        _ => Ok(()),
    }
}

fn check_gas<T: PoolTransaction>(tx: &T, env: &Env) -> Result<(), PoolError> {
    let footprint = tx.footprint();
    let gas = tx.gas_limit();
    // EIP-3860
    if footprint.is_create && footprint.input_bytes() > INITCODE_BYTES_MAX {
        return Err(PoolError::InitcodeTooLarge { bytes: footprint.input_bytes() });
    }
    // EIP-7825
    if gas > TRANSACTION_GAS_MAX {
        return Err(PoolError::GasAboveCap { gas });
    }
    if gas > env.block_gas_limit {
        return Err(PoolError::GasAboveBlock);
    }
    let needed = footprint.intrinsic_gas();
    if gas < needed {
        return Err(PoolError::IntrinsicGas { gas, needed });
    }
    // EIP-7623
    let needed = footprint.floor_gas();
    if gas < needed {
        return Err(PoolError::FloorGas { gas, needed });
    }
    // EIP-7702
    if tx.tx_type() == SET_CODE_TYPE && footprint.authorizations == 0 {
        return Err(PoolError::NoAuthorizations);
    }
    Ok(())
}
