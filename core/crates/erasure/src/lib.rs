//! Erasure-coded blobs whose rows anyone can check: systematic Reed–Solomon over GF(2¹⁶) with ZODA's checksums.
//!
//! ```text
//! blob ─▶ K data rows ─▶ N parity rows ─▶ row root ─▶ coefficients ─▶ K checksums ─▶ checksum root
//!                                            └──────────────── header ◀────────────────┘
//!                                                                 └─▶ commitment
//! ```
//!
//! [`Encoding`] makes all of that. [`Verifier`] accepts a row only when it is the committed one and of the code, so a
//! wrong encoding is noticed by whoever gets a row, without a trusted setup. [`Header::check_cell`] is for light clients
//! and contracts. [`Encoding::recover`] needs any K rows. An [`Index`] makes
//! one blob of many small ones.

#[cfg(target_arch = "x86_64")]
mod affine;
mod answer;
mod buffer;
mod bundle;
mod checksum;
mod code;
mod commit;
mod encoding;
mod engine;
mod error;
mod field;
#[cfg(target_arch = "x86_64")]
mod gfni;
mod hash;
mod header;
mod merkle;
mod parallel;
mod range;
mod recover;
pub mod rsema1d;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
mod shape;
#[cfg(test)]
mod tests;
mod verify;

pub use bundle::{
    BUNDLE_BLOBS_MAX, BUNDLE_HEAD_BYTES, ENTRY_BYTES, Entry, Index, IndexRoot, NAMESPACE_BYTES, Namespace,
};
pub use checksum::CHECKSUM_BYTES;
pub use encoding::{Encoding, cell_of, cell_path};
pub use error::ErasureError;
pub use hash::Digest;
pub use header::{CELL_BYTES, HEADER_BYTES, HEADER_VERSION, Header};
pub use shape::{BLOB_MAX_BYTES, ROW_MAX_BYTES, ROW_UNIT_BYTES, ROWS_MAX, Shape};
pub use verify::{CellClaim, RowClaim, Verifier};
