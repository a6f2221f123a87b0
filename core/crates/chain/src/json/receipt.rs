//! Receipts, with everything that follows from the transaction and from the receipts before.

use super::log::{LogPlace, write_log};
use super::writer::Object;
use super::{Place, missing, sender};
use crate::body::Cursor;
use crate::error::CodecError;
use crate::receipt::{LogView, ReceiptView, views};
use crate::transaction::decode;
use alloy_consensus::Transaction as _;
use alloy_eips::Typed2718;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, Bloom};

/// Room for a receipt without logs, in bytes.
const RECEIPT_BYTES: usize = 1100;
/// Room for the JSON of one byte of stored logs.
const LOG_GROWTH: usize = 5;

/// A JSON list of the block's receipts; eth_getBlockReceipts.
pub fn receipts_json(header: &[u8], body: &[u8], senders: &[u8], receipts: &[u8]) -> Result<Vec<u8>, CodecError> {
    let count = senders.len() / 20;
    let mut out = Vec::with_capacity(2 + count * RECEIPT_BYTES + receipts.len() * LOG_GROWTH);
    out.push(b'[');
    walk(header, body, senders, receipts, |part, place| {
        if part.index > 0 {
            out.push(b',');
        }
        part.write(place, &mut out)
    })?;
    out.push(b']');
    Ok(out)
}

/// The receipt of the transaction at `index`; eth_getTransactionReceipt.
pub fn receipt_json(
    header: &[u8],
    body: &[u8],
    senders: &[u8],
    receipts: &[u8],
    index: usize,
) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::with_capacity(2 * RECEIPT_BYTES);
    walk(
        header,
        body,
        senders,
        receipts,
        |part, place| {
            if part.index == index { part.write(place, &mut out) } else { Ok(()) }
        },
    )?;
    if out.is_empty() { Err(missing("receipts")) } else { Ok(out) }
}

/// One transaction with its stored receipt, and what the ones before add up to.
struct Part<'a> {
    index: usize,
    raw: &'a [u8],
    sender: &'a [u8; 20],
    receipt: ReceiptView<'a>,
    gas_used: u64,
    /// Logs in the block before this transaction's.
    logs_before: usize,
}

/// Visit the block's transactions in order, each with its receipt; raises when body and receipts differ in length.
fn walk<'a>(
    header: &[u8],
    body: &'a [u8],
    senders: &'a [u8],
    receipts: &'a [u8],
    mut visit: impl FnMut(Part<'a>, &Place) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let place = Place::of(header)?;
    let mut views = views(receipts)?;
    let (mut gas_before, mut logs_before) = (0u64, 0);
    for (index, raw) in Cursor::new(body)?.enumerate() {
        let receipt = views.next().ok_or_else(|| missing("receipts"))??;
        let falling = CodecError::Shape { what: "receipts", reason: "cumulative gas falls" };
        let gas_used = receipt.cumulative_gas_used.checked_sub(gas_before).ok_or(falling)?;
        visit(Part { index, raw: raw?, sender: sender(senders, index)?, receipt, gas_used, logs_before }, &place)?;
        gas_before = receipt.cumulative_gas_used;
        logs_before += receipt.logs().count();
    }
    if views.next().is_some() {
        return Err(CodecError::Shape { what: "receipts", reason: "more than the transactions" });
    }
    Ok(())
}

fn bloom(logs: &[LogView<'_>]) -> Bloom {
    let mut bloom = Bloom::ZERO;
    for log in logs {
        bloom.m3_2048(log.address);
        log.topics().iter().for_each(|topic| bloom.m3_2048(&topic[..]));
    }
    bloom
}

impl Part<'_> {
    fn write(&self, place: &Place, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let index = self.index;
        let tx = decode(self.raw).map_err(|error| CodecError::Transaction { index, error })?;
        let hash = *tx.tx_hash();
        let logs = self.receipt.logs().collect::<Result<Vec<_>, _>>()?;
        let mut object = Object::new(out);
        object.fields(&place.block);
        object.bytes("transactionHash", hash);
        object.quantity("transactionIndex", index as u64);
        object.bytes("from", self.sender);
        object.bytes_or_null("to", tx.to());
        object.quantity("type", tx.ty());
        object.quantity("status", u64::from(self.receipt.success));
        object.quantity("cumulativeGasUsed", self.receipt.cumulative_gas_used);
        object.quantity("gasUsed", self.gas_used);
        object.quantity("effectiveGasPrice", tx.effective_gas_price(Some(place.base_fee)));
        if let Some(blob_gas) = tx.blob_gas_used() {
            object.quantity("blobGasUsed", blob_gas);
            object.quantity("blobGasPrice", BlobParams::bpo2().calc_blob_fee(place.excess_blob_gas));
        }
        let created = tx.is_create().then(|| Address::from(*self.sender).create(tx.nonce()));
        object.bytes_or_null("contractAddress", created);
        object.bytes("logsBloom", bloom(&logs));
        object.list("logs", logs.iter().enumerate(), |(offset, log), out| {
            let log_index = self.logs_before + offset;
            write_log(log, &LogPlace { block: place, tx_hash: &hash, tx_index: index, log_index }, out);
        });
        object.end();
        Ok(())
    }
}
