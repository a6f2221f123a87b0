//! What a lying prover would publish: any rows and any checksums under trees and a header that fit them.

use crate::checksum::{self, Coefficients};
use crate::commit;
use crate::header::CELL_BYTES;
use crate::merkle::Tree;
use crate::{Encoding, ErasureError, Header, RowClaim, Verifier};

/// Rows that are yet to be committed to.
pub(crate) struct Forgery {
    header: Header,
    pub(crate) rows: Vec<Vec<u8>>,
}

impl Forgery {
    /// Begin with an honest encoding.
    pub(crate) fn of(encoding: &Encoding) -> Self {
        let rows = (0..encoding.header().shape().rows()).map(|index| encoding.row(index).unwrap().to_vec()).collect();
        Self { header: *encoding.header(), rows }
    }

    /// Say that the blob has another length.
    pub(crate) fn claim_length(&mut self, length: u64) {
        self.header.length = length;
    }

    /// The checksums of the data rows as they now are, under the root over the rows as they now are.
    pub(crate) fn honest_checksums(&self) -> Vec<u8> {
        let coefficients = Coefficients::new(&self.header.shape, &self.tree().root(), 1);
        let data: Vec<&[u8]> = self.rows[..self.header.shape.k()].iter().map(|row| &row[..]).collect();
        checksum::to_bytes(&coefficients.sums(&data, 1))
    }

    /// The header that commits to the rows as they now are and to these checksums.
    pub(crate) fn header(&self, checksums: &[u8]) -> Header {
        let sums = checksum::from_bytes(self.header.shape.k(), checksums).unwrap();
        Header { row_root: self.tree().root(), checksum_root: checksum::root(&sums), ..self.header }
    }

    /// The rows that a verifier of that header refuses, and why.
    pub(crate) fn refused(&self, checksums: &[u8]) -> Vec<(usize, ErasureError)> {
        let verifier = Verifier::new(self.header(checksums), checksums, 1).unwrap();
        let tree = self.tree();
        let paths: Vec<Vec<u8>> = (0..self.rows.len()).map(|index| tree.path(index).concat()).collect();
        let rows = self.rows.iter().zip(&paths).enumerate();
        let claims: Vec<RowClaim> = rows.map(|(index, (bytes, path))| RowClaim { index, bytes, path }).collect();
        let verdicts = verifier.check_rows(&claims, 1).into_iter().enumerate();
        verdicts.filter_map(|(index, verdict)| Some((index, verdict.err()?))).collect()
    }

    fn tree(&self) -> Tree {
        Tree::new(commit::row_digests(&self.rows.concat(), self.header.shape.row_bytes(), CELL_BYTES))
    }
}
