//! Rust errors as the classes of `zg_node.errors`: mapped here and nowhere else.

use pyo3::PyErr;
use zg_chain::{CodecError, RequestError, TransactionError};
use zg_erasure::ErasureError;
use zg_evm::BlockError;
use zg_state::StateError;
use zg_types::{DiffError, ViewError};

pyo3::import_exception!(zg_node.errors, Corrupt);
pyo3::import_exception!(zg_node.errors, InvalidBlock);
pyo3::import_exception!(zg_node.errors, InvalidMessage);
pyo3::import_exception!(zg_node.errors, InvalidRequest);
pyo3::import_exception!(zg_node.errors, InvalidTransaction);
pyo3::import_exception!(zg_node.errors, Reverted);
pyo3::import_exception!(zg_node.errors, Unavailable);

/// JSON-RPC "invalid params".
pub(crate) const INVALID_PARAMS: i32 = -32602;
/// geth's code for arguments that parse one by one and contradict one another.
const CONTRADICTORY: i32 = -32000;

pub(crate) fn view(error: ViewError) -> PyErr {
    state(error.into())
}

pub(crate) fn state(error: StateError) -> PyErr {
    let text = error.to_string();
    match error {
        StateError::Locked(_)
        | StateError::Missing(_)
        | StateError::UnknownBlock(_)
        | StateError::TooManyOverlays(_) => Unavailable::new_err(text),
        StateError::NotEmpty | StateError::Corrupt(_) => Corrupt::new_err(text),
        StateError::Mismatch(_) | StateError::NotChild { .. } => InvalidBlock::new_err(text),
        StateError::Chunk(_) => InvalidMessage::new_err(text),
        StateError::Io(_) => pyo3::exceptions::PyOSError::new_err(text),
    }
}

pub(crate) fn block(error: BlockError) -> PyErr {
    match error {
        BlockError::View(error) => view(error),
        other => InvalidBlock::new_err(other.to_string()),
    }
}

/// Bytes that this node stored or built itself.
pub(crate) fn stored(error: CodecError) -> PyErr {
    Corrupt::new_err(error.to_string())
}

/// Bytes from a peer.
pub(crate) fn proposed(error: CodecError) -> PyErr {
    InvalidBlock::new_err(error.to_string())
}

/// A header, row, cell, checksum or bundle from a peer.
pub(crate) fn erasure(error: ErasureError) -> PyErr {
    match error {
        ErasureError::TooFew { .. } => Unavailable::new_err(error.to_string()),
        other => InvalidMessage::new_err(other.to_string()),
    }
}

pub(crate) fn diff(error: DiffError) -> PyErr {
    Corrupt::new_err(error.to_string())
}

pub(crate) fn request(error: RequestError) -> PyErr {
    let code = match error {
        RequestError::DataAndInput | RequestError::GasPriceAndFees | RequestError::StateAndDiff(_) => CONTRADICTORY,
        _ => INVALID_PARAMS,
    };
    InvalidRequest::new_err((error.to_string(), code))
}

/// As [`request`], naming the position of the argument.
pub(crate) fn argument(index: usize, error: RequestError) -> PyErr {
    match error {
        RequestError::Field { field, reason } => {
            InvalidRequest::new_err((format!("invalid argument {index}: {reason} in field {field}"), INVALID_PARAMS))
        }
        other => request(other),
    }
}

pub(crate) fn transaction(error: TransactionError) -> PyErr {
    InvalidTransaction::new_err(error.to_string())
}
