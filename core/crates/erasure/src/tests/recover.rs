//! Blobs from their rows, and cells, on random shapes.

use super::forge::Forgery;
use super::random::Random;
use crate::{CELL_BYTES, CellClaim, Encoding, ErasureError, Shape, cell_of, cell_path};

/// An encoding of a random blob in a random shape, with rows of several cells.
fn encoding(random: &mut Random) -> Encoding {
    let shape = Shape::new(1 + random.below(20), 1 + random.below(50), 64 * (1 + random.below(50))).unwrap();
    let length = 1 + random.below(shape.capacity());
    Encoding::with_shape(&random.bytes(length), shape, 1).unwrap()
}

/// `count` different rows with their indices.
fn some<'a>(random: &mut Random, encoding: &'a Encoding, count: usize) -> Vec<(usize, &'a [u8])> {
    let mut indices: Vec<usize> = (0..encoding.header().shape().rows()).collect();
    random.shuffle(&mut indices);
    indices[..count].iter().map(|index| (*index, encoding.row(*index).unwrap())).collect()
}

#[test]
fn any_k_rows_give_the_blob_and_every_other_row_back() {
    let mut random = Random::new(1);
    for _ in 0..200 {
        let encoding = encoding(&mut random);
        let shape = encoding.header().shape();
        let rows = some(&mut random, &encoding, shape.k());
        let recovered = Encoding::recover(encoding.header(), &rows, 1 + random.below(2)).unwrap();
        assert!(recovered.blob() == encoding.blob());
        assert_eq!(recovered.checksums(), encoding.checksums());
        for index in 0..shape.rows() {
            assert!(recovered.row(index) == encoding.row(index));
            assert_eq!(recovered.row_path(index), encoding.row_path(index));
        }
    }
}

#[test]
fn one_row_fewer_than_k_is_too_few_however_often_each_is_given() {
    let mut random = Random::new(2);
    for _ in 0..200 {
        let encoding = encoding(&mut random);
        let need = encoding.header().shape().k();
        let rows = some(&mut random, &encoding, need - 1).repeat(3);
        let refused = Encoding::recover(encoding.header(), &rows, 1).err();
        assert_eq!(refused, Some(ErasureError::TooFew { have: need - 1, need }));
    }
}

#[test]
fn rows_of_another_codeword_do_not_become_a_blob() {
    let mut random = Random::new(3);
    for _ in 0..500 {
        let encoding = encoding(&mut random);
        let shape = encoding.header().shape();
        let mut rows = some(&mut random, &encoding, shape.k());
        let mut changed = rows[0].1.to_vec();
        changed[random.below(64)] ^= 1 << random.below(8);
        rows[0].1 = &changed;
        let refused = Encoding::recover(encoding.header(), &rows, 1).err();
        assert!(matches!(refused, Some(ErasureError::NotCommitted | ErasureError::Padding)), "{refused:?}");
    }
}

#[test]
fn padding_that_is_not_zero_is_refused_by_holders_and_readers() {
    let mut random = Random::new(4);
    let shape = Shape::new(8, 24, 128).unwrap();
    // The blob ends within row 5; rows 6 and 7 are padding altogether.
    let full = Encoding::with_shape(&random.bytes(1024), shape, 1).unwrap();
    let short = Encoding::with_shape(&full.blob()[..700], shape, 1).unwrap();
    let mut forgery = Forgery::of(&full);
    forgery.claim_length(700);
    let checksums = forgery.honest_checksums();
    let refused: Vec<(usize, ErasureError)> = (5..8).map(|index| (index, ErasureError::Padding)).collect();
    assert_eq!(forgery.refused(&checksums), refused);
    let rows: Vec<(usize, &[u8])> = (8..16).map(|index| (index, &forgery.rows[index][..])).collect();
    assert_eq!(Encoding::recover(&forgery.header(&checksums), &rows, 1).err(), Some(ErasureError::Padding));
    assert_eq!(Forgery::of(&short).refused(&short.checksums()), []);
}

#[test]
fn a_single_byte_after_the_end_of_the_blob_is_refused() {
    let shape = Shape::new(8, 24, 128).unwrap();
    let blob = Random::new(7).bytes(701);
    let (shorter, longer) = (Encoding::with_shape(&blob[..700], shape, 1), Encoding::with_shape(&blob, shape, 1));
    let (shorter, longer) = (shorter.unwrap(), longer.unwrap());
    let mut forgery = Forgery::of(&longer);
    assert_eq!(forgery.refused(&longer.checksums()), []);
    forgery.claim_length(700);
    // Byte 700 is in row 5; everything else is as it would be without it, or parity.
    assert_eq!(forgery.refused(&longer.checksums()), [(5, ErasureError::Padding)]);
    assert_ne!(forgery.header(&longer.checksums()), *shorter.header());
}

#[test]
fn rows_that_cannot_be_are_refused() {
    let encoding = Encoding::new(&[1; 5000], 1).unwrap();
    let row = encoding.row(0).unwrap();
    let recover = |rows: &[(usize, &[u8])]| Encoding::recover(encoding.header(), rows, 1).err();
    let rows = encoding.header().shape().rows();
    assert_eq!(recover(&[(rows, row)]), Some(ErasureError::NoSuchRow { index: rows, rows }));
    assert_eq!(recover(&[(usize::MAX, row)]), Some(ErasureError::NoSuchRow { index: usize::MAX, rows }));
    assert_eq!(recover(&[(0, &row[1..])]), Some(ErasureError::RowSize(row.len() - 1)));
    assert!(matches!(recover(&[]), Some(ErasureError::TooFew { have: 0, .. })));
}

#[test]
fn every_cell_is_proven_at_its_place_and_nowhere_else() {
    let mut random = Random::new(5);
    for _ in 0..100 {
        let encoding = encoding(&mut random);
        let header = encoding.header();
        for _ in 0..20 {
            let (row, cell) = (random.below(header.shape().rows()), random.below(header.cells()));
            let (bytes, path) = encoding.cell(row, cell).unwrap();
            let path = path.as_flattened();
            assert_eq!(header.check_cell(&CellClaim { row, cell, bytes, path }), Ok(()));
            let (other_row, other_cell) = (random.below(header.shape().rows()), random.below(header.cells()));
            if encoding.cell(other_row, other_cell) != encoding.cell(row, cell) {
                let moved = CellClaim { row: other_row, cell: other_cell, bytes, path };
                let refused = header.check_cell(&moved);
                assert!(matches!(refused, Err(ErasureError::Path | ErasureError::CellSize(_))), "{refused:?}");
            }
            let mut changed = bytes.to_vec();
            let place = random.below(changed.len());
            changed[place] ^= 1 << random.below(8);
            assert_eq!(header.check_cell(&CellClaim { row, cell, bytes: &changed, path }), Err(ErasureError::Path));
            let cut = CellClaim { row, cell, bytes: &bytes[1..], path };
            assert_eq!(header.check_cell(&cut), Err(ErasureError::CellSize(bytes.len() - 1)));
            let shorter = random.below(path.len().max(1)).min(path.len());
            if shorter < path.len() {
                let cut = CellClaim { row, cell, bytes, path: &path[..shorter] };
                assert_eq!(header.check_cell(&cut), Err(ErasureError::Path));
            }
        }
        let past = CellClaim { row: 0, cell: header.cells(), bytes: &[], path: &[] };
        assert!(matches!(header.check_cell(&past), Err(ErasureError::NoSuchCell { .. })));
    }
}

#[test]
fn the_holder_of_a_row_proves_its_cells_without_the_blob() {
    let encoding = Encoding::with_shape(&[3; 30_000], Shape::new(8, 24, 4032).unwrap(), 1).unwrap();
    let (header, row) = (encoding.header(), encoding.row(20).unwrap());
    for cell in 0..header.cells() {
        let bytes = cell_of(header, row, cell).unwrap();
        assert_eq!(bytes.len(), if cell == 3 { 4032 - 3 * CELL_BYTES } else { CELL_BYTES });
        let path = [cell_path(row, cell), encoding.row_path(20).unwrap()].concat();
        assert_eq!(header.check_cell(&CellClaim { row: 20, cell, bytes, path: path.as_flattened() }), Ok(()));
    }
    assert!(cell_of(header, row, header.cells()).is_err());
    assert!(cell_of(header, &row[1..], 0).is_err());
}

#[test]
fn the_commitment_to_a_small_blob_is_pinned() {
    let encoding = Encoding::with_shape(b"hello", Shape::new(2, 6, 64).unwrap(), 1).unwrap();
    let hex: String = encoding.header().commitment().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "f2f5f38a7b45641342cd5b729c55ed4ce29084c20216d31fd5db85354a9378b0");
}

#[test]
fn the_number_of_threads_does_not_change_a_commitment() {
    let blob = Random::new(6).bytes(200_000);
    let commitments: Vec<_> =
        [1, 2, 7].map(|threads| Encoding::new(&blob, threads).unwrap().header().commitment()).to_vec();
    assert!(commitments.iter().all(|commitment| *commitment == commitments[0]));
}
