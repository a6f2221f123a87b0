//! Python values as Ethereum's, sizes checked.

use alloy_primitives::{Address, B256, Bytes, U256};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use zg_evm::SystemCall;
use zg_state::At;

/// A state: a block hash or a finalised block's number.
#[derive(FromPyObject)]
pub(crate) enum AtArgument {
    Hash(PyBackedBytes),
    Number(u64),
}

impl AtArgument {
    pub(crate) fn at(&self) -> PyResult<At> {
        match self {
            Self::Hash(bytes) => Ok(At::Hash(hash(bytes)?)),
            Self::Number(number) => Ok(At::Number(*number)),
        }
    }
}

pub(crate) fn hash(bytes: &[u8]) -> PyResult<B256> {
    B256::try_from(bytes).map_err(|_| PyValueError::new_err(format!("a hash of {} bytes", bytes.len())))
}

pub(crate) fn address(bytes: &[u8]) -> PyResult<Address> {
    Address::try_from(bytes).map_err(|_| PyValueError::new_err(format!("an address of {} bytes", bytes.len())))
}

/// (contract, input) of a system call.
pub(crate) type CallPair = (PyBackedBytes, PyBackedBytes);

pub(crate) fn system_calls(pairs: Vec<CallPair>) -> PyResult<Vec<SystemCall>> {
    let call = |(contract, input): &CallPair| {
        Ok(SystemCall { contract: address(contract)?, input: Bytes::copy_from_slice(input) })
    };
    pairs.iter().map(call).collect()
}

/// A Python int of at most 256 bits.
pub(crate) fn word(value: &Bound<'_, PyAny>) -> PyResult<U256> {
    let bytes = value.call_method1("to_bytes", (32, "big"))?;
    Ok(U256::from_be_slice(bytes.cast::<PyBytes>()?.as_bytes()))
}

/// A word as a Python int.
pub(crate) fn int<'py>(py: Python<'py>, value: U256) -> PyResult<Bound<'py, PyAny>> {
    let bytes = PyBytes::new(py, &value.to_be_bytes::<32>());
    py.get_type::<pyo3::types::PyInt>().call_method1("from_bytes", (bytes, "big"))
}
