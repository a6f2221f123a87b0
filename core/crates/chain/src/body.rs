//! The transactions of a block, as they are proposed, stored and sent.
//!
//! RLP, canonical: a list of byte strings, each the EIP-2718 encoding of a transaction; a legacy transaction, too, is a byte
//! string that holds its RLP list. (Ethereum's block body embeds a legacy transaction as the list itself.)

use crate::error::CodecError;
use crate::rlp::{Items, list_length, put_bytes, put_list};
use crate::transaction::Transaction;
use alloy_primitives::Bytes;
use alloy_rlp::Encodable;
use std::sync::Arc;

/// Most transactions that are read from a body.
pub const TRANSACTIONS_MAX: usize = 1 << 17;

const WHAT: &str = "body";

/// The body that holds `transactions` in order.
pub fn encode(transactions: &[Arc<Transaction>]) -> Vec<u8> {
    let payload = transactions.iter().map(|tx| tx.raw.as_ref().length()).sum();
    let mut out = Vec::with_capacity(list_length(payload));
    put_list(payload, &mut out);
    transactions.iter().for_each(|tx| put_bytes(&tx.raw, &mut out));
    out
}

/// The EIP-2718 encodings in order; they are not looked into.
pub fn decode(raw: &[u8]) -> Result<Vec<Bytes>, CodecError> {
    Cursor::new(raw)?.map(|item| item.map(Bytes::copy_from_slice)).collect()
}

/// The encoding of the transaction at `index`, in place; None when there are fewer.
pub fn nth(raw: &[u8], index: usize) -> Result<Option<&[u8]>, CodecError> {
    Cursor::new(raw)?.nth(index).transpose()
}

/// The encodings in order, in place. Ends after the first error.
pub struct Cursor<'a> {
    items: Items<'a>,
    /// How many more may follow.
    left: usize,
}

impl<'a> Cursor<'a> {
    /// An error when `raw` is not one list.
    pub fn new(raw: &'a [u8]) -> Result<Self, CodecError> {
        Ok(Self { items: Items::of(raw, WHAT)?, left: TRANSACTIONS_MAX })
    }
}

impl<'a> Iterator for Cursor<'a> {
    type Item = Result<&'a [u8], CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.items.is_empty() {
            return None;
        }
        let item = match self.left.checked_sub(1) {
            Some(left) => self.items.bytes().inspect(|_| self.left = left),
            None => Err(self.items.shape("too many transactions")),
        };
        if item.is_err() {
            self.items = self.items.emptied();
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    /// One of each kind of string: a single byte, a short one, a long one, an RLP list.
    fn sample() -> Vec<Bytes> {
        [vec![5], vec![0x80; 3], vec![2; 300], vec![0xc2, 1, 2]].map(Bytes::from).to_vec()
    }

    fn encoded(items: &[Bytes]) -> Vec<u8> {
        let payload = items.iter().map(|item| item.as_ref().length()).sum();
        let mut out = Vec::new();
        put_list(payload, &mut out);
        items.iter().for_each(|item| put_bytes(item, &mut out));
        out
    }

    #[test]
    fn a_body_is_a_list_of_byte_strings() {
        assert_eq!(decode(&encoded(&sample())), Ok(sample()));
        assert_eq!(decode(&encode(&[])), Ok(vec![]));
    }

    #[test]
    fn the_disk_format_is_pinned() {
        assert_eq!(
            keccak256(encoded(&sample())).to_string(),
            "0x7c7bc922cffae5d1c87e42459954f502828ab74d93c99dbb316a01cab626c75a"
        );
    }

    #[test]
    fn one_transaction_is_found_by_its_index() {
        let raw = encoded(&sample());
        for (index, item) in sample().iter().enumerate() {
            assert_eq!(nth(&raw, index), Ok(Some(item.as_ref())));
        }
        assert_eq!(nth(&raw, 4), Ok(None));
    }

    #[test]
    fn truncations_extensions_and_embedded_lists_are_refused() {
        let raw = encoded(&sample());
        for end in 0..raw.len() {
            assert!(decode(&raw[..end]).is_err(), "accepted {end} bytes");
        }
        assert!(decode(&[&raw[..], &[0]].concat()).is_err());
        assert!(decode(&[0xc1, 0xc0]).is_err(), "a transaction that is a list");
    }

    #[test]
    fn the_number_of_transactions_is_bounded() {
        let full = vec![Bytes::from_static(&[1]); TRANSACTIONS_MAX];
        assert_eq!(decode(&encoded(&full)).map(|items| items.len()), Ok(TRANSACTIONS_MAX));
        let over = vec![Bytes::from_static(&[1]); TRANSACTIONS_MAX + 1];
        assert_eq!(decode(&encoded(&over)), Err(CodecError::Shape { what: WHAT, reason: "too many transactions" }));
    }
}
