//! Values of the LevelDB directory.
//!
//! ```text
//! account  RLP nonce, RLP balance, code hash unless the code is empty
//! word     big-endian without leading zeros; zero is empty (and only stored in history)
//! block    hash, state root
//! meta     format (2), number (8), hash (32), state root (32), oldest kept block (8)
//! ```
//! The link record guards against a batch that LevelDB's recovery lost between two that it kept: each batch writes
//! the link of its own block and deletes the one before, so more or fewer than one link means a batch is missing.

use alloy_primitives::{B256, KECCAK256_EMPTY, U256};
use alloy_rlp::{Decodable, Encodable};
use zg_types::{Account, ViewError};

/// Version of everything in `key` and `record`.
const FORMAT: u16 = 1;
const META_BYTES: usize = 2 + 8 + 32 + 32 + 8;

fn corrupt(what: &str) -> ViewError {
    ViewError::Corrupt(format!("{what} record does not parse"))
}

pub(crate) fn encode_account(account: &Account) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    account.nonce.encode(&mut out);
    account.balance.encode(&mut out);
    if account.code_hash != KECCAK256_EMPTY {
        out.extend_from_slice(account.code_hash.as_slice());
    }
    out
}

pub(crate) fn decode_account(mut bytes: &[u8]) -> Result<Account, ViewError> {
    let nonce = u64::decode(&mut bytes).map_err(|_| corrupt("account"))?;
    let balance = U256::decode(&mut bytes).map_err(|_| corrupt("account"))?;
    let code_hash = match bytes.len() {
        0 => KECCAK256_EMPTY,
        32 => B256::from_slice(bytes),
        _ => return Err(corrupt("account")),
    };
    Ok(Account { nonce, balance, code_hash })
}

pub(crate) fn encode_word(word: &U256) -> Vec<u8> {
    word.to_be_bytes_trimmed_vec()
}

pub(crate) fn decode_word(bytes: &[u8]) -> Result<U256, ViewError> {
    if bytes.len() > 32 || bytes.first() == Some(&0) {
        return Err(corrupt("word"));
    }
    Ok(U256::from_be_slice(bytes))
}

/// A block and the state root after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockId {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) root: B256,
}

pub(crate) fn encode_block(block: &BlockId) -> [u8; 64] {
    let mut out = [0; 64];
    out[..32].copy_from_slice(block.hash.as_slice());
    out[32..].copy_from_slice(block.root.as_slice());
    out
}

pub(crate) fn decode_block(number: u64, bytes: &[u8]) -> Result<BlockId, ViewError> {
    if bytes.len() != 64 {
        return Err(corrupt("block"));
    }
    Ok(BlockId { number, hash: B256::from_slice(&bytes[..32]), root: B256::from_slice(&bytes[32..]) })
}

/// What the directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) flushed: BlockId,
    /// The oldest block whose state can be read.
    pub(crate) oldest: u64,
}

impl Meta {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(META_BYTES);
        out.extend_from_slice(&FORMAT.to_be_bytes());
        out.extend_from_slice(&self.flushed.number.to_be_bytes());
        out.extend_from_slice(&encode_block(&self.flushed));
        out.extend_from_slice(&self.oldest.to_be_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ViewError> {
        let Some((format, rest)) = bytes.split_first_chunk::<2>() else {
            return Err(corrupt("meta"));
        };
        let format = u16::from_be_bytes(*format);
        if format != FORMAT {
            return Err(ViewError::Corrupt(format!("state format {format} is not ours, which is {FORMAT}")));
        }
        let (Some((number, middle)), Some((_, oldest))) = (rest.split_first_chunk::<8>(), rest.split_last_chunk::<8>())
        else {
            return Err(corrupt("meta"));
        };
        if bytes.len() != META_BYTES {
            return Err(corrupt("meta"));
        }
        let flushed = decode_block(u64::from_be_bytes(*number), &middle[..64])?;
        Ok(Self { flushed, oldest: u64::from_be_bytes(*oldest) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_survive_encoding_with_and_without_code() {
        for code_hash in [KECCAK256_EMPTY, B256::repeat_byte(7)] {
            for balance in [U256::ZERO, U256::from(1), U256::MAX] {
                let account = Account { nonce: 300, balance, code_hash };
                assert_eq!(decode_account(&encode_account(&account)), Ok(account));
            }
        }
    }

    #[test]
    fn truncated_and_padded_accounts_are_refused() {
        let bytes = encode_account(&Account { nonce: 1, balance: U256::MAX, code_hash: B256::repeat_byte(7) });
        assert!((0..bytes.len()).filter(|end| *end != 34).all(|end| decode_account(&bytes[..end]).is_err()));
        assert!(decode_account(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn words_survive_encoding_and_padding_is_refused() {
        for word in [U256::ZERO, U256::from(255), U256::MAX] {
            assert_eq!(decode_word(&encode_word(&word)), Ok(word));
        }
        assert!(decode_word(&[0, 1]).is_err() && decode_word(&[1; 33]).is_err());
    }

    #[test]
    fn another_format_is_refused_by_name() {
        let flushed = BlockId { number: 7, hash: B256::repeat_byte(1), root: B256::repeat_byte(2) };
        let meta = Meta { flushed, oldest: 3 };
        let mut bytes = meta.encode();
        assert_eq!(Meta::decode(&bytes), Ok(meta));
        assert!((0..bytes.len()).all(|end| Meta::decode(&bytes[..end]).is_err()));
        bytes[1] = 2;
        assert!(matches!(Meta::decode(&bytes), Err(ViewError::Corrupt(text)) if text.contains("format 2")));
    }
}
