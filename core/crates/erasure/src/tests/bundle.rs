//! Bundles and proofs about their namespaces, sound and not.

use super::random::Random;
use crate::hash;
use crate::{
    BUNDLE_HEAD_BYTES, CellClaim, ENTRY_BYTES, Encoding, ErasureError, Index, IndexRoot, NAMESPACE_BYTES, Namespace,
};

fn namespace(number: usize) -> Namespace {
    let mut namespace = [0; NAMESPACE_BYTES];
    namespace[NAMESPACE_BYTES - 1] = number as u8;
    namespace
}

/// Blobs in namespaces 1, 3, 5 … so that others lie between, before and after them.
fn blobs(random: &mut Random, count: usize) -> Vec<(Namespace, Vec<u8>)> {
    (0..count)
        .map(|_| {
            let length = 1 + random.below(300);
            (namespace(1 + 2 * random.below(6)), random.bytes(length))
        })
        .collect()
}

fn bundle(blobs: &[(Namespace, Vec<u8>)]) -> Vec<u8> {
    let borrowed: Vec<(Namespace, &[u8])> = blobs.iter().map(|(namespace, blob)| (*namespace, &blob[..])).collect();
    Index::build(&borrowed).unwrap()
}

#[test]
fn a_namespace_has_its_blobs_in_the_order_of_submission() {
    let mut random = Random::new(1);
    for count in 1..60 {
        let blobs = blobs(&mut random, count);
        let bundle = bundle(&blobs);
        let index = Index::parse(&bundle, bundle.len() as u64).unwrap();
        let root = IndexRoot::parse(&bundle).unwrap();
        for number in 0..14 {
            let proven = root.check(&namespace(number), &index.prove(&namespace(number))).unwrap();
            assert_eq!(proven, index.entries()[index.range(&namespace(number))]);
            let read = proven.iter().map(|entry| &bundle[entry.offset as usize..][..entry.length as usize]);
            let submitted = blobs.iter().filter(|(own, _)| *own == namespace(number)).map(|(_, blob)| &blob[..]);
            assert!(read.eq(submitted), "{count} {number}");
        }
    }
}

#[test]
fn no_proof_hides_a_blob_or_makes_one_up() {
    let mut random = Random::new(2);
    let mut lies = 0;
    for _ in 0..3_000 {
        let count = 1 + random.below(40);
        let bundle = bundle(&blobs(&mut random, count));
        let index = Index::parse(&bundle, bundle.len() as u64).unwrap();
        let root = IndexRoot::parse(&bundle).unwrap();
        let wanted = namespace(random.below(14));
        let truth = index.entries()[index.range(&wanted)].to_vec();
        let mut proof = index.prove(&namespace(random.below(14)));
        match random.below(4) {
            0 => proof.truncate(random.below(proof.len())),
            1 => proof.extend_from_slice(&random.bytes(32)),
            2 => {
                let place = random.below(proof.len());
                proof[place] ^= 1 << random.below(8);
            }
            _ => {}
        }
        match root.check(&wanted, &proof) {
            Ok(entries) => assert_eq!(entries, truth),
            Err(error) => {
                assert!(matches!(error, ErasureError::RangeProof(_)));
                lies += 1;
            }
        }
    }
    assert!(lies > 1_000);
}

#[test]
fn a_proof_with_something_behind_it_is_refused() {
    let bundle = bundle(&blobs(&mut Random::new(4), 20));
    let index = Index::parse(&bundle, bundle.len() as u64).unwrap();
    let root = IndexRoot::parse(&bundle).unwrap();
    for behind in [1, 32] {
        let proof = [index.prove(&namespace(3)), vec![0; behind]].concat();
        assert!(root.check(&namespace(3), &proof).is_err(), "{behind}");
    }
}

#[test]
fn a_proof_without_the_neighbours_does_not_show_that_nothing_is_missing() {
    let blobs: Vec<(Namespace, Vec<u8>)> = (1..=4).map(|number| (namespace(number), vec![number as u8])).collect();
    let bundle = bundle(&blobs);
    let index = Index::parse(&bundle, bundle.len() as u64).unwrap();
    let root = IndexRoot::parse(&bundle).unwrap();
    // Entries 1 and 2 of 0..4 with the two subtrees beside them: sound for namespace 2 only if 3 may be its neighbour.
    let proof = index.prove(&namespace(1));
    assert_eq!(root.check(&namespace(1), &proof).unwrap().len(), 1);
    let incomplete = root.check(&namespace(2), &proof);
    assert_eq!(incomplete, Err(ErasureError::RangeProof("it does not show that these are all")));
}

#[test]
fn the_wire_form_of_a_bundle_is_pinned() {
    let bundle = bundle(&[(namespace(2), b"two".to_vec()), (namespace(1), b"one".to_vec())]);
    let digest: String = hash::of(&[&bundle]).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "ebafdd68e01d38e2f9bef5f28e13fc3977b270d315dd5864ff68a2b197fb222d");
}

#[test]
fn what_is_no_bundle_is_refused() {
    let blobs: Vec<(Namespace, Vec<u8>)> = (1..=3).map(|number| (namespace(number), vec![7; 10])).collect();
    let good = bundle(&blobs);
    let parse = |bytes: &[u8]| Index::parse(bytes, good.len() as u64).map(|_| ());
    assert_eq!(parse(&good), Ok(()));
    for place in 0..BUNDLE_HEAD_BYTES + 3 * ENTRY_BYTES {
        let mut bad = good.clone();
        bad[place] ^= 1;
        assert!(matches!(parse(&bad), Err(ErasureError::Bundle(_))), "{place}");
    }
    let mut unsorted = good.clone();
    unsorted[BUNDLE_HEAD_BYTES + NAMESPACE_BYTES - 1] = 9;
    assert_eq!(parse(&unsorted), Err(ErasureError::Bundle("its index is not sorted")));
    for length in 0..BUNDLE_HEAD_BYTES + 3 * ENTRY_BYTES {
        assert!(parse(&good[..length]).is_err());
    }
    assert!(Index::parse(&good, good.len() as u64 + 1).is_err());
    assert!(Index::build(&[]).is_err());
    assert!(Index::build(&[(namespace(1), &[])]).is_err());
}

#[test]
fn one_blob_of_a_bundle_is_read_from_its_own_cells() {
    let mut random = Random::new(3);
    let blobs: Vec<(Namespace, Vec<u8>)> = (0..200).map(|number| (namespace(number), random.bytes(5_000))).collect();
    let bundle = bundle(&blobs);
    let encoding = Encoding::new(&bundle, 1).unwrap();
    let header = encoding.header();
    let verified = |row: usize, cell: usize| {
        let (bytes, path) = encoding.cell(row, cell).unwrap();
        let claim = CellClaim { row, cell, bytes, path: path.as_flattened() };
        header.check_cell(&claim).unwrap();
        bytes
    };
    let root = IndexRoot::parse(verified(0, 0)).unwrap();
    let proof = Index::parse(&bundle, bundle.len() as u64).unwrap().prove(&namespace(150));
    let [entry] = root.check(&namespace(150), &proof).unwrap()[..] else { panic!("one blob") };
    let row_bytes = header.shape().row_bytes() as u64;
    let rows = entry.offset / row_bytes..=(entry.offset + entry.length - 1) / row_bytes;
    assert!(rows.clone().count() < 8);
    let read: Vec<u8> = rows
        .clone()
        .flat_map(|row| (0..header.cells()).flat_map(move |cell| verified(row as usize, cell).to_vec()))
        .collect();
    let start = (entry.offset - rows.start() * row_bytes) as usize;
    assert!(read[start..start + entry.length as usize] == blobs[150].1);
}
