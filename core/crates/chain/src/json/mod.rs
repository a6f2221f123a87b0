//! JSON-RPC's view of blocks, transactions, receipts and logs, in geth's field set at Osaka.
//!
//! ```text
//!   header ──────────────────────────────▶ header_json                    newHeads, eth_getHeaderBy…
//!   header, body, senders ───────────────▶ block_json, transaction_json
//!   header, body, senders, receipts ─────▶ receipts_json, receipt_json
//!   raw transaction ─────────────────────▶ decode_transaction_json, pending_json
//! ```
//! The inputs are the stored encodings: header RLP, [`body`](crate::body), 20 bytes a sender, [`receipts`](crate::receipt).
//! Everything that geth shows and we do not store is derived on the way: hashes, gas used, effective prices, contract
//! addresses, log indices, blooms. An error ([`CodecError`]) means that the stored bytes contradict one another.

mod block;
mod log;
mod receipt;
mod transaction;
pub(crate) mod writer;

pub use block::{block_json, header_json};
pub(crate) use log::{LogPlace, write_log};
pub use receipt::{receipt_json, receipts_json};
pub use transaction::{decode_transaction_json, pending_json, transaction_json};

use crate::error::CodecError;
use crate::header;
use alloy_primitives::{B256, keccak256};
use writer::Object;

/// What every transaction, receipt and log of a block repeats.
pub(crate) struct Place {
    /// Wei per gas.
    pub(crate) base_fee: u64,
    pub(crate) excess_blob_gas: u64,
    /// The fields blockHash and blockNumber, encoded.
    pub(crate) block: Vec<u8>,
    /// The field blockTimestamp, encoded.
    pub(crate) timestamp: Vec<u8>,
}

impl Place {
    /// Parse the header `raw` and prepare what its block's parts repeat.
    pub(crate) fn of(raw: &[u8]) -> Result<Self, CodecError> {
        Ok(Self::new(&header::decode(raw)?, &keccak256(raw)))
    }

    fn new(header: &header::Header, hash: &B256) -> Self {
        let braceless = |write: &dyn Fn(&mut Object<'_>)| {
            let mut out = Vec::with_capacity(128);
            write(&mut Object::new(&mut out));
            out.remove(0);
            out
        };
        Self {
            base_fee: header::base_fee(header),
            excess_blob_gas: header.excess_blob_gas.unwrap_or_default(),
            block: braceless(&|object| {
                object.bytes("blockHash", hash);
                object.quantity("blockNumber", header.number);
            }),
            timestamp: braceless(&|object| object.quantity("blockTimestamp", header.timestamp)),
        }
    }
}

/// The senders, 20 bytes each, as many as the body has transactions.
fn sender(senders: &[u8], index: usize) -> Result<&[u8; 20], CodecError> {
    let wrong = CodecError::Shape { what: "senders", reason: "fewer than the transactions" };
    senders.as_chunks::<20>().0.get(index).ok_or(wrong)
}

fn missing(what: &'static str) -> CodecError {
    CodecError::Shape { what, reason: "fewer items than the index asks for" }
}
