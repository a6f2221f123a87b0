//! The two roots over a set of rows: over the rows, then over the checksums that follow from the first root.

use crate::checksum::{self, Checksum, Coefficients};
use crate::hash::{self, Digest};
use crate::merkle::{self, LEAF, Tree};
use crate::parallel;
use crate::shape::Shape;

/// What is committed to: a tree over all rows, and the data rows' checksums.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) tree: Tree,
    pub(crate) sums: Vec<Checksum>,
    pub(crate) checksum_root: Digest,
}

/// Commit to `rows` (`[k + n, row]` bytes) cut into cells of `cell_bytes`, on at most `threads` threads.
pub(crate) fn commit(shape: &Shape, rows: &[u8], cell_bytes: usize, threads: usize) -> Committed {
    let row = shape.row_bytes();
    let digests = parallel::each(parallel::spans(shape.rows(), threads), |span| {
        row_digests(&rows[span.start * row..span.end * row], row, cell_bytes)
    });
    let tree = Tree::new(digests.concat());
    let data: Vec<&[u8]> = rows.chunks_exact(row).take(shape.k()).collect();
    let sums = Coefficients::new(shape, &tree.root(), threads).sums(&data, threads);
    let checksum_root = checksum::root(&sums);
    Committed { tree, sums, checksum_root }
}

/// The root over each row's cells.
pub(crate) fn row_digests(rows: &[u8], row: usize, cell_bytes: usize) -> Vec<Digest> {
    let cells = row.div_ceil(cell_bytes);
    let mut digests = vec![[0; 32]; rows.len() / row * cells];
    if row.is_multiple_of(cell_bytes) {
        hash::many(LEAF, rows, cell_bytes, &mut digests);
    } else {
        for (row, digests) in rows.chunks_exact(row).zip(digests.chunks_exact_mut(cells)) {
            hash::many(LEAF, row, cell_bytes, digests);
        }
    }
    if cells == 1 { digests } else { digests.chunks_exact(cells).map(|row| merkle::root(row.to_vec())).collect() }
}
