//! What can be wrong with a blob, a header, a row, a cell or a bundle.

use crate::shape::{BLOB_MAX_BYTES, ROW_MAX_BYTES, ROWS_MAX};

/// Every error of this crate. Those of rows and cells blame whoever sent them; [`ErasureError::NotCommitted`] and
/// [`ErasureError::Padding`] blame whoever made the commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErasureError {
    /// A blob that is empty or too long.
    #[error("a blob of {0} bytes: 1 to {BLOB_MAX_BYTES} can be encoded")]
    Length(u64),
    /// A shape outside the bounds.
    #[error(
        "a shape of {k} + {n} rows of {row_bytes} bytes: at most {ROWS_MAX} rows of a multiple of 64 bytes up to {ROW_MAX_BYTES}"
    )]
    Shape { k: u64, n: u64, row_bytes: u64 },
    /// A blob that its shape does not hold.
    #[error("a blob of {length} bytes in data rows of {capacity} bytes together")]
    Capacity { length: u64, capacity: u64 },
    /// A header of another size.
    #[error("a header of {0} bytes")]
    HeaderSize(usize),
    /// A header of another version.
    #[error("a header of version {0}")]
    HeaderVersion(u8),
    /// Checksums of another number of bytes.
    #[error("checksums of {0} bytes")]
    ChecksumSize(usize),
    /// Checksums that the header does not commit to.
    #[error("checksums that the header does not commit to")]
    Checksums,
    /// An index past the last row.
    #[error("row {index} of {rows}")]
    NoSuchRow { index: usize, rows: usize },
    /// A row of another length.
    #[error("a row of {0} bytes")]
    RowSize(usize),
    /// A row or cell whose path does not lead to the committed root.
    #[error("not the committed bytes of this place")]
    Path,
    /// A row that is committed and yet is not of the code.
    #[error("a row that its checksum refuses")]
    RowChecksum,
    /// Bytes after the blob's end that are not zero.
    #[error("padding that is not zero")]
    Padding,
    /// An index past the row's last cell.
    #[error("cell {index} of {cells}")]
    NoSuchCell { index: usize, cells: usize },
    /// A cell of another length.
    #[error("a cell of {0} bytes")]
    CellSize(usize),
    /// Too few different rows to recover a blob.
    #[error("{have} different rows where {need} are needed")]
    TooFew { have: usize, need: usize },
    /// Rows that decode to another commitment: with verified rows, the committed rows are no codeword.
    #[error("the recovered rows do not have this commitment")]
    NotCommitted,
    /// A bundle that does not parse.
    #[error("no bundle: {0}")]
    Bundle(&'static str),
    /// A proof about a bundle's index that does not hold.
    #[error("no proof: {0}")]
    RangeProof(&'static str),
}
