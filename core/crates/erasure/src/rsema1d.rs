//! Celestia's commitment `rsema1d` from the same parts: a row is one leaf, and no header stands around the two roots.

use crate::code;
use crate::commit;
use crate::error::ErasureError;
use crate::hash::{self, Digest};
use crate::shape::Shape;

/// The commitment to K data rows (`[k, row]` bytes).
pub fn commitment(shape: &Shape, data: &[u8]) -> Result<Digest, ErasureError> {
    if data.len() != shape.capacity() {
        return Err(ErasureError::Capacity { length: data.len() as u64, capacity: shape.capacity() as u64 });
    }
    let mut rows = vec![0; shape.rows() * shape.row_bytes()];
    let (known, parity) = rows.split_at_mut(data.len());
    known.copy_from_slice(data);
    code::extend(shape, known, parity, 1);
    let committed = commit::commit(shape, &rows, shape.row_bytes(), 1);
    Ok(hash::of(&[&committed.tree.root(), &committed.checksum_root]))
}
