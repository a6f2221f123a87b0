//! A complete JSON transaction object and a private key make signed EIP-2718 bytes.
//!
//! The type is what `type` says, or else what the fields imply: an authorization list 4, EIP-1559 fees 2, an access list 1,
//! nothing of these 0. Signatures are deterministic (RFC 6979) with a low s (EIP-2).

use crate::error::RequestError;
use crate::request::CallFields;
use crate::signature;
use alloy_consensus::transaction::RlpEcdsaEncodableTx;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_primitives::{Address, Signature, TxKind};

/// Sign the UTF-8 JSON object `json` (type, chainId, nonce, gas, gasPrice or maxFeePerGas and maxPriorityFeePerGas, to,
/// value, data or input, accessList, authorizationList) with the 32-byte `key`. A legacy transaction without a chain id is
/// signed without EIP-155. An error when a field is missing, contradicts the type, or `from` is not the key's address.
pub fn sign_json(json: &[u8], key: &[u8]) -> Result<Vec<u8>, RequestError> {
    sign(CallFields::parse_transaction(json)?, key)
}

/// As [`sign_json`], from fields that are parsed already.
pub fn sign(fields: CallFields, key: &[u8]) -> Result<Vec<u8>, RequestError> {
    let key = key.try_into().map_err(|_| RequestError::Key)?;
    let sender = signature::address(key)?;
    if fields.from.is_some_and(|from| from != sender) {
        return Err(RequestError::Transaction("from is not the address of the key"));
    }
    let tx_type = fields.tx_type.unwrap_or_else(|| implied_type(&fields));
    check_type(&fields, tx_type)?;
    match tx_type {
        0 => seal(legacy(fields)?, key),
        1 => seal(eip2930(fields)?, key),
        2 => seal(eip1559(fields)?, key),
        4 => seal(eip7702(fields)?, key),
        _ => Err(RequestError::Transaction("transaction type not supported")),
    }
}

fn seal<T: SignableTransaction<Signature> + RlpEcdsaEncodableTx>(
    tx: T,
    key: &[u8; 32],
) -> Result<Vec<u8>, RequestError> {
    let signature = signature::sign(&tx.signature_hash(), key)?;
    let mut raw = Vec::with_capacity(tx.eip2718_encoded_length(&signature));
    tx.eip2718_encode(&signature, &mut raw);
    Ok(raw)
}

fn implied_type(fields: &CallFields) -> u8 {
    if fields.blob_versioned_hashes.is_some() || fields.max_fee_per_blob_gas.is_some() {
        3
    } else if fields.authorization_list.is_some() {
        4
    } else if fields.max_fee.is_some() || fields.max_priority.is_some() {
        2
    } else if fields.access_list.is_some() {
        1
    } else {
        0
    }
}

/// No field may be set that the type has no room for.
fn check_type(fields: &CallFields, tx_type: u8) -> Result<(), RequestError> {
    let dynamic = fields.max_fee.is_some() || fields.max_priority.is_some();
    let reason = if tx_type < 2 && dynamic {
        "maxFeePerGas and maxPriorityFeePerGas need transaction type 0x2 or later"
    } else if tx_type >= 2 && fields.gas_price.is_some() {
        "gasPrice needs transaction type 0x0 or 0x1"
    } else if tx_type == 0 && fields.access_list.is_some() {
        "accessList needs transaction type 0x1 or later"
    } else if tx_type != 4 && fields.authorization_list.is_some() {
        "authorizationList needs transaction type 0x4"
    } else {
        return Ok(());
    };
    Err(RequestError::Transaction(reason))
}

fn need<T>(field: Option<T>, name: &'static str) -> Result<T, RequestError> {
    field.ok_or(RequestError::Missing(name))
}

fn kind(to: Option<Address>) -> TxKind {
    to.map_or(TxKind::Create, TxKind::Call)
}

fn legacy(fields: CallFields) -> Result<TxLegacy, RequestError> {
    Ok(TxLegacy {
        chain_id: fields.chain_id,
        nonce: need(fields.nonce, "nonce")?,
        gas_price: need(fields.gas_price, "gasPrice")?,
        gas_limit: need(fields.gas, "gas")?,
        to: kind(fields.to),
        value: fields.value.unwrap_or_default(),
        input: fields.input.unwrap_or_default(),
    })
}

fn eip2930(fields: CallFields) -> Result<TxEip2930, RequestError> {
    Ok(TxEip2930 {
        chain_id: need(fields.chain_id, "chainId")?,
        nonce: need(fields.nonce, "nonce")?,
        gas_price: need(fields.gas_price, "gasPrice")?,
        gas_limit: need(fields.gas, "gas")?,
        to: kind(fields.to),
        value: fields.value.unwrap_or_default(),
        access_list: fields.access_list.unwrap_or_default(),
        input: fields.input.unwrap_or_default(),
    })
}

fn eip1559(fields: CallFields) -> Result<TxEip1559, RequestError> {
    Ok(TxEip1559 {
        chain_id: need(fields.chain_id, "chainId")?,
        nonce: need(fields.nonce, "nonce")?,
        gas_limit: need(fields.gas, "gas")?,
        max_fee_per_gas: need(fields.max_fee, "maxFeePerGas")?,
        max_priority_fee_per_gas: need(fields.max_priority, "maxPriorityFeePerGas")?,
        to: kind(fields.to),
        value: fields.value.unwrap_or_default(),
        access_list: fields.access_list.unwrap_or_default(),
        input: fields.input.unwrap_or_default(),
    })
}

fn eip7702(fields: CallFields) -> Result<TxEip7702, RequestError> {
    Ok(TxEip7702 {
        chain_id: need(fields.chain_id, "chainId")?,
        nonce: need(fields.nonce, "nonce")?,
        gas_limit: need(fields.gas, "gas")?,
        max_fee_per_gas: need(fields.max_fee, "maxFeePerGas")?,
        max_priority_fee_per_gas: need(fields.max_priority, "maxPriorityFeePerGas")?,
        to: need(fields.to, "to")?,
        value: fields.value.unwrap_or_default(),
        access_list: fields.access_list.unwrap_or_default(),
        authorization_list: need(fields.authorization_list, "authorizationList")?,
        input: fields.input.unwrap_or_default(),
    })
}
