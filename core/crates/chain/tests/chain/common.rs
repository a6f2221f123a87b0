//! Shared by the tests: pinned transactions of every type, a block that holds them, and mutations.

use alloy_primitives::{Address, B256, Bytes, Log, hex};
use serde_json::Value;
use std::sync::Arc;
use zg_chain::header::Header;
use zg_chain::{Receipt, Transaction, body, header, receipt};

/// One transaction signed by Python's eth-account, which shares no code with this crate.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) raw: Bytes,
    pub(crate) hash: B256,
    pub(crate) sender: Address,
    pub(crate) authorities: Vec<Address>,
    /// The JSON object that was signed.
    pub(crate) request: String,
}

/// The key that signed all vectors.
pub(crate) const KEY: [u8; 32] = [0x46; 32];

pub(crate) fn vectors() -> Vec<Vector> {
    let file: Value = serde_json::from_str(include_str!("transactions.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let vector = |row: &Value| Vector {
        name: text(&row["name"]),
        raw: text(&row["raw"]).parse().unwrap(),
        hash: text(&row["hash"]).parse().unwrap(),
        sender: text(&row["sender"]).parse().unwrap(),
        authorities: row["authorities"].as_array().unwrap().iter().map(|a| text(a).parse().unwrap()).collect(),
        request: row["request"].to_string(),
    };
    file["transactions"].as_array().unwrap().iter().map(vector).collect()
}

pub(crate) fn vector(name: &str) -> Vector {
    vectors().into_iter().find(|vector| vector.name == name).unwrap()
}

/// `raw` with each single bit flipped, each byte removed, and each byte doubled.
pub(crate) fn mutations(raw: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..raw.len()).flat_map(move |at| {
        let flipped = (0..8).map(move |bit| {
            let mut out = raw.to_vec();
            out[at] ^= 1 << bit;
            out
        });
        let removed = [&raw[..at], &raw[at + 1..]].concat();
        let doubled = [&raw[..=at], &raw[at..]].concat();
        flipped.chain([removed, doubled])
    })
}

/// Bytes that look random and are the same in every run (xorshift).
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

pub(crate) const BASE_FEE: u64 = 1_000_000_000;

pub(crate) fn osaka_header() -> Header {
    Header {
        parent_hash: B256::repeat_byte(1),
        beneficiary: Address::repeat_byte(2),
        number: 7,
        gas_limit: 500_000_000,
        gas_used: 600_000,
        timestamp: 1_800_000_000,
        extra_data: Bytes::from(vec![6; 32]),
        mix_hash: B256::repeat_byte(7),
        base_fee_per_gas: Some(BASE_FEE),
        withdrawals_root: Some(alloy_trie::EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::repeat_byte(8)),
        requests_hash: Some(B256::repeat_byte(9)),
        ..Header::default()
    }
}

/// A block in its stored form.
pub(crate) struct Stored {
    pub(crate) header: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) senders: Vec<u8>,
    pub(crate) receipts: Vec<u8>,
    pub(crate) transactions: Vec<Arc<Transaction>>,
}

impl Stored {
    pub(crate) fn new(transactions: Vec<Arc<Transaction>>, receipts: &[Receipt]) -> Self {
        Self {
            header: header::encode(&osaka_header()),
            body: body::encode(&transactions),
            senders: transactions.iter().flat_map(|tx| tx.sender.into_array()).collect(),
            receipts: receipt::encode(receipts),
            transactions,
        }
    }
}

pub(crate) fn log(address: u8, topics: &[u8]) -> Log {
    let topics = topics.iter().map(|topic| B256::repeat_byte(*topic)).collect();
    Log::new_unchecked(Address::repeat_byte(address), topics, Bytes::from(vec![address; 3]))
}

/// Every vector in order, 50,000 gas each. The second fails without logs; the first, third and fifth emit 1, 2 and 3 logs.
pub(crate) fn mixed_block() -> Stored {
    let transactions: Vec<_> =
        vectors().into_iter().map(|vector| Arc::new(Transaction::recover(vector.raw).unwrap())).collect();
    let logs_of = |index: usize| match index {
        0 => vec![log(0xa1, &[])],
        2 => vec![log(0xa1, &[1]), log(0xa2, &[1, 2])],
        4 => vec![log(0xa1, &[1, 2, 3]), log(0xa2, &[2, 2, 3, 4]), log(0xa3, &[1])],
        _ => vec![],
    };
    let receipts: Vec<_> = (0..transactions.len())
        .map(|index| Receipt {
            success: index != 1,
            cumulative_gas_used: 50_000 * (index as u64 + 1),
            logs: logs_of(index),
        })
        .collect();
    Stored::new(transactions, &receipts)
}

pub(crate) fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}

pub(crate) fn quoted(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(hex::encode_prefixed(bytes))
}
