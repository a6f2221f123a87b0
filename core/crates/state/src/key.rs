//! Keys of the LevelDB directory.
//!
//! ```text
//! m                                meta: format, flushed block, oldest kept block
//! p                                progress of a snapshot's import; there is no meta then, and no state
//! l number                         the one link record, see `record`
//! b number                         hash and state root of a finalised block
//! a keccak(address)                account
//! s keccak(address) keccak(slot)   storage word, never zero
//! c code hash                      code
//! t path                           node of the account trie
//! u keccak(address) path           node of a storage trie
//! r number bound                   reverse diff of the block, one partition
//! i chunk bound                    history index of 64 blocks, one partition
//! ```
//! Numbers, chunks and bounds are 8 bytes big-endian. A path has one nibble a byte: a node comes before its children
//! and siblings follow in order, so a scan walks the trie; packing would save little after LevelDB's prefix compression.

use alloy_primitives::B256;

pub(crate) const META: &[u8] = b"m";
pub(crate) const IMPORT: &[u8] = b"p";
pub(crate) const LINK: u8 = b'l';
pub(crate) const BLOCK: u8 = b'b';
pub(crate) const ACCOUNT: u8 = b'a';
pub(crate) const SLOT: u8 = b's';
pub(crate) const CODE: u8 = b'c';
pub(crate) const ACCOUNT_NODE: u8 = b't';
pub(crate) const STORAGE_NODE: u8 = b'u';
pub(crate) const REVERSE: u8 = b'r';
pub(crate) const INDEX: u8 = b'i';

/// `tag` and a number: links, blocks, and the prefix of a block's or a chunk's partitions.
pub(crate) fn numbered(tag: u8, number: u64) -> [u8; 9] {
    let mut key = [tag; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

/// One partition of a block's reverse diff or of a chunk's index: the one that ends at fingerprint `bound`.
pub(crate) fn partition(tag: u8, number: u64, bound: u64) -> [u8; 17] {
    let mut key = [tag; 17];
    key[1..9].copy_from_slice(&number.to_be_bytes());
    key[9..].copy_from_slice(&bound.to_be_bytes());
    key
}

/// `tag` and a hash: accounts, codes, and the prefix of an owner's slots or storage nodes.
pub(crate) fn hashed(tag: u8, hash: &B256) -> [u8; 33] {
    let mut key = [tag; 33];
    key[1..].copy_from_slice(hash.as_slice());
    key
}

pub(crate) fn slot(owner: &B256, slot: &B256) -> [u8; 65] {
    let mut key = [SLOT; 65];
    key[1..33].copy_from_slice(owner.as_slice());
    key[33..].copy_from_slice(slot.as_slice());
    key
}

/// The node at `path` of the account trie (`owner` None) or of `owner`'s storage trie.
pub(crate) fn node(owner: Option<&B256>, path: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(33 + path.len());
    match owner {
        None => key.push(ACCOUNT_NODE),
        Some(owner) => {
            key.push(STORAGE_NODE);
            key.extend_from_slice(owner.as_slice());
        }
    }
    key.extend_from_slice(path);
    key
}
