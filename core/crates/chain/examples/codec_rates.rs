//! µs an operation of the codecs, on one thread unless a line says otherwise: median of several runs.
//!
//! `cargo run --release -p zg-chain --example codec_rates`

use alloy_primitives::{Address, B256, Bytes, Log};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use zg_chain::{LogFilter, Receipt, Transaction, body, fees, filter, header, json, receipt, roots, sign, transaction};

const TRANSACTIONS: usize = 1000;
const LOG_BLOCKS: usize = 1000;
const LOGS_PER_BLOCK: usize = 100;
const RUNS: usize = 15;

/// Print the median time of `run`, divided by `count`.
fn rate<T>(what: &str, count: usize, mut run: impl FnMut() -> T) {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            black_box(run());
            start.elapsed().as_secs_f64() * 1e6 / count as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{what:<52} {:>9.3} µs   (best {:.3}, worst {:.3})", times[RUNS / 2], times[0], times[RUNS - 1]);
}

fn transfers() -> Vec<Bytes> {
    let key = [7; 32];
    let signed = |nonce: usize| {
        let to = Address::left_padding_from(&(nonce as u64 + 1).to_be_bytes());
        let json = format!(
            r#"{{"chainId": "0x195568", "nonce": "{nonce:#x}", "gas": "0x5208", "maxFeePerGas": "0x77359400",
                "maxPriorityFeePerGas": "0x3b9aca00", "to": "{to:#x}", "value": "0xde0b6b3a7640000"}}"#
        );
        Bytes::from(sign::sign_json(json.as_bytes(), &key).expect("a complete transaction"))
    };
    (0..TRANSACTIONS).map(signed).collect()
}

fn osaka_header(number: u64) -> Vec<u8> {
    header::encode(&header::Header {
        number,
        gas_limit: 500_000_000,
        gas_used: 21_000 * TRANSACTIONS as u64,
        timestamp: 1_800_000_000,
        base_fee_per_gas: Some(1_000_000_000),
        withdrawals_root: Some(B256::ZERO),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(B256::ZERO),
        ..header::Header::default()
    })
}

fn token_log(emitter: usize) -> Log {
    let topics = vec![B256::repeat_byte(1), B256::repeat_byte(2), B256::repeat_byte(3)];
    let address = Address::left_padding_from(&(emitter as u64 + 1).to_be_bytes());
    Log::new_unchecked(address, topics, Bytes::from(vec![4; 32]))
}

fn transactions(raws: &[Bytes]) -> Vec<Arc<Transaction>> {
    rate("decode and hash a transfer", TRANSACTIONS, || {
        raws.iter().map(|raw| transaction::decode(raw)).collect::<Vec<_>>()
    });
    rate("recover a transfer", TRANSACTIONS, || raws.iter().cloned().map(Transaction::recover).collect::<Vec<_>>());
    rate("recover a transfer, all threads", TRANSACTIONS, || transaction::recover_batch(raws.to_vec()));
    let known: Vec<_> = transaction::recover_batch(raws.to_vec())
        .into_iter()
        .map(|tx| Arc::new(tx.expect("a signed transfer")))
        .collect();
    let by_hash: std::collections::HashMap<_, _> = known.iter().map(|tx| (tx.hash, tx.clone())).collect();
    rate("look up a known transfer", TRANSACTIONS, || {
        transaction::recover_known(raws.to_vec(), &|hash| by_hash.get(hash).cloned())
    });
    known
}

fn block(raws: &[Bytes], known: &[Arc<Transaction>]) {
    let receipts: Vec<Receipt> = (1..=TRANSACTIONS as u64)
        .map(|n| Receipt { success: true, cumulative_gas_used: 21_000 * n, logs: vec![] })
        .collect();
    let (header, body, stored) = (osaka_header(1), body::encode(known), receipt::encode(&receipts));
    let senders: Vec<u8> = known.iter().flat_map(|tx| tx.sender.into_array()).collect();
    rate("transactions root, a transaction", TRANSACTIONS, || roots::transactions_root(raws));
    rate("receipts root and bloom, a transfer", TRANSACTIONS, || roots::receipts_root(&receipts, |_| 2));
    rate("both roots and bloom, a transfer, all threads", TRANSACTIONS, || roots::block_roots(raws, &receipts));
    rate("body encoded and decoded, a transaction", TRANSACTIONS, || body::decode(&body::encode(known)));
    rate("receipts encoded and decoded, a transfer", TRANSACTIONS, || receipt::decode(&receipt::encode(&receipts)));
    rate("receipts JSON, a block of 1,000 transfers", 1, || json::receipts_json(&header, &body, &senders, &stored));
    rate("full block JSON, a block of 1,000 transfers", 1, || json::block_json(&header, &body, &senders, true));
    rate("one receipt JSON, the last of 1,000", 1, || {
        json::receipt_json(&header, &body, &senders, &stored, TRANSACTIONS - 1)
    });
    rate("fee history, a block of 1,000 transfers", 1, || fees::rewards(&header, &body, &stored, &[10.0, 50.0, 90.0]));
}

fn logs(known: &[Arc<Transaction>]) {
    let body = body::encode(&known[..LOGS_PER_BLOCK]);
    let blocks: Vec<(Vec<u8>, Vec<u8>, [u8; 256])> = (0..LOG_BLOCKS)
        .map(|number| {
            let receipts: Vec<Receipt> = (0..LOGS_PER_BLOCK)
                .map(|i| Receipt {
                    success: true,
                    cumulative_gas_used: 50_000 * (i as u64 + 1),
                    logs: vec![token_log((number * LOGS_PER_BLOCK + i) % 1000)],
                })
                .collect();
            let (_, bloom) = roots::receipts_root(&receipts, |_| 2);
            (osaka_header(number as u64), receipt::encode(&receipts), *bloom.data())
        })
        .collect();
    let blooms: Vec<u8> = blocks.iter().flat_map(|(_, _, bloom)| *bloom).collect();
    let wanted = LogFilter::new(vec![token_log(500).address], vec![]).expect("one address");
    rate("filter: a bloom", LOG_BLOCKS, || wanted.matching_blooms(&blooms));
    let scan = |index: &usize| {
        let (header, receipts, _) = &blocks[*index];
        wanted.logs_json(header, &body, receipts, filter::ADDRESSES_MAX).expect("a stored block").1
    };
    let hits: usize = wanted.matching_blooms(&blooms).iter().map(scan).sum();
    println!("filter: {} of {LOG_BLOCKS} blooms may match, {hits} logs do", wanted.matching_blooms(&blooms).len());
    rate("filter: scan a block of 100 logs", LOG_BLOCKS, || (0..LOG_BLOCKS).map(|i| scan(&i)).sum::<usize>());
    rate("filter: 1,000 blocks of 100 logs, 1 in 1,000 hits", 1, || {
        wanted.matching_blooms(&blooms).iter().map(scan).sum::<usize>()
    });
}

fn main() {
    let raws = transfers();
    let known = transactions(&raws);
    block(&raws, &known);
    logs(&known);
}
