//! Many small blobs as one, with an index by namespace.
//!
//! ```text
//! bundle = "ZGB1" ‖ count u32 ‖ index root 32 ‖ count × entry ‖ the blobs, in the order of their entries
//! entry  = namespace 29 ‖ SHA-256 of the blob 32 ‖ offset u64 ‖ length u64                (numbers big-endian)
//! ```
//!
//! Entries are sorted by namespace, those of one namespace in the order of submission, and the blobs lie without gaps; what
//! is not so is no bundle. The index root is RFC 6962 over the entries and lies in the first cell of the bundle's first
//! row: a light client checks that cell against the bundle's commitment, a proof about a namespace ([`Index::prove`]) against the root, and then
//! reads just the cells of the blob that it wants.

use std::ops::Range;

use crate::error::ErasureError;
use crate::hash::{self, Digest};
use crate::merkle::{LEAF, Tree};
use crate::shape::BLOB_MAX_BYTES;

/// Bytes of a namespace: Celestia's version byte and 28 more.
pub const NAMESPACE_BYTES: usize = 29;
/// Most blobs in a bundle.
pub const BUNDLE_BLOBS_MAX: usize = 65_536;
/// Bytes before the entries; they are within the first cell.
pub const BUNDLE_HEAD_BYTES: usize = 40;
/// Bytes of an entry.
pub const ENTRY_BYTES: usize = NAMESPACE_BYTES + 48;

const MAGIC: &[u8; 4] = b"ZGB1";

/// A namespace; bundles are sorted by it.
pub type Namespace = [u8; NAMESPACE_BYTES];

/// Where a blob is in its bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub namespace: Namespace,
    /// SHA-256 of the blob.
    pub digest: Digest,
    /// From the bundle's first byte.
    pub offset: u64,
    pub length: u64,
}

impl Entry {
    pub(crate) fn parse(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let (namespace, rest) = bytes.split_at(NAMESPACE_BYTES);
        let number = |from: usize| rest[from..from + 8].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        Self {
            namespace: std::array::from_fn(|byte| namespace[byte]),
            digest: std::array::from_fn(|byte| rest[byte]),
            offset: number(32),
            length: number(40),
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..29].copy_from_slice(&self.namespace);
        bytes[29..61].copy_from_slice(&self.digest);
        bytes[61..69].copy_from_slice(&self.offset.to_be_bytes());
        bytes[69..].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }
}

/// The index of a bundle.
#[derive(Debug)]
pub struct Index {
    pub(crate) entries: Vec<Entry>,
    pub(crate) tree: Tree,
}

impl Index {
    /// Make a bundle of blobs with their namespaces, in the order of submission.
    pub fn build(blobs: &[(Namespace, &[u8])]) -> Result<Vec<u8>, ErasureError> {
        if blobs.is_empty() || blobs.len() > BUNDLE_BLOBS_MAX {
            return Err(ErasureError::Bundle("it has no blob or too many"));
        }
        let mut sorted: Vec<&(Namespace, &[u8])> = blobs.iter().collect();
        sorted.sort_by_key(|(namespace, _)| *namespace);
        let mut offset = BUNDLE_HEAD_BYTES + blobs.len() * ENTRY_BYTES;
        let mut entries = Vec::with_capacity(blobs.len());
        for (namespace, blob) in sorted.iter().copied() {
            if blob.is_empty() {
                return Err(ErasureError::Bundle("a blob in it is empty"));
            }
            let (at, length) = (offset as u64, blob.len() as u64);
            entries.push(Entry { namespace: *namespace, digest: hash::of(&[blob]), offset: at, length });
            offset = offset.saturating_add(blob.len());
        }
        if offset > BLOB_MAX_BYTES {
            return Err(ErasureError::Length(offset as u64));
        }
        let mut bundle = Vec::with_capacity(offset);
        bundle.extend_from_slice(MAGIC);
        bundle.extend_from_slice(&(blobs.len() as u32).to_be_bytes());
        bundle.extend_from_slice(&tree(&entries).root());
        entries.iter().for_each(|entry| bundle.extend_from_slice(&entry.to_bytes()));
        sorted.iter().for_each(|(_, blob)| bundle.extend_from_slice(blob));
        Ok(bundle)
    }

    /// Read the index at the start of a bundle of `length` bytes; `start` may end anywhere after it.
    pub fn parse(start: &[u8], length: u64) -> Result<Self, ErasureError> {
        let root = IndexRoot::parse(start)?;
        let bytes = start[BUNDLE_HEAD_BYTES..].as_chunks::<ENTRY_BYTES>().0;
        let bytes = bytes.get(..root.count).ok_or(ErasureError::Bundle("its index is cut off"))?;
        let entries: Vec<Entry> = bytes.iter().map(Entry::parse).collect();
        if !entries.is_sorted_by_key(|entry| entry.namespace) {
            return Err(ErasureError::Bundle("its index is not sorted"));
        }
        let mut end = (BUNDLE_HEAD_BYTES + bytes.as_flattened().len()) as u64;
        for entry in &entries {
            if entry.offset != end || entry.length == 0 {
                return Err(ErasureError::Bundle("its blobs have gaps or none of a length"));
            }
            end = end.saturating_add(entry.length);
        }
        let tree = tree(&entries);
        if end != length {
            return Err(ErasureError::Bundle("its blobs do not end where it ends"));
        }
        if tree.root() != root.digest {
            return Err(ErasureError::Bundle("its index has another root"));
        }
        Ok(Self { entries, tree })
    }

    /// All entries, by namespace and then in the order of submission.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The places of a namespace's entries.
    pub fn range(&self, namespace: &Namespace) -> Range<usize> {
        let start = self.entries.partition_point(|entry| entry.namespace < *namespace);
        start..self.entries.partition_point(|entry| entry.namespace <= *namespace)
    }
}

/// The root of a bundle's index: what its first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRoot {
    /// Entries in the index.
    pub count: usize,
    pub digest: Digest,
}

impl IndexRoot {
    /// Read the first [`BUNDLE_HEAD_BYTES`] of a bundle, or more.
    pub fn parse(start: &[u8]) -> Result<Self, ErasureError> {
        let head: &[u8; BUNDLE_HEAD_BYTES] = start.first_chunk().ok_or(ErasureError::Bundle("it has no head"))?;
        if !head.starts_with(MAGIC) {
            return Err(ErasureError::Bundle("it begins otherwise"));
        }
        let count = u32::from_be_bytes(std::array::from_fn(|byte| head[4 + byte])) as usize;
        if !(1..=BUNDLE_BLOBS_MAX).contains(&count) {
            return Err(ErasureError::Bundle("it has no blob or too many"));
        }
        Ok(Self { count, digest: std::array::from_fn(|byte| head[8 + byte]) })
    }
}

fn tree(entries: &[Entry]) -> Tree {
    let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_bytes()).collect();
    let mut leaves = vec![[0; 32]; entries.len()];
    hash::many(LEAF, &bytes, ENTRY_BYTES, &mut leaves);
    Tree::new(leaves)
}
