//! A log, as eth_getLogs, receipts and subscriptions show it.

use super::Place;
use super::writer::{Object, bytes};
use crate::receipt::LogView;
use alloy_primitives::B256;

/// Where a log is in its block.
pub(crate) struct LogPlace<'a> {
    pub(crate) block: &'a Place,
    pub(crate) tx_hash: &'a B256,
    pub(crate) tx_index: usize,
    /// Counted over the whole block.
    pub(crate) log_index: usize,
}

/// Append the log as an object.
pub(crate) fn write_log(log: &LogView<'_>, place: &LogPlace<'_>, out: &mut Vec<u8>) {
    let mut object = Object::new(out);
    object.bytes("address", log.address);
    object.list("topics", log.topics(), |topic, out| bytes(&topic[..], out));
    object.bytes("data", log.data);
    object.fields(&place.block.block);
    object.bytes("transactionHash", place.tx_hash);
    object.quantity("transactionIndex", place.tx_index as u64);
    object.fields(&place.block.timestamp);
    object.quantity("logIndex", place.log_index as u64);
    object.key("removed").extend_from_slice(b"false");
    object.end();
}
