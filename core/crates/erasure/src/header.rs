//! The header of a dispersed blob, and the commitment to it.
//!
//! ```text
//! header     = version u8 ‖ K u16 ‖ N u16 ‖ row bytes u32 ‖ blob length u64 ‖ row root 32 ‖ checksum root 32
//! commitment = SHA-256(header)                                         (numbers big-endian, 81 bytes together)
//! row root   = RFC 6962 over the rows; in place of a row's leaf stands the root over its 1 KiB cells
//! ```
//!
//! The length is certified with the rest. A cell is proven by SHA-256 alone: the header, the cell, one path.

use crate::error::ErasureError;
use crate::hash::{self, Digest};
use crate::shape::Shape;

/// The version of headers that this crate makes and takes.
pub const HEADER_VERSION: u8 = 1;
/// Bytes of a header.
pub const HEADER_BYTES: usize = 81;
/// Bytes of a cell; a row's last one may be shorter.
pub const CELL_BYTES: usize = 1024;

/// What a commitment commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub(crate) shape: Shape,
    pub(crate) length: u64,
    pub(crate) row_root: Digest,
    pub(crate) checksum_root: Digest,
}

impl Header {
    /// Parse a header that may come from anyone. Its shape is within the bounds and holds the length.
    pub fn parse(bytes: &[u8]) -> Result<Self, ErasureError> {
        let bytes: &[u8; HEADER_BYTES] = bytes.try_into().map_err(|_| ErasureError::HeaderSize(bytes.len()))?;
        let (fields, roots) = bytes.split_at(17);
        let number =
            |from: usize, to: usize| fields[from..to].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        if fields[0] != HEADER_VERSION {
            return Err(ErasureError::HeaderVersion(fields[0]));
        }
        let (k, n, row_bytes, length) = (number(1, 3), number(3, 5), number(5, 9), number(9, 17));
        let shape = Shape::new(k as usize, n as usize, row_bytes as usize)?;
        shape.holds(length)?;
        let root = |from: usize| std::array::from_fn(|byte| roots[from + byte]);
        Ok(Self { shape, length, row_root: root(0), checksum_root: root(32) })
    }

    /// As [`Self::parse`] reads it.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = HEADER_VERSION;
        bytes[1..3].copy_from_slice(&(self.shape.k() as u16).to_be_bytes());
        bytes[3..5].copy_from_slice(&(self.shape.n() as u16).to_be_bytes());
        bytes[5..9].copy_from_slice(&(self.shape.row_bytes() as u32).to_be_bytes());
        bytes[9..17].copy_from_slice(&self.length.to_be_bytes());
        bytes[17..49].copy_from_slice(&self.row_root);
        bytes[49..].copy_from_slice(&self.checksum_root);
        bytes
    }

    /// What is signed and certified.
    pub fn commitment(&self) -> Digest {
        hash::of(&[&self.to_bytes()])
    }

    /// The rows' shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Bytes of the blob.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether the shape is the one that a blob of this length is dispersed in.
    pub fn is_canonical(&self) -> bool {
        Shape::for_length(self.length) == Ok(self.shape)
    }

    /// Cells of a row.
    pub fn cells(&self) -> usize {
        self.shape.row_bytes().div_ceil(CELL_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::random::Random;

    fn header() -> Header {
        let shape = Shape::for_length(5_000_000).unwrap();
        Header { shape, length: 5_000_000, row_root: [1; 32], checksum_root: [2; 32] }
    }

    #[test]
    fn a_header_is_what_it_was_before_it_was_bytes() {
        assert_eq!(Header::parse(&header().to_bytes()), Ok(header()));
        assert!(header().is_canonical());
        let other = Header { shape: Shape::new(1000, 3000, 5056).unwrap(), ..header() };
        assert!(!Header::parse(&other.to_bytes()).unwrap().is_canonical());
    }

    #[test]
    fn every_bit_of_a_header_changes_the_commitment() {
        let bytes = header().to_bytes();
        for bit in 0..8 * HEADER_BYTES {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            match Header::parse(&other) {
                Ok(other) => assert_ne!(other.commitment(), header().commitment()),
                Err(_) => assert!(bit < 8 * 17, "any root parses"),
            }
        }
    }

    #[test]
    fn headers_that_do_not_parse_are_refused() {
        let bytes = header().to_bytes();
        assert_eq!(Header::parse(&bytes[..80]), Err(ErasureError::HeaderSize(80)));
        assert_eq!(Header::parse(&[&[2], &bytes[1..]].concat()), Err(ErasureError::HeaderVersion(2)));
        let mut long = bytes;
        long[9] = 1;
        assert!(matches!(Header::parse(&long), Err(ErasureError::Capacity { .. })));
        let mut random = Random::new(6);
        for _ in 0..10_000 {
            let mut noise = random.bytes(HEADER_BYTES);
            noise[0] = HEADER_VERSION;
            if let Ok(header) = Header::parse(&noise) {
                assert_eq!(header.to_bytes().to_vec(), noise);
            }
        }
    }
}
