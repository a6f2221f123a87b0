//! Blocks and headers.

use super::transaction::write_included;
use super::writer::{Object, bytes};
use super::{Place, sender};
use crate::body::Cursor;
use crate::error::CodecError;
use crate::header::{self, Header};
use crate::rlp::list_length;
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Encodable;

/// Room for a header, in bytes.
const HEADER_BYTES: usize = 2048;
/// Room for a transaction beside the hex of its encoding, in bytes.
const TRANSACTION_BYTES: usize = 800;
/// Room for a hash, in bytes.
const HASH_BYTES: usize = 69;

/// The header alone, as newHeads shows it; with `size` (bytes) as some clients want it.
pub fn header_json(raw: &[u8], size: Option<u64>) -> Result<Vec<u8>, CodecError> {
    let header = header::decode(raw)?;
    let mut out = Vec::with_capacity(HEADER_BYTES);
    let mut object = Object::new(&mut out);
    write_header(&header, &keccak256(raw), &mut object);
    if let Some(size) = size {
        object.quantity("size", size);
    }
    object.end();
    Ok(out)
}

/// The block with its transactions in full, or else their hashes.
pub fn block_json(raw: &[u8], body: &[u8], senders: &[u8], full: bool) -> Result<Vec<u8>, CodecError> {
    let header = header::decode(raw)?;
    let hash = keccak256(raw);
    let place = Place::new(&header, &hash);
    let per_transaction = if full { TRANSACTION_BYTES } else { HASH_BYTES };
    let data = if full { 2 * body.len() } else { 0 };
    let mut out = Vec::with_capacity(HEADER_BYTES + senders.len() / 20 * per_transaction + data);
    let mut object = Object::new(&mut out);
    write_header(&header, &hash, &mut object);
    object.list("uncles", [(); 0], |(), _| ());
    object.list("withdrawals", [(); 0], |(), _| ());
    let list = object.key("transactions");
    list.push(b'[');
    let mut embedded = 0;
    for (index, item) in Cursor::new(body)?.enumerate() {
        let tx = item?;
        embedded += embedded_length(tx);
        if index > 0 {
            list.push(b',');
        }
        if full {
            write_included(tx, sender(senders, index)?, index, &place, list)?;
        } else {
            bytes(keccak256(tx).as_slice(), list);
        }
    }
    list.push(b']');
    object.quantity("size", block_size(raw.len(), embedded) as u64);
    object.end();
    Ok(out)
}

/// What a transaction takes in Ethereum's block: a legacy one is the list itself, a typed one a byte string.
fn embedded_length(tx: &[u8]) -> usize {
    if tx.first().is_some_and(|first| *first >= alloy_rlp::EMPTY_LIST_CODE) { tx.len() } else { tx.length() }
}

/// Size in bytes of the RLP [header, transactions, ommers, withdrawals], the last two empty.
fn block_size(header: usize, transactions: usize) -> usize {
    list_length(header + list_length(transactions) + 2)
}

fn write_header(header: &Header, hash: &B256, object: &mut Object<'_>) {
    object.bytes("hash", hash);
    object.bytes("parentHash", header.parent_hash);
    object.bytes("sha3Uncles", header.ommers_hash);
    object.bytes("miner", header.beneficiary);
    object.bytes("stateRoot", header.state_root);
    object.bytes("transactionsRoot", header.transactions_root);
    object.bytes("receiptsRoot", header.receipts_root);
    object.bytes("logsBloom", header.logs_bloom);
    object.big_quantity("difficulty", &header.difficulty);
    object.quantity("number", header.number);
    object.quantity("gasLimit", header.gas_limit);
    object.quantity("gasUsed", header.gas_used);
    object.quantity("timestamp", header.timestamp);
    object.bytes("extraData", &header.extra_data);
    object.bytes("mixHash", header.mix_hash);
    object.bytes("nonce", header.nonce);
    object.quantity("baseFeePerGas", header::base_fee(header));
    object.bytes("withdrawalsRoot", header.withdrawals_root.unwrap_or_default());
    object.quantity("blobGasUsed", header.blob_gas_used.unwrap_or_default());
    object.quantity("excessBlobGas", header.excess_blob_gas.unwrap_or_default());
    object.bytes("parentBeaconBlockRoot", header.parent_beacon_block_root.unwrap_or_default());
    object.bytes("requestsHash", header.requests_hash.unwrap_or_default());
}
