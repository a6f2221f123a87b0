//! BLS12-381 with keys in G1: the keys that name validators, and possession proofs as the staking contract checks them.

use blst::BLST_ERROR;
use blst::min_pk::{PublicKey, SecretKey};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The ciphersuite's tag for possession proofs.
const POSSESSION_TAG: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
/// A field element.
const FIELD_BYTES: usize = 48;
/// Zeros before a field element in EIP-2537's encoding.
const PADDING: [u8; 16] = [0; 16];

fn secret_key(secret: &[u8]) -> PyResult<SecretKey> {
    SecretKey::from_bytes(secret)
        .map_err(|error: BLST_ERROR| PyValueError::new_err(format!("no BLS secret: {error:?}")))
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn bls_key_from_seed<'py>(py: Python<'py>, seed: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let key = SecretKey::key_gen(seed, &[]).map_err(|_| PyValueError::new_err("a seed has at least 32 bytes"))?;
    Ok(PyBytes::new(py, &key.to_bytes()))
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn bls_public_key<'py>(py: Python<'py>, secret: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &secret_key(secret)?.sk_to_pk().compress()))
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn bls_possession_proof<'py>(
    py: Python<'py>,
    secret: &[u8],
    message: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let key = secret_key(secret)?;
    let public = key.sk_to_pk().serialize();
    let signature = py.detach(|| key.sign(message, POSSESSION_TAG, &[])).serialize();
    // blst writes x before y and the imaginary part of each first; EIP-2537 the real part.
    let elements: Vec<&[u8]> = signature.chunks_exact(FIELD_BYTES).collect();
    let ordered = [&public[FIELD_BYTES..], elements[1], elements[0], elements[3], elements[2]];
    Ok(PyBytes::new(py, &ordered.map(|element| [&PADDING, element].concat()).concat()))
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn bls_is_public_key(pubkey: &[u8]) -> bool {
    PublicKey::uncompress(pubkey).and_then(|key| key.validate()).is_ok()
}
