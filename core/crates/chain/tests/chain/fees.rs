//! Rewards of eth_feeHistory.

use crate::common::{KEY, Stored, mixed_block, osaka_header};
use std::sync::Arc;
use zg_chain::fees::rewards;
use zg_chain::sign::sign_json;
use zg_chain::{Receipt, Transaction, header};

const GWEI: u128 = 1_000_000_000;

/// A block whose transactions tip so many gwei and use so much gas, under a base fee of 1 gwei.
fn block(transactions: &[(u64, u64)]) -> Stored {
    let tipping = |(nonce, (tip, _)): (usize, &(u64, u64))| {
        let tip = tip * 1_000_000_000;
        let json = format!(
            r#"{{"chainId": "0x1", "nonce": "{nonce:#x}", "gas": "0xfffff", "maxFeePerGas": "0x12a05f2000",
                "maxPriorityFeePerGas": "{tip:#x}", "to": "0x{}"}}"#,
            "11".repeat(20)
        );
        Arc::new(Transaction::recover(sign_json(json.as_bytes(), &KEY).unwrap().into()).unwrap())
    };
    let mut used = 0;
    let receipts: Vec<_> = transactions
        .iter()
        .map(|(_, gas)| {
            used += gas;
            Receipt { success: true, cumulative_gas_used: used, logs: vec![] }
        })
        .collect();
    let mut stored = Stored::new(transactions.iter().enumerate().map(tipping).collect(), &receipts);
    let mut osaka = osaka_header();
    osaka.gas_used = used;
    stored.header = header::encode(&osaka);
    stored
}

fn of(block: &Stored, percentiles: &[f64]) -> Vec<u128> {
    rewards(&block.header, &block.body, &block.receipts, percentiles).unwrap()
}

#[test]
fn a_percentile_is_of_the_gas_and_not_of_the_transactions() {
    let block = block(&[(5, 100_000), (1, 700_000), (3, 200_000)]);
    let tips = of(&block, &[0.0, 50.0, 70.0, 70.1, 90.0, 90.5, 100.0]);
    assert_eq!(tips, [1, 1, 1, 3, 3, 5, 5].map(|gwei| gwei * GWEI));
}

#[test]
fn an_empty_block_rewards_nothing() {
    assert_eq!(of(&block(&[]), &[10.0, 50.0]), [0, 0]);
    assert_eq!(of(&block(&[(1, 21_000)]), &[]), [0; 0]);
}

#[test]
fn a_tip_is_cut_by_the_maximum_fee() {
    assert_eq!(of(&block(&[(80, 21_000)]), &[50.0]), [79 * GWEI]);
}

#[test]
fn every_type_of_transaction_has_a_tip() {
    let block = mixed_block();
    let tips = of(&block, &[0.0, 100.0]);
    assert_eq!(tips, [0, 19 * GWEI], "a legacy price of 1 gwei tips nothing, one of 20 gwei tips 19");
}

#[test]
fn receipts_of_another_block_are_refused() {
    let (one, two) = (block(&[(1, 21_000)]), block(&[(1, 21_000), (2, 21_000)]));
    assert!(rewards(&two.header, &two.body, &one.receipts, &[50.0]).is_err());
}
