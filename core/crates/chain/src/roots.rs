//! The roots and the bloom that a header commits to.
//!
//! A block's transactions, and its receipts, are the leaves of a Merkle Patricia trie under the keys RLP(0), RLP(1), ….
//! Both roots are independent of each other; for large blocks they are computed side by side.

use crate::receipt::{Receipt, encode_consensus};
use alloy_primitives::{B256, Bloom};

/// Blocks from this many transactions on use more than one thread.
const PARALLEL_MIN: usize = 256;

/// What a header says about the transactions and receipts of its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    pub transactions: B256,
    pub receipts: B256,
    pub bloom: Bloom,
}

/// All three at once. `transactions` are EIP-2718 encodings; the slices are equally long.
pub fn block_roots<T: AsRef<[u8]> + Sync>(transactions: &[T], receipts: &[Receipt]) -> Roots {
    let types = |index: usize| transaction_type(transactions[index].as_ref());
    let sides = (|| transactions_root(transactions), || receipts_root(receipts, types));
    let (transactions, (receipts, bloom)) =
        if transactions.len() < PARALLEL_MIN { (sides.0(), sides.1()) } else { rayon::join(sides.0, sides.1) };
    Roots { transactions, receipts, bloom }
}

fn transaction_type(raw: &[u8]) -> u8 {
    raw.first().copied().filter(|first| *first < alloy_rlp::EMPTY_STRING_CODE).unwrap_or_default()
}

/// The transactions' root; `transactions` are EIP-2718 encodings.
pub fn transactions_root<T: AsRef<[u8]>>(transactions: &[T]) -> B256 {
    alloy_trie::root::ordered_trie_root_encoded(transactions)
}

/// The receipts' root and the bloom of all logs. `tx_type` is the EIP-2718 type of the transaction at an index.
pub fn receipts_root(receipts: &[Receipt], tx_type: impl Fn(usize) -> u8) -> (B256, Bloom) {
    let mut total = Bloom::ZERO;
    let blooms: Vec<Bloom> = receipts.iter().map(Receipt::bloom).collect();
    for bloom in &blooms {
        total |= *bloom;
    }
    let indices: Vec<usize> = (0..receipts.len()).collect();
    let root = alloy_trie::root::ordered_trie_root_with_encoder(&indices, |index, out| {
        encode_consensus(&receipts[*index], tx_type(*index), &blooms[*index], out);
    });
    (root, total)
}
