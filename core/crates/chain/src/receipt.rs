//! What execution leaves of a transaction, and how a block's receipts are stored.
//!
//! RLP, canonical:
//! ```text
//! receipts = [receipt …]                                   in the order of the transactions
//! receipt  = [status, cumulative gas used, [log …]]         status 1 or 0
//! log      = [address, [topic …], data]                     at most 4 topics
//! ```
//! Gas used, effective price, contract address, log indices and blooms follow from these and the body, so they are not
//! stored. This is a disk format and travels between nodes.

use crate::error::CodecError;
use crate::rlp::{Items, list_length, put_bytes, put_list};
use alloy_primitives::{Address, B256, Bloom, Bytes, Log};
use alloy_rlp::Encodable;

/// Most topics that a log has: LOG4.
pub const TOPICS_MAX: usize = 4;

const WHAT: &str = "receipts";

/// The result of one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// False when the transaction reverted or ran out of gas.
    pub success: bool,
    /// Gas used in the block up to and with this transaction.
    pub cumulative_gas_used: u64,
    pub logs: Vec<Log>,
}

impl Receipt {
    /// The logs' bloom filter.
    pub fn bloom(&self) -> Bloom {
        self.logs.iter().collect()
    }

    fn logs_payload(&self) -> usize {
        self.logs.iter().map(Encodable::length).sum()
    }

    fn payload(&self) -> usize {
        1 + self.cumulative_gas_used.length() + list_length(self.logs_payload())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_list(self.payload(), out);
        self.success.encode(out);
        self.cumulative_gas_used.encode(out);
        put_list(self.logs_payload(), out);
        self.logs.iter().for_each(|log| log.encode(out));
    }
}

/// The stored form of a block's receipts.
pub fn encode(receipts: &[Receipt]) -> Vec<u8> {
    let payload = receipts.iter().map(|receipt| list_length(receipt.payload())).sum();
    let mut out = Vec::with_capacity(list_length(payload));
    put_list(payload, &mut out);
    receipts.iter().for_each(|receipt| receipt.encode(&mut out));
    out
}

/// Parse; refuses anything that [`encode`] would not have written.
pub fn decode(raw: &[u8]) -> Result<Vec<Receipt>, CodecError> {
    views(raw)?.map(|view| view.and_then(ReceiptView::to_receipt)).collect()
}

/// The receipt of the transaction at `index`; None when there are fewer.
pub fn nth(raw: &[u8], index: usize) -> Result<Option<Receipt>, CodecError> {
    views(raw)?.nth(index).map(|view| view.and_then(ReceiptView::to_receipt)).transpose()
}

/// A stored receipt that is read in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiptView<'a> {
    pub(crate) success: bool,
    pub(crate) cumulative_gas_used: u64,
    logs: Items<'a>,
}

/// A stored log that is read in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogView<'a> {
    pub(crate) address: &'a [u8; 20],
    topics: [&'a [u8; 32]; TOPICS_MAX],
    topic_count: usize,
    pub(crate) data: &'a [u8],
}

impl<'a> LogView<'a> {
    pub(crate) fn topics(&self) -> &[&'a [u8; 32]] {
        &self.topics[..self.topic_count]
    }

    fn read(items: &mut Items<'a>) -> Result<Self, CodecError> {
        let mut log = items.list()?;
        let address = log.array::<20>()?;
        let mut list = log.list()?;
        let mut topics = [&[0; 32]; TOPICS_MAX];
        let mut topic_count = 0;
        while !list.is_empty() {
            let topic = list.array::<32>()?;
            *topics.get_mut(topic_count).ok_or_else(|| list.shape("more than 4 topics"))? = topic;
            topic_count += 1;
        }
        let data = log.bytes()?;
        log.end()?;
        Ok(Self { address, topics, topic_count, data })
    }

    fn to_log(self) -> Log {
        let topics = self.topics().iter().map(|topic| B256::from(**topic)).collect();
        Log::new_unchecked(Address::from(*self.address), topics, Bytes::copy_from_slice(self.data))
    }
}

impl<'a> ReceiptView<'a> {
    fn read(items: &mut Items<'a>) -> Result<Self, CodecError> {
        let mut receipt = items.list()?;
        let view = Self { success: receipt.value()?, cumulative_gas_used: receipt.value()?, logs: receipt.list()? };
        receipt.end()?;
        Ok(view)
    }

    /// The logs in order. Ends after the first error.
    pub(crate) fn logs(self) -> impl Iterator<Item = Result<LogView<'a>, CodecError>> {
        each(self.logs, LogView::read)
    }

    fn to_receipt(self) -> Result<Receipt, CodecError> {
        let logs = self.logs().map(|log| log.map(LogView::to_log)).collect::<Result<_, _>>()?;
        Ok(Receipt { success: self.success, cumulative_gas_used: self.cumulative_gas_used, logs })
    }
}

/// Read `items` one by one; ends after the first error.
fn each<'a, T>(
    mut items: Items<'a>,
    read: fn(&mut Items<'a>) -> Result<T, CodecError>,
) -> impl Iterator<Item = Result<T, CodecError>> {
    std::iter::from_fn(move || {
        if items.is_empty() {
            return None;
        }
        let item = read(&mut items);
        if item.is_err() {
            items = items.emptied();
        }
        Some(item)
    })
}

/// The stored receipts in order, read in place. Ends after the first error.
pub(crate) fn views(raw: &[u8]) -> Result<impl Iterator<Item = Result<ReceiptView<'_>, CodecError>>, CodecError> {
    Ok(each(Items::of(raw, WHAT)?, ReceiptView::read))
}

/// The receipt of EIP-658 as its trie holds it: [type ‖] RLP [status, cumulative gas used, bloom, logs].
pub(crate) fn encode_consensus(receipt: &Receipt, tx_type: u8, bloom: &Bloom, out: &mut Vec<u8>) {
    if tx_type != 0 {
        out.push(tx_type);
    }
    let logs = receipt.logs_payload();
    put_list(1 + receipt.cumulative_gas_used.length() + bloom.length() + list_length(logs), out);
    receipt.success.encode(out);
    receipt.cumulative_gas_used.encode(out);
    put_bytes(bloom.as_slice(), out);
    put_list(logs, out);
    receipt.logs.iter().for_each(|log| log.encode(out));
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    fn log(topics: usize) -> Log {
        let topics = (0..topics).map(|i| B256::repeat_byte(i as u8)).collect();
        Log::new_unchecked(Address::repeat_byte(9), topics, Bytes::from_static(b"data"))
    }

    fn sample() -> Vec<Receipt> {
        vec![
            Receipt { success: true, cumulative_gas_used: 21_000, logs: vec![] },
            Receipt { success: false, cumulative_gas_used: 80_000, logs: vec![] },
            Receipt { success: true, cumulative_gas_used: 200_000, logs: (0..=4).map(log).collect() },
        ]
    }

    #[test]
    fn receipts_survive_encoding() {
        assert_eq!(decode(&encode(&sample())), Ok(sample()));
        assert_eq!(decode(&encode(&[])), Ok(vec![]));
    }

    #[test]
    fn the_disk_format_is_pinned() {
        assert_eq!(
            keccak256(encode(&sample())).to_string(),
            "0x3f5cce83ace1a54a0600008f235a97bb91ab17ed00152d44b563bb7540a02993"
        );
    }

    #[test]
    fn one_receipt_is_found_by_its_index() {
        let raw = encode(&sample());
        for (index, receipt) in sample().into_iter().enumerate() {
            assert_eq!(nth(&raw, index), Ok(Some(receipt)));
        }
        assert_eq!(nth(&raw, 3), Ok(None));
    }

    #[test]
    fn every_truncation_is_refused() {
        let raw = encode(&sample());
        for end in 0..raw.len() {
            assert!(decode(&raw[..end]).is_err(), "accepted {end} bytes");
        }
    }

    #[test]
    fn what_is_accepted_is_canonical() {
        let raw = encode(&sample());
        let mut accepted = 0;
        for position in 0..raw.len() {
            for bit in 0..8 {
                let mut mutated = raw.clone();
                mutated[position] ^= 1 << bit;
                if let Ok(receipts) = decode(&mutated) {
                    assert_eq!(encode(&receipts), mutated, "bit {bit} of byte {position}");
                    accepted += 1;
                }
            }
        }
        assert!(accepted > 0, "no mutation of data or topics was accepted");
    }

    #[test]
    fn a_fifth_topic_is_refused() {
        let raw = encode(&[Receipt { success: true, cumulative_gas_used: 1, logs: vec![log(5)] }]);
        assert_eq!(decode(&raw), Err(CodecError::Shape { what: WHAT, reason: "more than 4 topics" }));
    }
}
