//! The past: one reverse diff a block, an index over each 64 of them, and the search through both.
//!
//! ```text
//! value of K at block N = what K was before the first block in (N, flushed] that changed it,
//!                         or what the flat records say when none did
//! ```
//! Reverse diffs and indices are sorted by fingerprint and cut into partitions of about 4 KiB, each stored under its
//! last fingerprint: one seek finds the only partition that can hold a key, however large the block was.

mod index;
mod reverse;
mod search;

use alloy_primitives::B256;
use zg_types::ViewError;

pub(crate) use index::{complete_chunks, expired_chunks, write_chunk};
pub(crate) use reverse::{Before, block_entries, encode_block, partition_entries};
pub(crate) use search::value_before;

/// Where a partition is cut, bytes.
const PARTITION_BYTES: usize = 4096;

/// Partitions of one block or chunk, ascending, each with its last fingerprint.
pub(crate) type Partitions = Vec<(u64, Vec<u8>)>;

/// What history is asked about: an account, or one of its slots; hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) owner: B256,
    pub(crate) slot: Option<B256>,
}

impl Subject {
    /// 64 bits by which entries are sorted and found; equal fingerprints are told apart by the whole subject.
    fn fingerprint(&self) -> u64 {
        let head = |hash: &B256| u64::from_be_bytes(hash.0[..8].try_into().expect("8 of 32 bytes"));
        match &self.slot {
            None => head(&self.owner),
            Some(slot) => head(&self.owner).rotate_left(32) ^ head(slot),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.slot.is_some() as u8);
        out.extend_from_slice(self.owner.as_slice());
        if let Some(slot) = &self.slot {
            out.extend_from_slice(slot.as_slice());
        }
    }

    /// The subject at the front of `bytes`, and what follows it.
    fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (kind, rest) = bytes.split_first()?;
        let (owner, rest) = rest.split_first_chunk::<32>()?;
        match kind {
            0 => Some((Self { owner: B256::new(*owner), slot: None }, rest)),
            1 => {
                let (slot, rest) = rest.split_first_chunk::<32>()?;
                Some((Self { owner: B256::new(*owner), slot: Some(B256::new(*slot)) }, rest))
            }
            _ => None,
        }
    }
}

fn corrupt(what: &str) -> ViewError {
    ViewError::Corrupt(format!("{what} does not parse"))
}
