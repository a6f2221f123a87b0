//! Which logs a filter finds.

use crate::common::{Stored, log, mixed_block, parsed};
use alloy_primitives::{Address, B256, Bloom, Log};
use serde_json::Value;
use zg_chain::filter::{ADDRESSES_MAX, ALTERNATIVES_MAX};
use zg_chain::json::receipts_json;
use zg_chain::{LogFilter, receipt};

fn filter(addresses: &[u8], topics: &[&[u8]]) -> LogFilter {
    let topics = topics.iter().map(|list| list.iter().map(|topic| B256::repeat_byte(*topic)).collect()).collect();
    LogFilter::new(addresses.iter().map(|address| Address::repeat_byte(*address)).collect(), topics).unwrap()
}

fn logs(filter: &LogFilter, block: &Stored, limit: usize) -> Vec<Value> {
    let (json, count) = filter.logs_json(&block.header, &block.body, &block.receipts, limit).unwrap();
    let list = parsed(&[b"[", &json[..], b"]"].concat());
    assert_eq!(list.as_array().unwrap().len(), count);
    list.as_array().unwrap().clone()
}

/// Indices, in the block, of the logs that are found.
fn found(addresses: &[u8], topics: &[&[u8]]) -> Vec<u64> {
    let index = |log: &Value| u64::from_str_radix(&log["logIndex"].as_str().unwrap()[2..], 16).unwrap();
    logs(&filter(addresses, topics), &mixed_block(), 100).iter().map(index).collect()
}

// The block's logs: 0 a1 [], 1 a1 [1], 2 a2 [1 2], 3 a1 [1 2 3], 4 a2 [2 2 3 4], 5 a3 [1].

#[test]
fn an_empty_filter_finds_every_log_as_the_receipts_show_it() {
    let block = mixed_block();
    let receipts = parsed(&receipts_json(&block.header, &block.body, &block.senders, &block.receipts).unwrap());
    let shown: Vec<Value> =
        receipts.as_array().unwrap().iter().flat_map(|r| r["logs"].as_array().unwrap().clone()).collect();
    assert_eq!(logs(&filter(&[], &[]), &block, 100), shown);
}

#[test]
fn addresses_are_alternatives() {
    assert_eq!(found(&[0xa1], &[]), [0, 1, 3]);
    assert_eq!(found(&[0xa3, 0xa2], &[]), [2, 4, 5]);
    assert_eq!(found(&[0xff], &[]), [0; 0]);
}

#[test]
fn topics_are_compared_by_position() {
    assert_eq!(found(&[], &[&[1]]), [1, 2, 3, 5]);
    assert_eq!(found(&[], &[&[2]]), [4]);
    assert_eq!(found(&[], &[&[1], &[2]]), [2, 3]);
    assert_eq!(found(&[0xa2], &[&[1]]), [2]);
}

#[test]
fn a_list_at_a_position_is_alternatives() {
    assert_eq!(found(&[], &[&[1, 2]]), [1, 2, 3, 4, 5]);
    assert_eq!(found(&[], &[&[1, 2], &[2]]), [2, 3, 4]);
}

#[test]
fn an_empty_position_accepts_any_topic_but_asks_for_one() {
    assert_eq!(found(&[], &[&[]]), [1, 2, 3, 4, 5]);
    assert_eq!(found(&[], &[&[], &[2]]), [2, 3, 4]);
    assert_eq!(found(&[], &[&[1], &[], &[]]), [3]);
}

#[test]
fn a_log_with_fewer_topics_than_positions_is_not_found() {
    assert_eq!(found(&[], &[&[], &[], &[], &[]]), [4]);
    assert_eq!(found(&[], &[&[1], &[2], &[3], &[4]]), [0; 0]);
}

#[test]
fn the_scan_stops_one_past_the_limit() {
    let block = mixed_block();
    let count = |limit| logs(&filter(&[], &[]), &block, limit).len();
    assert_eq!((count(0), count(4), count(5), count(6)), (1, 5, 6, 6));
}

#[test]
fn a_bloom_never_hides_a_log() {
    let block = mixed_block();
    let all: Vec<Log> =
        receipt::decode(&block.receipts).unwrap().into_iter().flat_map(|receipt| receipt.logs).collect();
    let whole: Bloom = all.iter().collect();
    for log in &all {
        let topics = log.topics().iter().map(|topic| vec![*topic]).collect();
        let exact = LogFilter::new(vec![log.address], topics).unwrap();
        let alone: Bloom = [log].into_iter().collect();
        assert!(exact.may_match(whole.data()) && exact.may_match(alone.data()));
        assert!(!exact.may_match(&[0; 256]));
    }
}

#[test]
fn blooms_are_told_apart_by_address_and_by_topic() {
    let blooms: Vec<u8> = [log(1, &[7]), log(2, &[7]), log(1, &[8])]
        .iter()
        .flat_map(|log| *[log].into_iter().collect::<Bloom>().data())
        .collect();
    assert_eq!(filter(&[1], &[]).matching_blooms(&blooms), [0, 2]);
    assert_eq!(filter(&[], &[&[7]]).matching_blooms(&blooms), [0, 1]);
    assert_eq!(filter(&[1], &[&[7]]).matching_blooms(&blooms), [0]);
    assert_eq!(filter(&[], &[&[], &[7, 8]]).matching_blooms(&blooms), [0, 1, 2]);
    assert_eq!(filter(&[], &[]).matching_blooms(&blooms[..300]), [0], "a rest is no bloom");
}

#[test]
fn a_filter_is_bounded() {
    let addresses = |count| LogFilter::new(vec![Address::ZERO; count], vec![]).map(|_| ()).map_err(|e| e.to_string());
    assert_eq!(addresses(ADDRESSES_MAX), Ok(()));
    assert_eq!(addresses(ADDRESSES_MAX + 1), Err("exceed max addresses".into()));
    let topics = |positions: usize, count| {
        LogFilter::new(vec![], vec![vec![B256::ZERO; count]; positions]).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(topics(4, ALTERNATIVES_MAX), Ok(()));
    assert_eq!(topics(5, 1), Err("exceed max topics".into()));
    assert_eq!(topics(1, ALTERNATIVES_MAX + 1), Err("exceed max topics".into()));
}
