//! Erasure-coded blobs and bundles, a batch of rows or cells a call.

use crate::error;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use zg_erasure::{
    CellClaim, Encoding as RustEncoding, Entry, ErasureError, Header, Index, IndexRoot, Namespace, RowClaim, Shape,
    Verifier, rsema1d,
};

/// (data rows, parity rows, bytes of a row).
type ShapeTuple = (usize, usize, usize);
/// (index, bytes, path).
type Row<B> = (usize, B, B);
/// (row, cell, bytes, path).
type Cell<B> = (usize, usize, B, B);
/// (place in the batch, why it is refused).
type Refused = (usize, String);
/// (namespace, SHA-256 of the blob, offset, length).
type EntryTuple<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, u64, u64);

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn erasure_shape(length: u64) -> PyResult<ShapeTuple> {
    let shape = Shape::for_length(length).map_err(argument)?;
    Ok((shape.k(), shape.n(), shape.row_bytes()))
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn rsema1d_commitment<'py>(
    py: Python<'py>,
    shape: ShapeTuple,
    data: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let shape = shape_of(shape)?;
    let commitment = py.detach(|| rsema1d::commitment(&shape, data)).map_err(argument)?;
    Ok(PyBytes::new(py, &commitment))
}

/// See zg_node/_core.pyi.
#[pyclass(frozen)]
pub(crate) struct Encoding(RustEncoding);

#[pymethods]
impl Encoding {
    #[new]
    #[pyo3(signature = (blob, shape = None, threads = 1))]
    fn new(py: Python<'_>, blob: &[u8], shape: Option<ShapeTuple>, threads: usize) -> PyResult<Self> {
        let shape = match shape {
            Some(shape) => shape_of(shape)?,
            None => Shape::for_length(blob.len() as u64).map_err(argument)?,
        };
        py.detach(|| RustEncoding::with_shape(blob, shape, threads)).map(Self).map_err(argument)
    }

    #[staticmethod]
    #[pyo3(signature = (header, rows, threads = 1))]
    fn recover(py: Python<'_>, header: &[u8], rows: Vec<(usize, PyBackedBytes)>, threads: usize) -> PyResult<Self> {
        let header = Header::parse(header).map_err(error::erasure)?;
        let recover = || {
            let rows: Vec<(usize, &[u8])> = rows.iter().map(|(index, bytes)| (*index, &bytes[..])).collect();
            RustEncoding::recover(&header, &rows, threads)
        };
        py.detach(recover).map(Self).map_err(error::erasure)
    }

    fn header<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.header().to_bytes())
    }

    fn checksums<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.checksums())
    }

    fn blob<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.blob())
    }

    fn rows<'py>(&self, py: Python<'py>, indices: Vec<usize>) -> PyResult<Vec<Row<Bound<'py, PyBytes>>>> {
        let row = |index| {
            let path = self.0.row_path(index)?;
            Ok((index, PyBytes::new(py, self.0.row(index)?), PyBytes::new(py, path.as_flattened())))
        };
        indices.into_iter().map(row).collect::<Result<_, _>>().map_err(error::erasure)
    }

    fn rows_answer<'py>(&self, py: Python<'py>, indices: Vec<usize>, checksums: bool) -> PyResult<Bound<'py, PyBytes>> {
        let answer = py.detach(|| self.0.rows_answer(&indices, checksums)).map_err(error::erasure)?;
        Ok(PyBytes::new(py, &answer))
    }

    fn cells<'py>(&self, py: Python<'py>, places: Vec<(usize, usize)>) -> PyResult<Vec<Cell<Bound<'py, PyBytes>>>> {
        let prove = || places.iter().map(|(row, cell)| self.0.cell(*row, *cell)).collect::<Result<Vec<_>, _>>();
        let proven = py.detach(prove).map_err(error::erasure)?;
        let cells = places.iter().zip(proven).map(|((row, cell), (bytes, path))| {
            (*row, *cell, PyBytes::new(py, bytes), PyBytes::new(py, path.as_flattened()))
        });
        Ok(cells.collect())
    }
}

/// See zg_node/_core.pyi.
#[pyclass(frozen)]
pub(crate) struct RowVerifier(Verifier);

#[pymethods]
impl RowVerifier {
    #[new]
    #[pyo3(signature = (header, checksums, threads = 1))]
    fn new(py: Python<'_>, header: &[u8], checksums: &[u8], threads: usize) -> PyResult<Self> {
        let verifier = py.detach(|| Verifier::new(Header::parse(header)?, checksums, threads));
        verifier.map(Self).map_err(error::erasure)
    }

    #[pyo3(signature = (rows, threads = 1))]
    fn refused(&self, py: Python<'_>, rows: Vec<Row<PyBackedBytes>>, threads: usize) -> Vec<Refused> {
        py.detach(|| {
            let rows = rows.iter().map(|(index, bytes, path)| RowClaim { index: *index, bytes, path });
            let claims: Vec<RowClaim<'_>> = rows.collect();
            reasons(self.0.check_rows(&claims, threads))
        })
    }
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn refused_cells(py: Python<'_>, header: &[u8], cells: Vec<Cell<PyBackedBytes>>) -> PyResult<Vec<Refused>> {
    let header = Header::parse(header).map_err(error::erasure)?;
    Ok(py.detach(|| {
        let claim = |(row, cell, bytes, path): &Cell<PyBackedBytes>| {
            header.check_cell(&CellClaim { row: *row, cell: *cell, bytes, path })
        };
        reasons(cells.iter().map(claim).collect())
    }))
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn row_cells<'py>(
    py: Python<'py>,
    header: &[u8],
    row: Row<PyBackedBytes>,
    cells: Vec<usize>,
) -> PyResult<Vec<Cell<Bound<'py, PyBytes>>>> {
    let header = Header::parse(header).map_err(error::erasure)?;
    let (index, bytes, path) = row;
    let cell = |cell| {
        let own = zg_erasure::cell_of(&header, &bytes, cell)?;
        let path = [zg_erasure::cell_path(&bytes, cell).as_flattened(), &path].concat();
        Ok((index, cell, PyBytes::new(py, own), PyBytes::new(py, &path)))
    };
    cells.into_iter().map(cell).collect::<Result<_, _>>().map_err(error::erasure)
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn bundle_blobs<'py>(
    py: Python<'py>,
    blobs: Vec<(PyBackedBytes, PyBackedBytes)>,
) -> PyResult<Bound<'py, PyBytes>> {
    let named = blobs.iter().map(|(namespace, blob)| Ok((namespace_of(namespace)?, &blob[..])));
    let blobs = named.collect::<PyResult<Vec<(Namespace, &[u8])>>>()?;
    let bundle = py.detach(|| Index::build(&blobs));
    Ok(PyBytes::new(py, &bundle.map_err(argument)?))
}

/// See zg_node/_core.pyi.
#[pyclass(frozen)]
pub(crate) struct BundleIndex(Index);

#[pymethods]
impl BundleIndex {
    #[new]
    fn new(py: Python<'_>, start: &[u8], length: u64) -> PyResult<Self> {
        py.detach(|| Index::parse(start, length)).map(Self).map_err(error::erasure)
    }

    #[pyo3(signature = (namespace = None))]
    fn entries<'py>(&self, py: Python<'py>, namespace: Option<&[u8]>) -> PyResult<Vec<EntryTuple<'py>>> {
        let entries = match namespace {
            None => self.0.entries(),
            Some(namespace) => &self.0.entries()[self.0.range(&namespace_of(namespace)?)],
        };
        Ok(entries.iter().map(|entry| entry_tuple(py, entry)).collect())
    }

    fn prove<'py>(&self, py: Python<'py>, namespace: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.prove(&namespace_of(namespace)?)))
    }
}

/// See zg_node/_core.pyi.
#[pyfunction]
pub(crate) fn check_namespace<'py>(
    py: Python<'py>,
    bundle_start: &[u8],
    namespace: &[u8],
    proof: &[u8],
) -> PyResult<Vec<EntryTuple<'py>>> {
    let namespace = namespace_of(namespace)?;
    let entries = py.detach(|| IndexRoot::parse(bundle_start)?.check(&namespace, proof)).map_err(error::erasure)?;
    Ok(entries.iter().map(|entry| entry_tuple(py, entry)).collect())
}

fn argument(error: ErasureError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn shape_of((k, n, row_bytes): ShapeTuple) -> PyResult<Shape> {
    Shape::new(k, n, row_bytes).map_err(argument)
}

fn namespace_of(bytes: &[u8]) -> PyResult<Namespace> {
    bytes.try_into().map_err(|_| PyValueError::new_err(format!("a namespace of {} bytes", bytes.len())))
}

fn entry_tuple<'py>(py: Python<'py>, entry: &Entry) -> EntryTuple<'py> {
    (PyBytes::new(py, &entry.namespace), PyBytes::new(py, &entry.digest), entry.offset, entry.length)
}

fn reasons(verdicts: Vec<Result<(), ErasureError>>) -> Vec<Refused> {
    let refused = |(place, verdict): (usize, Result<(), ErasureError>)| Some((place, verdict.err()?.to_string()));
    verdicts.into_iter().enumerate().filter_map(refused).collect()
}
