//! Who signed: secp256k1 signatures of consensus messages, a batch at a time.

use alloy_primitives::Address;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use zg_recovery::{Request, recover};

/// Half of the group's order, big-endian: the largest s of a signature's canonical form.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, //
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// What `digest` and `signature` (r ‖ s ‖ recovery id) ask; None when they have not the canonical form.
fn request(digest: &[u8], signature: &[u8]) -> Option<Request> {
    let (r, rest) = signature.split_first_chunk()?;
    let (s, rest) = rest.split_first_chunk()?;
    match rest {
        [parity @ (0 | 1)] if *s <= HALF_ORDER => {
            Some(Request { hash: digest.try_into().ok()?, r: *r, s: *s, odd: *parity == 1 })
        }
        _ => None,
    }
}

/// The last 20 bytes of a public key's hash.
fn address_of(key: &[u8; 64]) -> [u8; 20] {
    Address::from_raw_public_key(key).into_array()
}

/// The addresses that signed, in order; the vector path fills its lanes with what is well-formed.
fn addresses(signed: &[(PyBackedBytes, PyBackedBytes)]) -> Vec<Option<[u8; 20]>> {
    let mut answers = vec![None; signed.len()];
    let (places, requests): (Vec<usize>, Vec<Request>) = signed
        .iter()
        .enumerate()
        .filter_map(|(place, (digest, signature))| Some((place, request(digest, signature)?)))
        .unzip();
    for (place, key) in places.into_iter().zip(recover(&requests)) {
        answers[place] = key.map(|key| address_of(&key));
    }
    answers
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn recover_addresses<'py>(
    py: Python<'py>,
    signed: Vec<(PyBackedBytes, PyBackedBytes)>,
) -> Vec<Option<Bound<'py, PyBytes>>> {
    let found = py.detach(|| addresses(&signed));
    found.into_iter().map(|address| address.map(|bytes| PyBytes::new(py, &bytes))).collect()
}
