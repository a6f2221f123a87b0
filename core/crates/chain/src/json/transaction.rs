//! Transactions: in a block, in the mempool, or on their own.

use super::writer::{Object, bytes};
use super::{Place, missing, sender};
use crate::body;
use crate::error::{CodecError, TransactionError};
use crate::transaction::{Envelope, Transaction, decode};
use alloy_consensus::Transaction as _;
use alloy_consensus::transaction::to_eip155_value;
use alloy_eips::Typed2718;
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::Bytes;

/// The transaction at `index` of a block; eth_getTransactionByHash and its kin.
pub fn transaction_json(header: &[u8], body: &[u8], senders: &[u8], index: usize) -> Result<Vec<u8>, CodecError> {
    let place = Place::of(header)?;
    let raw = body::nth(body, index)?.ok_or_else(|| missing("body"))?;
    let mut out = Vec::with_capacity(1024 + 2 * raw.len());
    write_included(raw, sender(senders, index)?, index, &place, &mut out)?;
    Ok(out)
}

/// A transaction that is in no block: the block's fields are null and `gasPrice` is the maximum.
pub fn pending_json(transaction: &Transaction) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024 + 2 * transaction.raw.len());
    let mut object = Object::new(&mut out);
    object.null("blockHash");
    object.null("blockNumber");
    object.null("blockTimestamp");
    object.null("transactionIndex");
    object.bytes("from", transaction.sender);
    write_fields(&transaction.envelope, None, &mut object);
    object.end();
    out
}

/// A signed EIP-2718 encoding, with its recovered sender, in the form of [`pending_json`].
pub fn decode_transaction_json(raw: &[u8]) -> Result<Vec<u8>, TransactionError> {
    Ok(pending_json(&Transaction::recover(Bytes::copy_from_slice(raw))?))
}

/// Append the transaction `raw`, which is at `index` of the block at `place`.
pub(super) fn write_included(
    raw: &[u8],
    sender: &[u8; 20],
    index: usize,
    place: &Place,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let envelope = decode(raw).map_err(|error| CodecError::Transaction { index, error })?;
    let mut object = Object::new(out);
    object.fields(&place.block);
    object.fields(&place.timestamp);
    object.quantity("transactionIndex", index as u64);
    object.bytes("from", sender);
    write_fields(&envelope, Some(place.base_fee), &mut object);
    object.end();
    Ok(())
}

/// What the encoding itself says. `base_fee` is the block's, None outside of a block.
fn write_fields(tx: &Envelope, base_fee: Option<u64>, object: &mut Object<'_>) {
    object.bytes("hash", tx.tx_hash());
    object.quantity("type", tx.ty());
    object.quantity("nonce", tx.nonce());
    object.bytes_or_null("to", tx.to());
    object.quantity("gas", tx.gas_limit());
    object.big_quantity("value", &tx.value());
    object.bytes("input", tx.input());
    object.quantity("gasPrice", base_fee.map_or(tx.max_fee_per_gas(), |fee| tx.effective_gas_price(Some(fee))));
    if let Some(tip) = tx.max_priority_fee_per_gas() {
        object.quantity("maxFeePerGas", tx.max_fee_per_gas());
        object.quantity("maxPriorityFeePerGas", tip);
    }
    if let Some(fee) = tx.max_fee_per_blob_gas() {
        object.quantity("maxFeePerBlobGas", fee);
    }
    if let Some(hashes) = tx.blob_versioned_hashes() {
        object.list("blobVersionedHashes", hashes, |hash, out| bytes(hash.as_slice(), out));
    }
    if let Some(chain_id) = tx.chain_id() {
        object.quantity("chainId", chain_id);
    }
    if let Some(list) = tx.access_list() {
        write_access_list(list, object);
    }
    if let Some(list) = tx.authorization_list() {
        object.list("authorizationList", list, write_authorization);
    }
    write_signature(tx, object);
}

fn write_signature(tx: &Envelope, object: &mut Object<'_>) {
    let signature = tx.signature();
    if let Envelope::Legacy(legacy) = tx {
        object.quantity("v", to_eip155_value(signature.v(), legacy.tx().chain_id));
    } else {
        object.quantity("v", u64::from(signature.v()));
        object.quantity("yParity", u64::from(signature.v()));
    }
    object.big_quantity("r", &signature.r());
    object.big_quantity("s", &signature.s());
}

fn write_access_list(list: &AccessList, object: &mut Object<'_>) {
    object.list("accessList", &list.0, |AccessListItem { address, storage_keys }, out| {
        let mut item = Object::new(out);
        item.bytes("address", address);
        item.list("storageKeys", storage_keys, |key, out| bytes(key.as_slice(), out));
        item.end();
    });
}

fn write_authorization(authorization: &SignedAuthorization, out: &mut Vec<u8>) {
    let mut item = Object::new(out);
    item.big_quantity("chainId", &authorization.chain_id);
    item.bytes("address", authorization.address);
    item.quantity("nonce", authorization.nonce);
    item.quantity("yParity", authorization.y_parity());
    item.big_quantity("r", &authorization.r());
    item.big_quantity("s", &authorization.s());
    item.end();
}
