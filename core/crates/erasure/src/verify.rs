//! Checks of rows and cells that may come from anyone.
//!
//! ```text
//! cell ─ path ─▶ row root ─▶ header ─▶ commitment                    anyone, SHA-256 only: the bytes are the committed ones
//! row  ─ digest, path ─▶ row root                                    a holder: likewise, and
//!      ─ Σ X_ij·h_j = (Gz)_i ◀─ z ─▶ checksum root ─▶ header         the row is of the code
//! ```

use crate::checksum::{self, Checksum, Coefficients};
use crate::commit;
use crate::error::ErasureError;
use crate::hash::{self, Digest};
use crate::header::{CELL_BYTES, Header};
use crate::merkle::{self, LEAF};
use crate::parallel;

/// A row that somebody says is at `index`.
#[derive(Clone, Copy, Debug)]
pub struct RowClaim<'a> {
    pub index: usize,
    pub bytes: &'a [u8],
    /// Digests in a row, see [`crate::Encoding::row_path`].
    pub path: &'a [u8],
}

/// A cell that somebody says is at a place.
#[derive(Clone, Copy, Debug)]
pub struct CellClaim<'a> {
    pub row: usize,
    pub cell: usize,
    pub bytes: &'a [u8],
    /// Digests in a row, see [`crate::Encoding::cell`].
    pub path: &'a [u8],
}

impl Header {
    /// Whether there is a row of this index.
    pub(crate) fn holds_row(&self, index: usize) -> Result<(), ErasureError> {
        let rows = self.shape.rows();
        if index < rows { Ok(()) } else { Err(ErasureError::NoSuchRow { index, rows }) }
    }

    /// Whether the cell is committed to at its place.
    pub fn check_cell(&self, claim: &CellClaim) -> Result<(), ErasureError> {
        self.holds_row(claim.row)?;
        let cells = self.cells();
        if claim.cell >= cells {
            return Err(ErasureError::NoSuchCell { index: claim.cell, cells });
        }
        let length = (self.shape.row_bytes() - claim.cell * CELL_BYTES).min(CELL_BYTES);
        if claim.bytes.len() != length {
            return Err(ErasureError::CellSize(claim.bytes.len()));
        }
        let path = digests(claim.path)?;
        let within = merkle::path_length(claim.cell, cells);
        let (inner, outer) = path.split_at_checked(within).ok_or(ErasureError::Path)?;
        let leaf = hash::of(&[&[LEAF], claim.bytes]);
        let row = merkle::climb(leaf, claim.cell, cells, inner).ok_or(ErasureError::Path)?;
        self.check_digest(claim.row, row, outer)
    }

    /// Whether the row is committed to at its place; says nothing about the code.
    fn check_row(&self, claim: &RowClaim) -> Result<(), ErasureError> {
        self.holds_row(claim.index)?;
        let row = self.shape.row_bytes();
        if claim.bytes.len() != row {
            return Err(ErasureError::RowSize(claim.bytes.len()));
        }
        let digest = commit::row_digests(claim.bytes, row, CELL_BYTES)[0];
        self.check_digest(claim.index, digest, digests(claim.path)?)?;
        let used = if claim.index < self.shape.k() {
            (self.length as usize).saturating_sub(claim.index * row).min(row)
        } else {
            row
        };
        if claim.bytes[used..].iter().all(|byte| *byte == 0) { Ok(()) } else { Err(ErasureError::Padding) }
    }

    fn check_digest(&self, index: usize, digest: Digest, path: &[Digest]) -> Result<(), ErasureError> {
        match merkle::climb(digest, index, self.shape.rows(), path) {
            Some(root) if root == self.row_root => Ok(()),
            _ => Err(ErasureError::Path),
        }
    }
}

/// Checks the rows of one commitment; made once, it knows every row's checksum.
pub struct Verifier {
    header: Header,
    /// Of all rows.
    sums: Vec<Checksum>,
    coefficients: Coefficients,
}

impl Verifier {
    /// From a header and the data rows' checksums, as a peer sends them: [`ErasureError::ChecksumSize`] or
    /// [`ErasureError::Checksums`] when they do not belong together.
    pub fn new(header: Header, checksums: &[u8], threads: usize) -> Result<Self, ErasureError> {
        let sums = checksum::from_bytes(header.shape.k(), checksums)?;
        if checksum::root(&sums) != header.checksum_root {
            return Err(ErasureError::Checksums);
        }
        let sums = checksum::extend(&header.shape, &sums, threads);
        let coefficients = Coefficients::new(&header.shape, &header.row_root, threads);
        Ok(Self { header, sums, coefficients })
    }

    /// The header that rows are checked against.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether each row is the committed one of its place, of the code, and zero after the blob's end.
    pub fn check_rows(&self, claims: &[RowClaim], threads: usize) -> Vec<Result<(), ErasureError>> {
        let spans = parallel::spans(claims.len(), threads);
        let check = |claim| self.header.check_row(claim);
        let mut verdicts = parallel::each(spans, |span| claims[span].iter().map(check).collect::<Vec<_>>()).concat();
        let committed: Vec<usize> = (0..claims.len()).filter(|place| verdicts[*place].is_ok()).collect();
        let rows: Vec<&[u8]> = committed.iter().map(|place| claims[*place].bytes).collect();
        for (place, sum) in committed.into_iter().zip(self.coefficients.sums(&rows, threads)) {
            if sum != self.sums[claims[place].index] {
                verdicts[place] = Err(ErasureError::RowChecksum);
            }
        }
        verdicts
    }
}

fn digests(path: &[u8]) -> Result<&[Digest], ErasureError> {
    match path.as_chunks() {
        (digests, []) => Ok(digests),
        _ => Err(ErasureError::Path),
    }
}
