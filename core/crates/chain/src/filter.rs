//! Which logs a client wants: eth_getLogs, filters and the logs subscription.
//!
//! ```text
//!   blooms of many headers ──matching_blooms──▶ blocks that may hold a log ──logs_json──▶ JSON of the logs that do
//! ```
//! Meaning, as in geth: a log matches when its address is one of `addresses` (or none are given) and, at every position,
//! its topic is one of the listed ones (or none are listed there). A log with fewer topics than the filter has positions
//! never matches. Stored receipts are scanned in place; a transaction is hashed only when one of its logs matches.

use crate::body::Cursor;
use crate::error::{CodecError, RequestError};
use crate::json::{LogPlace, Place, write_log};
use crate::receipt::{LogView, TOPICS_MAX, views};
use alloy_primitives::{Address, B256, keccak256};

/// Most addresses in a filter.
pub const ADDRESSES_MAX: usize = 1000;
/// Most alternatives at one position of a filter.
pub const ALTERNATIVES_MAX: usize = 1000;
/// Bytes of a bloom filter.
const BLOOM_BYTES: usize = 256;

/// One of the three bits of an item in a bloom filter.
#[derive(Clone, Copy, Debug)]
struct Bit {
    byte: u8,
    mask: u8,
}

/// Alternatives of which one must be there; with no items, anything goes.
#[derive(Clone, Debug)]
struct AnyOf<const N: usize> {
    /// Ascending.
    items: Vec<[u8; N]>,
    bits: Vec<[Bit; 3]>,
}

impl<const N: usize> AnyOf<N> {
    fn new(mut items: Vec<[u8; N]>) -> Self {
        items.sort_unstable();
        items.dedup();
        let bits = items.iter().map(|item| bloom_bits(item)).collect();
        Self { items, bits }
    }

    fn may_match(&self, bloom: &[u8; BLOOM_BYTES]) -> bool {
        let holds = |bits: &[Bit; 3]| bits.iter().all(|bit| bloom[usize::from(bit.byte)] & bit.mask != 0);
        self.bits.is_empty() || self.bits.iter().any(holds)
    }

    fn matches(&self, item: &[u8; N]) -> bool {
        match self.items.as_slice() {
            [] => true,
            [only] => only == item,
            items => items.binary_search(item).is_ok(),
        }
    }
}

/// Where a bloom filter holds `item`: three 11-bit numbers of its keccak, counted from the filter's last bit.
fn bloom_bits(item: &[u8]) -> [Bit; 3] {
    let hash = keccak256(item);
    [0, 2, 4].map(|at| {
        let bit = u16::from_be_bytes([hash[at], hash[at + 1]]) & 0x7ff;
        Bit { byte: 255 - (bit / 8) as u8, mask: 1 << (bit % 8) }
    })
}

/// Addresses and topics that a log must have.
#[derive(Clone, Debug)]
pub struct LogFilter {
    addresses: AnyOf<20>,
    positions: Vec<AnyOf<32>>,
}

impl LogFilter {
    /// An empty list, at either level, accepts anything. An error when a list is too long.
    pub fn new(addresses: Vec<Address>, topics: Vec<Vec<B256>>) -> Result<Self, RequestError> {
        if addresses.len() > ADDRESSES_MAX {
            return Err(RequestError::TooManyAddresses);
        }
        if topics.len() > TOPICS_MAX || topics.iter().any(|list| list.len() > ALTERNATIVES_MAX) {
            return Err(RequestError::TooManyTopics);
        }
        let positions = topics.into_iter().map(|list| AnyOf::new(list.into_iter().map(|topic| topic.0).collect()));
        Ok(Self {
            addresses: AnyOf::new(addresses.into_iter().map(|address| address.into_array()).collect()),
            positions: positions.collect(),
        })
    }

    /// False when a block with this bloom filter holds no matching log for certain.
    pub fn may_match(&self, bloom: &[u8; BLOOM_BYTES]) -> bool {
        self.addresses.may_match(bloom) && self.positions.iter().all(|position| position.may_match(bloom))
    }

    /// Indices of the blooms that [`may_match`](Self::may_match); `blooms` are 256 bytes each, a rest is left out.
    pub fn matching_blooms(&self, blooms: &[u8]) -> Vec<usize> {
        let (blooms, _) = blooms.as_chunks::<BLOOM_BYTES>();
        (0..blooms.len()).filter(|index| self.may_match(&blooms[*index])).collect()
    }

    fn matches(&self, log: &LogView<'_>) -> bool {
        let topics = log.topics();
        self.positions.len() <= topics.len()
            && self.addresses.matches(log.address)
            && self.positions.iter().zip(topics).all(|(position, topic)| position.matches(topic))
    }

    /// The matching logs of one block: JSON objects with commas between, and their count. Stops after `limit` + 1 logs.
    pub fn logs_json(
        &self,
        header: &[u8],
        body: &[u8],
        receipts: &[u8],
        limit: usize,
    ) -> Result<(Vec<u8>, usize), CodecError> {
        let block = Place::of(header)?;
        let mut transactions = Transactions::of(body)?;
        let (mut out, mut count, mut log_index) = (Vec::new(), 0, 0);
        for (tx_index, receipt) in views(receipts)?.enumerate() {
            for log in receipt?.logs() {
                let log = log?;
                if self.matches(&log) {
                    if count > 0 {
                        out.push(b',');
                    }
                    let tx_hash = &transactions.hash(tx_index)?;
                    write_log(&log, &LogPlace { block: &block, tx_hash, tx_index, log_index }, &mut out);
                    count += 1;
                    if count > limit {
                        return Ok((out, count));
                    }
                }
                log_index += 1;
            }
        }
        Ok((out, count))
    }
}

/// Hashes of a body's transactions, asked for in rising order of their index.
struct Transactions<'a> {
    rest: Cursor<'a>,
    /// Items taken from `rest`.
    taken: usize,
    /// Hash of the last item taken.
    last: B256,
}

impl<'a> Transactions<'a> {
    fn of(body: &'a [u8]) -> Result<Self, CodecError> {
        Ok(Self { rest: Cursor::new(body)?, taken: 0, last: B256::ZERO })
    }

    fn hash(&mut self, index: usize) -> Result<B256, CodecError> {
        if index >= self.taken {
            let missing = CodecError::Shape { what: "body", reason: "fewer transactions than receipts" };
            self.last = keccak256(self.rest.nth(index - self.taken).ok_or(missing)??);
            self.taken = index + 1;
        }
        Ok(self.last)
    }
}
