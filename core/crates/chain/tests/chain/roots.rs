//! Roots against a trie written in Python and against alloy's own receipt encoding.

use crate::common::{log, mixed_block};
use alloy_consensus::{Eip658Value, ReceiptEnvelope, ReceiptWithBloom, TxType, proofs};
use alloy_primitives::{B256, Bloom};
use zg_chain::roots::{block_roots, receipts_root, transactions_root};
use zg_chain::{Receipt, Roots, receipt};

#[test]
fn the_transactions_root_is_that_of_another_trie() {
    let item = |i: usize| [vec![2], vec![(i % 251) as u8; i % 150 + 1]].concat();
    for (count, root) in [
        (0, "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
        (1, "0x7a8411d534daa0e74633a5ba1d19776bd674940a957991d0b2b212401e57ba27"),
        (2, "0x12dddc4b2e4443e6f5dab62c4fa1368aa6bacd160c4608fd82f8eccee4d251a1"),
        (127, "0xef4114aa8f1ff7dcd7f9feced0b4ea1f6ec712227e7fc379dab057c0c4431785"),
        (128, "0x3fa1e1a6d073f3e821b6345ab83247e7a1678ddfdc297c1c74d84930fbc0a4ef"),
        (129, "0x5b1c0c60e6b2ac7ba5c5aed49f7d9a7fef869a528ed911f42562533f1369ea67"),
        (300, "0x41b3f2f8e7dbfd576d9358d0e05e9a630bec1296aa524840a35303d7b8926cc2"),
    ] {
        let items: Vec<_> = (0..count).map(item).collect();
        assert_eq!(transactions_root(&items).to_string(), root, "{count} items");
    }
}

/// The receipt in alloy's own form.
fn envelope(receipt: &Receipt, tx_type: u8) -> ReceiptEnvelope {
    let inner = alloy_consensus::Receipt {
        status: Eip658Value::Eip658(receipt.success),
        cumulative_gas_used: receipt.cumulative_gas_used,
        logs: receipt.logs.clone(),
    };
    let with_bloom = ReceiptWithBloom { logs_bloom: inner.logs.iter().collect(), receipt: inner };
    ReceiptEnvelope::from_typed(TxType::try_from(tx_type).unwrap(), with_bloom)
}

#[test]
fn the_receipts_root_is_that_of_alloys_receipts() {
    for count in [0, 1, 2, 130] {
        let receipts: Vec<Receipt> = (0..count)
            .map(|i| Receipt {
                success: i % 3 != 0,
                cumulative_gas_used: 30_000 * (i as u64 + 1),
                logs: (0..i % 4).map(|n| log(n as u8, &[1, 2, 3, 4][..n])).collect(),
            })
            .collect();
        let envelopes: Vec<_> = receipts.iter().enumerate().map(|(i, r)| envelope(r, (i % 5) as u8)).collect();
        let bloom: Bloom = receipts.iter().flat_map(|receipt| &receipt.logs).collect();
        let expected = (proofs::calculate_receipt_root(&envelopes), bloom);
        assert_eq!(receipts_root(&receipts, |index| (index % 5) as u8), expected, "{count} receipts");
    }
}

#[test]
fn all_roots_of_a_block_are_those_of_its_parts() {
    for copies in [1, 100] {
        let block = mixed_block();
        let raws: Vec<_> = (0..copies).flat_map(|_| block.transactions.iter().map(|tx| tx.raw.clone())).collect();
        let stored = receipt::decode(&block.receipts).unwrap();
        let receipts: Vec<_> = (0..copies).flat_map(|_| stored.clone()).collect();
        let types = [0, 0, 0, 1, 2, 3, 4];
        let (receipts_root, bloom) = receipts_root(&receipts, |index| types[index % 7]);
        assert_ne!(receipts_root, B256::ZERO);
        let expected = Roots { transactions: transactions_root(&raws), receipts: receipts_root, bloom };
        assert_eq!(block_roots(&raws, &receipts), expected);
    }
}
