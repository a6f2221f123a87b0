//! A blob as rows with everything that others ask for: header, checksums, rows and cells with their paths.

use crate::buffer;
use crate::checksum::{self, Checksum};
use crate::code;
use crate::commit::{self, Committed};
use crate::error::ErasureError;
use crate::hash::{self, Digest};
use crate::header::{CELL_BYTES, Header};
use crate::merkle::{LEAF, Tree};
use crate::shape::Shape;

/// An encoded blob: all its rows in one buffer.
#[derive(Debug)]
pub struct Encoding {
    header: Header,
    /// `[k + n, row]` bytes.
    rows: Vec<u8>,
    tree: Tree,
    sums: Vec<Checksum>,
}

impl Encoding {
    /// Encode and commit in the shape that blobs of this length have, on at most `threads` threads.
    pub fn new(blob: &[u8], threads: usize) -> Result<Self, ErasureError> {
        Self::with_shape(blob, Shape::for_length(blob.len() as u64)?, threads)
    }

    /// As [`Self::new`], in another shape. The shape has to hold the blob.
    pub fn with_shape(blob: &[u8], shape: Shape, threads: usize) -> Result<Self, ErasureError> {
        shape.holds(blob.len() as u64)?;
        let mut rows = buffer::zeroed(shape.rows() * shape.row_bytes());
        rows[..blob.len()].copy_from_slice(blob);
        Ok(Self::of_data(shape, blob.len() as u64, rows, threads))
    }

    /// Encode and commit rows of which the first K are filled in.
    pub(crate) fn of_data(shape: Shape, length: u64, mut rows: Vec<u8>, threads: usize) -> Self {
        let (data, parity) = rows.split_at_mut(shape.capacity());
        code::extend(&shape, data, parity, threads);
        let Committed { tree, sums, checksum_root } = commit::commit(&shape, &rows, CELL_BYTES, threads);
        let header = Header { shape, length, row_root: tree.root(), checksum_root };
        Self { header, rows, tree, sums }
    }

    /// The header, and through it the commitment.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The blob.
    pub fn blob(&self) -> &[u8] {
        &self.rows[..self.header.length as usize]
    }

    /// The data rows' checksums, [`crate::CHECKSUM_BYTES`] each.
    pub fn checksums(&self) -> Vec<u8> {
        checksum::to_bytes(&self.sums)
    }

    /// A row's bytes.
    pub fn row(&self, index: usize) -> Result<&[u8], ErasureError> {
        self.header.holds_row(index)?;
        Ok(&self.rows[index * self.header.shape.row_bytes()..][..self.header.shape.row_bytes()])
    }

    /// The digests beside the way from a row to the row root, lowest first.
    pub fn row_path(&self, index: usize) -> Result<Vec<Digest>, ErasureError> {
        self.header.holds_row(index)?;
        Ok(self.tree.path(index))
    }

    /// A cell's bytes and the digests beside its way to the row root, lowest first.
    pub fn cell(&self, row: usize, cell: usize) -> Result<(&[u8], Vec<Digest>), ErasureError> {
        let bytes = cell_of(&self.header, self.row(row)?, cell)?;
        Ok((bytes, [cell_path(self.row(row)?, cell), self.tree.path(row)].concat()))
    }
}

/// The bytes of a row's cell.
pub fn cell_of<'a>(header: &Header, row: &'a [u8], cell: usize) -> Result<&'a [u8], ErasureError> {
    let cells = header.cells();
    if row.len() != header.shape.row_bytes() {
        return Err(ErasureError::RowSize(row.len()));
    }
    row.chunks(CELL_BYTES).nth(cell).ok_or(ErasureError::NoSuchCell { index: cell, cells })
}

/// The digests beside the way from a cell to its row's digest, lowest first. Whoever holds a row and its path proves any
/// of its cells: this path and then the row's.
pub fn cell_path(row: &[u8], cell: usize) -> Vec<Digest> {
    let mut digests = vec![[0; 32]; row.len().div_ceil(CELL_BYTES)];
    hash::many(LEAF, row, CELL_BYTES, &mut digests);
    Tree::new(digests).path(cell)
}
