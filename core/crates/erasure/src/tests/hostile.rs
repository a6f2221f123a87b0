//! A prover who lies, with consistent trees around every lie: no verifier accepts a row that is not of the code.

use super::forge::Forgery;
use super::random::Random;
use crate::{CHECKSUM_BYTES, Encoding, ErasureError, HEADER_BYTES, Header, RowClaim, Shape, Verifier};

const TRIALS: usize = 10_000;

fn shape(random: &mut Random) -> Shape {
    Shape::new(1 + random.below(12), 1 + random.below(36), 64 * (1 + random.below(3))).unwrap()
}

fn encoding(random: &mut Random) -> Encoding {
    let shape = shape(random);
    let length = 1 + random.below(shape.capacity());
    Encoding::with_shape(&random.bytes(length), shape, 1).unwrap()
}

#[test]
fn every_row_and_cell_of_an_honest_encoding_is_accepted() {
    let mut random = Random::new(1);
    for _ in 0..300 {
        let encoding = encoding(&mut random);
        let verifier = Verifier::new(*encoding.header(), &encoding.checksums(), 1).unwrap();
        for index in 0..encoding.header().shape().rows() {
            let path = encoding.row_path(index).unwrap();
            let claim = RowClaim { index, bytes: encoding.row(index).unwrap(), path: path.as_flattened() };
            assert_eq!(verifier.check_rows(&[claim], 1), [Ok(())]);
        }
    }
}

#[test]
fn a_changed_row_under_a_tree_that_holds_it_is_refused() {
    let mut random = Random::new(2);
    for _ in 0..TRIALS {
        let encoding = encoding(&mut random);
        let mut forgery = Forgery::of(&encoding);
        let index = random.below(encoding.header().shape().rows());
        let row = &mut forgery.rows[index];
        match random.below(3) {
            // One symbol.
            0 => row[random.below(64)] ^= 1 << random.below(8),
            // The whole row.
            1 => *row = random.bytes(row.len()),
            // Another row in its place.
            _ => *row = encoding.row((index + 1) % encoding.header().shape().rows()).unwrap().to_vec(),
        }
        if *row == encoding.row(index).unwrap() {
            continue;
        }
        // The checksums are those of the forged data rows, the trees hold the forged rows: only the code is violated. A
        // change of a data row shows in parity rows, a change of a parity row in itself.
        let refused = forgery.refused(&forgery.honest_checksums());
        assert!(!refused.is_empty(), "{:?} {index}", encoding.header().shape());
        assert!(refused.iter().all(|(_, error)| matches!(error, ErasureError::RowChecksum | ErasureError::Padding)));
    }
}

#[test]
fn a_changed_checksum_under_a_root_that_holds_it_is_refused() {
    let mut random = Random::new(3);
    for _ in 0..TRIALS {
        let encoding = encoding(&mut random);
        let forgery = Forgery::of(&encoding);
        let mut checksums = forgery.honest_checksums();
        let place = random.below(checksums.len());
        checksums[place] ^= 1 << random.below(8);
        let refused = forgery.refused(&checksums);
        assert!(refused.contains(&(place / CHECKSUM_BYTES, ErasureError::RowChecksum)));
    }
}

#[test]
fn rows_that_are_no_code_at_all_are_refused() {
    let mut random = Random::new(4);
    for _ in 0..TRIALS / 10 {
        let encoding = encoding(&mut random);
        let mut forgery = Forgery::of(&encoding);
        let shape = encoding.header().shape();
        (shape.k()..shape.rows()).for_each(|index| forgery.rows[index] = random.bytes(shape.row_bytes()));
        let refused = forgery.refused(&forgery.honest_checksums());
        assert_eq!(refused.len(), shape.n(), "every parity row");
    }
}

#[test]
fn a_row_at_another_place_or_cut_or_with_another_path_is_refused() {
    let mut random = Random::new(5);
    for _ in 0..TRIALS {
        let encoding = encoding(&mut random);
        let verifier = Verifier::new(*encoding.header(), &encoding.checksums(), 1).unwrap();
        let rows = encoding.header().shape().rows();
        let index = random.below(rows);
        let (mut bytes, mut path) = (encoding.row(index).unwrap().to_vec(), encoding.row_path(index).unwrap().concat());
        let mut place = index;
        let expected = match random.below(6) {
            0 => {
                place = random.below(rows);
                ErasureError::Path
            }
            1 => {
                place = rows + random.below(1 << 20);
                ErasureError::NoSuchRow { index: place, rows }
            }
            2 => {
                bytes.truncate(random.below(bytes.len()));
                ErasureError::RowSize(bytes.len())
            }
            3 => {
                path.truncate(random.below(path.len()));
                ErasureError::Path
            }
            4 => {
                let byte = random.below(path.len());
                path[byte] ^= 1 << random.below(8);
                ErasureError::Path
            }
            _ => {
                let byte = random.below(bytes.len());
                bytes[byte] ^= 1 << random.below(8);
                ErasureError::Path
            }
        };
        // Rows of nothing but padding, or of a code with one data row, are the same in many places.
        let same = |path: &[u8]| encoding.row_path(place).is_ok_and(|own| own.as_flattened() == path);
        if encoding.row(place) == Ok(&bytes) && same(&path) {
            continue;
        }
        let verdict = verifier.check_rows(&[RowClaim { index: place, bytes: &bytes, path: &path }], 1);
        assert_eq!(verdict, [Err(expected)]);
    }
}

#[test]
fn checksums_that_the_header_does_not_commit_to_are_refused() {
    let mut random = Random::new(6);
    for _ in 0..1_000 {
        let encoding = encoding(&mut random);
        let mut checksums = encoding.checksums();
        let place = random.below(checksums.len());
        checksums[place] ^= 1 << random.below(8);
        let refused = Verifier::new(*encoding.header(), &checksums, 1).err();
        assert_eq!(refused, Some(ErasureError::Checksums));
    }
}

#[test]
fn a_header_that_names_another_length_or_shape_has_another_commitment() {
    let mut random = Random::new(7);
    for _ in 0..TRIALS {
        let encoding = encoding(&mut random);
        let mut bytes = encoding.header().to_bytes();
        bytes[1 + random.below(HEADER_BYTES - 1)] ^= 1 << random.below(8);
        if let Ok(header) = Header::parse(&bytes) {
            assert_ne!(header.commitment(), encoding.header().commitment());
        }
    }
}
