//! BLS12-381 with keys in G1: signatures, and possession proofs as the staking contract checks them.

use blst::min_pk::{PublicKey, SecretKey, Signature};
use blst::{BLST_ERROR, Pairing, blst_p1_affine, blst_p2_affine};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The ciphersuite's tag for possession proofs.
const POSSESSION_TAG: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
/// The ciphersuite's tag for what keys sign whose possession is proven.
const MESSAGE_TAG: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
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
    key_of(pubkey).is_ok()
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn bls_sign<'py>(py: Python<'py>, secret: &[u8], message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let key = secret_key(secret)?;
    let signature = py.detach(|| key.sign(message, MESSAGE_TAG, &[])).compress();
    Ok(PyBytes::new(py, &signature))
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn bls_verify(py: Python<'_>, pubkey: &[u8], message: &[u8], signature: &[u8]) -> bool {
    py.detach(|| holds(pubkey, message, signature)) == Ok(true)
}

/// A compressed point of the right group that is not infinity.
fn key_of(pubkey: &[u8]) -> Result<PublicKey, BLST_ERROR> {
    let key = PublicKey::uncompress(pubkey)?;
    key.validate()?;
    Ok(key)
}

/// On the calling thread alone: the crate's own `verify` hands its pairing to a pool of threads.
fn holds(pubkey: &[u8], message: &[u8], signature: &[u8]) -> Result<bool, BLST_ERROR> {
    let key: blst_p1_affine = key_of(pubkey)?.into();
    let signature: blst_p2_affine = Signature::uncompress(signature)?.into();
    let mut pairing = Pairing::new(true, MESSAGE_TAG);
    match pairing.aggregate(&key, false, &signature, true, message, &[]) {
        BLST_ERROR::BLST_SUCCESS => {
            pairing.commit();
            Ok(pairing.finalverify(None))
        }
        error => Err(error),
    }
}
