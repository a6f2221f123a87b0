//! `Snapshot` and `SnapshotImport`: a state on its way to another node.

use crate::convert;
use crate::error;
use alloy_primitives::keccak256;
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::path::PathBuf;
use zg_state::{Import, Position, Reader};

/// (number, block hash, state root).
type BlockTuple<'py> = (u64, Bound<'py, PyBytes>, Bound<'py, PyBytes>);
/// (bytes, end or None).
type Piece<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>);

/// See zg_node/_core.pyi.
#[pyclass(frozen)]
pub(crate) struct Snapshot {
    reader: Mutex<Option<Reader>>,
}

impl Snapshot {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader: Mutex::new(Some(reader)) }
    }

    /// Read the chunk after `after`, and make of it what is wanted, without the GIL.
    fn read<T: Send>(
        &self,
        py: Python<'_>,
        after: Option<&[u8]>,
        make: impl FnOnce(Vec<u8>) -> T + Send,
    ) -> PyResult<(T, Option<Position>)> {
        let position = |bytes| Position::decode(bytes).ok_or_else(|| PyValueError::new_err("not a position"));
        let after = after.map(position).transpose()?;
        py.detach(|| match &*self.reader.lock() {
            None => Err(PyRuntimeError::new_err("the snapshot is closed")),
            Some(reader) => {
                let (bytes, end) = reader.chunk(after).map_err(error::state)?;
                Ok((make(bytes), end))
            }
        })
    }
}

fn position<'py>(py: Python<'py>, end: Option<Position>) -> Option<Bound<'py, PyBytes>> {
    end.map(|end| PyBytes::new(py, &end.encode()))
}

#[pymethods]
impl Snapshot {
    fn block<'py>(&self, py: Python<'py>) -> PyResult<BlockTuple<'py>> {
        match &*self.reader.lock() {
            None => Err(PyRuntimeError::new_err("the snapshot is closed")),
            Some(reader) => {
                let (number, hash, root) = reader.block();
                Ok((number, PyBytes::new(py, hash.as_slice()), PyBytes::new(py, root.as_slice())))
            }
        }
    }

    #[pyo3(signature = (after = None))]
    fn chunk<'py>(&self, py: Python<'py>, after: Option<&[u8]>) -> PyResult<Piece<'py>> {
        let (bytes, end) = self.read(py, after, |bytes| bytes)?;
        Ok((PyBytes::new(py, &bytes), position(py, end)))
    }

    #[pyo3(signature = (after = None))]
    fn chunk_hash<'py>(&self, py: Python<'py>, after: Option<&[u8]>) -> PyResult<Piece<'py>> {
        let (hash, end) = self.read(py, after, keccak256)?;
        Ok((PyBytes::new(py, hash.as_slice()), position(py, end)))
    }

    fn close(&self, py: Python<'_>) {
        let reader = py.detach(|| self.reader.lock().take());
        py.detach(|| drop(reader));
    }
}

/// See zg_node/_core.pyi.
#[pyclass(frozen)]
pub(crate) struct SnapshotImport {
    import: Mutex<Option<Import>>,
}

impl SnapshotImport {
    fn with<T>(&self, work: impl FnOnce(&mut Import) -> PyResult<T>) -> PyResult<T> {
        match &mut *self.import.lock() {
            None => Err(PyRuntimeError::new_err("the import is closed")),
            Some(import) => work(import),
        }
    }
}

#[pymethods]
impl SnapshotImport {
    #[new]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        cache_bytes: usize,
        number: u64,
        block_hash: &[u8],
        root: &[u8],
    ) -> PyResult<Self> {
        let (hash, root) = (convert::hash(block_hash)?, convert::hash(root)?);
        let import = py.detach(|| Import::open(&path, cache_bytes, number, hash, root)).map_err(error::state)?;
        Ok(Self { import: Mutex::new(Some(import)) })
    }

    fn next_chunk(&self) -> PyResult<u32> {
        self.with(|import| Ok(import.next()))
    }

    fn counts(&self) -> PyResult<(u64, u64)> {
        self.with(|import| Ok(import.counts()))
    }

    fn add(&self, py: Python<'_>, index: u32, chunk: &[u8]) -> PyResult<()> {
        py.detach(|| self.with(|import| import.add(index, chunk).map_err(error::state)))
    }

    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| match self.import.lock().take() {
            None => Err(PyRuntimeError::new_err("the import is closed")),
            Some(import) => import.finish().map_err(error::state),
        })
    }

    fn close(&self, py: Python<'_>) {
        let import = py.detach(|| self.import.lock().take());
        py.detach(|| drop(import));
    }
}
