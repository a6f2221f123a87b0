//! Functions of bytes: JSON encodings, log filters, fee history, conformance.

use crate::convert;
use crate::error;
use crate::executed::Attributes;
use alloy_primitives::{Address, B256};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zg_chain::{CodecError, json};

/// Hashes of a body's transactions, in order.
pub(crate) fn hashes(body: &[u8]) -> Result<Vec<B256>, CodecError> {
    Ok(zg_chain::body::decode(body)?.iter().map(alloy_primitives::keccak256).collect())
}

fn encoded(py: Python<'_>, json: impl FnOnce() -> Result<Vec<u8>, CodecError> + Send) -> PyResult<Bound<'_, PyBytes>> {
    Ok(PyBytes::new(py, &py.detach(json).map_err(error::stored)?))
}

#[pyfunction]
pub(crate) fn keccak256<'py>(py: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, alloy_primitives::keccak256(data).as_slice())
}

#[pyfunction]
pub(crate) fn body_hashes<'py>(py: Python<'py>, body: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let hashes = py.detach(|| hashes(body)).map_err(error::stored)?;
    Ok(PyBytes::new(py, &hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>()))
}

/// Recompute what `header` says about the other parts; the sentence says what does not fit.
fn check(header: &[u8], body: &[u8], senders: &[u8], receipts: &[u8]) -> Result<(), String> {
    let text = |error: CodecError| error.to_string();
    let header = zg_chain::header::decode(header).map_err(text)?;
    let raws = zg_chain::body::decode(body).map_err(text)?;
    let receipts = zg_chain::receipt::decode(receipts).map_err(text)?;
    let recovered = zg_chain::transaction::recover_batch(raws.clone());
    let recovered: Vec<_> = recovered.into_iter().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let gas_used = receipts.last().map_or(0, |receipt| receipt.cumulative_gas_used);
    let fault = if receipts.len() != raws.len() {
        "as many receipts as transactions"
    } else if recovered.iter().flat_map(|tx| tx.sender.0.0).ne(senders.iter().copied()) {
        "the senders"
    } else {
        let roots = zg_chain::block_roots(&raws, &receipts);
        match () {
            () if roots.transactions != header.transactions_root => "the transactions root",
            () if roots.receipts != header.receipts_root => "the receipts root",
            () if roots.bloom != header.logs_bloom => "the logs bloom",
            () if gas_used != header.gas_used => "the gas used",
            () => return Ok(()),
        }
    };
    Err(format!("block {}: {fault} does not follow from what is stored", header.number))
}

#[pyfunction]
pub(crate) fn check_block(py: Python<'_>, header: &[u8], body: &[u8], senders: &[u8], receipts: &[u8]) -> PyResult<()> {
    py.detach(|| check(header, body, senders, receipts)).map_err(error::Corrupt::new_err)
}

#[pyfunction]
pub(crate) fn check_body(py: Python<'_>, header: &[u8], body: &[u8]) -> PyResult<()> {
    py.detach(|| {
        let header = zg_chain::header::decode(header)?;
        let root = zg_chain::roots::transactions_root(&zg_chain::body::decode(body)?);
        Ok((root, header.transactions_root))
    })
    .map_err(error::proposed)
    .and_then(|(found, due)| match found == due {
        true => Ok(()),
        false => Err(error::InvalidBlock::new_err(format!("transactions root {found}, the header has {due}"))),
    })
}

#[pyfunction]
pub(crate) fn draft_header<'py>(
    py: Python<'py>,
    parent_hash: &[u8],
    attributes: Attributes,
) -> PyResult<Bound<'py, PyBytes>> {
    let header = attributes.draft(convert::hash(parent_hash)?)?;
    Ok(PyBytes::new(py, &zg_chain::header::encode(&header)))
}

#[pyfunction]
pub(crate) fn sign_transaction_json<'py>(py: Python<'py>, tx_json: &[u8], key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &zg_chain::sign::sign_json(tx_json, key).map_err(error::request)?))
}

#[pyfunction]
pub(crate) fn decode_transaction_json<'py>(py: Python<'py>, raw: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let json = py.detach(|| json::decode_transaction_json(raw)).map_err(error::transaction)?;
    Ok(PyBytes::new(py, &json))
}

#[pyfunction]
#[pyo3(signature = (header, size = None))]
pub(crate) fn header_json<'py>(py: Python<'py>, header: &[u8], size: Option<u64>) -> PyResult<Bound<'py, PyBytes>> {
    encoded(py, || json::header_json(header, size))
}

#[pyfunction]
pub(crate) fn block_json<'py>(
    py: Python<'py>,
    header: &[u8],
    body: &[u8],
    senders: &[u8],
    full: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    encoded(py, || json::block_json(header, body, senders, full))
}

#[pyfunction]
pub(crate) fn transaction_json<'py>(
    py: Python<'py>,
    header: &[u8],
    body: &[u8],
    senders: &[u8],
    index: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    encoded(py, || json::transaction_json(header, body, senders, index))
}

#[pyfunction]
pub(crate) fn receipts_json<'py>(
    py: Python<'py>,
    header: &[u8],
    body: &[u8],
    senders: &[u8],
    receipts: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    encoded(py, || json::receipts_json(header, body, senders, receipts))
}

#[pyfunction]
pub(crate) fn receipt_json<'py>(
    py: Python<'py>,
    header: &[u8],
    body: &[u8],
    senders: &[u8],
    receipts: &[u8],
    index: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    encoded(py, || json::receipt_json(header, body, senders, receipts, index))
}

#[pyfunction]
pub(crate) fn fee_history(
    py: Python<'_>,
    headers: Vec<Vec<u8>>,
    blocks: Vec<(Vec<u8>, Vec<u8>)>,
    percentiles: Vec<f64>,
) -> PyResult<Vec<Vec<u128>>> {
    if headers.len() != blocks.len() {
        return Err(PyValueError::new_err("as many headers as blocks are needed"));
    }
    py.detach(|| {
        let rows = headers.iter().zip(&blocks);
        rows.map(|(header, (body, receipts))| zg_chain::fees::rewards(header, body, receipts, &percentiles))
            .collect::<Result<Vec<_>, _>>()
    })
    .map_err(error::stored)
}

#[pyfunction]
pub(crate) fn run_state_test<'py>(py: Python<'py>, test_json: &str, fork: &str) -> PyResult<Bound<'py, PyBytes>> {
    let results = py
        .detach(|| zg_evm::statetest::run_state_test(test_json, fork))
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    let json: Vec<_> = results
        .iter()
        .map(|case| {
            serde_json::json!({
                "name": case.name,
                "index": case.index,
                "pass": case.pass,
                "error": case.error,
                "state_root": case.state_root,
                "expected": case.expected,
            })
        })
        .collect();
    Ok(PyBytes::new(py, serde_json::Value::from(json).to_string().as_bytes()))
}

/// See zg_node/_core.pyi.
#[pyclass(frozen)]
pub(crate) struct LogFilter {
    filter: zg_chain::LogFilter,
}

#[pymethods]
impl LogFilter {
    #[new]
    fn new(addresses: Vec<Vec<u8>>, topics: Vec<Option<Vec<Vec<u8>>>>) -> PyResult<Self> {
        let addresses = addresses.iter().map(|bytes| convert::address(bytes)).collect::<PyResult<Vec<Address>>>()?;
        let topics = topics
            .into_iter()
            .map(|list| list.unwrap_or_default().iter().map(|topic| convert::hash(topic)).collect())
            .collect::<PyResult<Vec<Vec<B256>>>>()?;
        Ok(Self { filter: zg_chain::LogFilter::new(addresses, topics).map_err(error::request)? })
    }

    fn may_match(&self, bloom: &[u8]) -> PyResult<bool> {
        let bloom = bloom.try_into().map_err(|_| PyValueError::new_err("a bloom has 256 bytes"))?;
        Ok(self.filter.may_match(bloom))
    }

    fn matching_blooms(&self, py: Python<'_>, blooms: &[u8]) -> Vec<usize> {
        py.detach(|| self.filter.matching_blooms(blooms))
    }

    fn logs_json<'py>(
        &self,
        py: Python<'py>,
        header: &[u8],
        body: &[u8],
        receipts: &[u8],
        limit: usize,
    ) -> PyResult<(Bound<'py, PyBytes>, usize)> {
        let (json, count) =
            py.detach(|| self.filter.logs_json(header, body, receipts, limit)).map_err(error::stored)?;
        Ok((PyBytes::new(py, &json), count))
    }
}
