//! The beacon's verifiable random function.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zg_vrf::{output, prove, verify};

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn vrf_prove<'py>(py: Python<'py>, secret: &[u8], message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let secret = secret.try_into().map_err(|_| PyValueError::new_err("a secret has 32 bytes"))?;
    let proof = py.detach(|| prove(secret, message)).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(PyBytes::new(py, &proof))
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn vrf_verify<'py>(
    py: Python<'py>,
    pubkey: &[u8],
    message: &[u8],
    proof: &[u8],
) -> Option<Bound<'py, PyBytes>> {
    let (pubkey, proof) = (pubkey.try_into().ok()?, proof.try_into().ok()?);
    Some(PyBytes::new(py, &py.detach(|| verify(pubkey, message, proof))?))
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn vrf_output<'py>(py: Python<'py>, proof: &[u8]) -> Option<Bound<'py, PyBytes>> {
    Some(PyBytes::new(py, &output(proof.try_into().ok()?)?))
}
