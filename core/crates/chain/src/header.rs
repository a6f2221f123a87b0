//! An Osaka block header: 21 fields, every one present.

use crate::error::CodecError;
use alloy_primitives::{B256, keccak256};
use alloy_rlp::{Decodable, Encodable};

pub use alloy_consensus::Header;

/// Largest encoding of a header that is looked at, in bytes.
pub const HEADER_MAX_BYTES: usize = 1024;
/// Largest `extraData`, in bytes.
pub const EXTRA_DATA_MAX_BYTES: usize = 32;

const WHAT: &str = "header";

fn shape(reason: &'static str) -> CodecError {
    CodecError::Shape { what: WHAT, reason }
}

/// The RLP encoding, whose keccak is the block hash.
pub fn encode(header: &Header) -> Vec<u8> {
    alloy_rlp::encode(header)
}

/// The block hash.
pub fn hash(header: &Header) -> B256 {
    keccak256(encode(header))
}

/// Parse an Osaka header; refuses anything that [`encode`] would not have written.
pub fn decode(raw: &[u8]) -> Result<Header, CodecError> {
    if raw.len() > HEADER_MAX_BYTES {
        return Err(shape("oversized"));
    }
    let mut rest = raw;
    let header = Header::decode(&mut rest).map_err(|error| CodecError::Rlp { what: WHAT, error })?;
    if !rest.is_empty() {
        return Err(shape("trailing bytes"));
    }
    if header.requests_hash.is_none() || header.block_access_list_hash.is_some() || header.slot_number.is_some() {
        return Err(shape("not a list of 21 fields"));
    }
    if header.extra_data.len() > EXTRA_DATA_MAX_BYTES {
        return Err(shape("extraData of more than 32 bytes"));
    }
    if header.length() != raw.len() || encode(&header) != raw {
        return Err(shape("not canonical"));
    }
    Ok(header)
}

/// The base fee, which every Osaka header has; wei.
pub fn base_fee(header: &Header) -> u64 {
    header.base_fee_per_gas.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, Bytes, b256};

    fn sample() -> Header {
        Header {
            parent_hash: B256::repeat_byte(1),
            beneficiary: Address::repeat_byte(2),
            state_root: B256::repeat_byte(3),
            transactions_root: B256::repeat_byte(4),
            receipts_root: B256::repeat_byte(5),
            number: 7,
            gas_limit: 500_000_000,
            gas_used: 21_000,
            timestamp: 1_800_000_000,
            extra_data: Bytes::from(vec![6; 32]),
            mix_hash: B256::repeat_byte(7),
            base_fee_per_gas: Some(1_000_000_000),
            withdrawals_root: Some(alloy_trie::EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::repeat_byte(8)),
            requests_hash: Some(b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")),
            ..Header::default()
        }
    }

    #[test]
    fn the_hash_is_that_of_another_encoder() {
        assert_eq!(hash(&sample()), b256!("44382f2916f18013352868814faf377d8fb713c33a14119a8d902f373219f53c"));
        assert_eq!(encode(&sample()).len(), 644);
    }

    #[test]
    fn a_header_survives_encoding() {
        assert_eq!(decode(&encode(&sample())), Ok(sample()));
    }

    #[test]
    fn a_header_of_another_fork_is_refused() {
        let reason = |header: Header| decode(&encode(&header)).unwrap_err().to_string();
        let prague_lacks = Header { requests_hash: None, ..sample() };
        assert_eq!(reason(prague_lacks), "header: not a list of 21 fields");
        let amsterdam = Header { block_access_list_hash: Some(B256::ZERO), ..sample() };
        assert_eq!(reason(amsterdam), "header: not a list of 21 fields");
    }

    #[test]
    fn a_long_header_is_refused() {
        let long = Header { extra_data: Bytes::from(vec![6; 33]), ..sample() };
        assert_eq!(decode(&encode(&long)).unwrap_err().to_string(), "header: extraData of more than 32 bytes");
        let longer = Header { extra_data: Bytes::from(vec![6; 500]), ..sample() };
        assert_eq!(decode(&encode(&longer)).unwrap_err().to_string(), "header: oversized");
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let raw = encode(&sample());
        for end in 0..raw.len() {
            assert!(decode(&raw[..end]).is_err(), "accepted {end} bytes");
        }
        assert_eq!(decode(&[&raw[..], &[0]].concat()), Err(shape("trailing bytes")));
    }

    #[test]
    fn what_is_accepted_is_canonical() {
        let raw = encode(&sample());
        for position in 0..raw.len() {
            for bit in 0..8 {
                let mut mutated = raw.clone();
                mutated[position] ^= 1 << bit;
                if let Ok(header) = decode(&mutated) {
                    assert_eq!(hash(&header), keccak256(&mutated), "bit {bit} of byte {position}");
                }
            }
        }
    }
}
