//! `Attributes` in, `Executed` out.

use alloy_consensus::Header;
use alloy_consensus::constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B256, Bytes};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;
use zg_chain::{Receipt, Roots, Transaction};

use crate::convert;

/// What a proposer decides; any Python object with these attributes.
#[derive(FromPyObject)]
pub(crate) struct Attributes {
    number: u64,
    timestamp: u64,
    coinbase: Vec<u8>,
    gas_limit: u64,
    base_fee: u64,
    prev_randao: Vec<u8>,
    extra_data: Vec<u8>,
    parent_beacon_root: Vec<u8>,
}

impl Attributes {
    /// The header that these attributes decide, with empty roots.
    pub(crate) fn draft(&self, parent_hash: B256) -> PyResult<Header> {
        Ok(Header {
            parent_hash,
            beneficiary: convert::address(&self.coinbase)?,
            gas_limit: self.gas_limit,
            number: self.number,
            timestamp: self.timestamp,
            extra_data: Bytes::copy_from_slice(&self.extra_data),
            mix_hash: convert::hash(&self.prev_randao)?,
            base_fee_per_gas: Some(self.base_fee),
            parent_beacon_block_root: Some(convert::hash(&self.parent_beacon_root)?),
            ..constants()
        })
    }
}

/// `proposed` without what execution decides, and with our constants in place of its own.
pub(crate) fn draft_of(proposed: &Header) -> Header {
    Header {
        parent_hash: proposed.parent_hash,
        beneficiary: proposed.beneficiary,
        gas_limit: proposed.gas_limit,
        number: proposed.number,
        timestamp: proposed.timestamp,
        extra_data: proposed.extra_data.clone(),
        mix_hash: proposed.mix_hash,
        base_fee_per_gas: proposed.base_fee_per_gas,
        parent_beacon_block_root: proposed.parent_beacon_block_root,
        ..constants()
    }
}

/// A header of a chain without ommers, withdrawals, requests and blobs.
fn constants() -> Header {
    Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

/// A block's execution, before it meets Python.
pub(crate) struct Results {
    pub(crate) header: Header,
    pub(crate) transactions: Vec<Arc<Transaction>>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) diff: Vec<u8>,
    /// Whose nonce, balance or code changed.
    pub(crate) touched: Vec<Address>,
}

impl Results {
    /// Fill in what execution decides.
    pub(crate) fn complete(&mut self, roots: &Roots, state_root: B256) {
        let header = &mut self.header;
        header.state_root = state_root;
        header.transactions_root = roots.transactions;
        header.receipts_root = roots.receipts;
        header.logs_bloom = roots.bloom;
        header.gas_used = self.receipts.last().map_or(0, |receipt| receipt.cumulative_gas_used);
    }
}

/// See zg_node/_core.pyi.
#[pyclass(frozen)]
pub(crate) struct Executed {
    #[pyo3(get)]
    hash: Py<PyBytes>,
    #[pyo3(get)]
    header: Py<PyBytes>,
    #[pyo3(get)]
    body: Py<PyBytes>,
    #[pyo3(get)]
    receipts: Py<PyBytes>,
    #[pyo3(get)]
    senders: Py<PyBytes>,
    #[pyo3(get)]
    tx_hashes: Py<PyBytes>,
    #[pyo3(get)]
    diff: Py<PyBytes>,
    #[pyo3(get)]
    tx_count: usize,
    #[pyo3(get)]
    gas_used: u64,
    #[pyo3(get)]
    number: u64,
    #[pyo3(get)]
    parent_hash: Py<PyBytes>,
    #[pyo3(get)]
    state_root: Py<PyBytes>,
    pub(crate) hashes: Vec<B256>,
    pub(crate) touched: Vec<Address>,
}

/// The encoded parts of a block.
pub(crate) struct Parts<'a> {
    pub(crate) header: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) receipts: &'a [u8],
    pub(crate) senders: &'a [u8],
    pub(crate) diff: &'a [u8],
}

impl Executed {
    /// Encode everything; copies each part once into a Python object.
    pub(crate) fn new(py: Python<'_>, results: Results) -> Self {
        let (header, body, receipts, senders, hashes) = py.detach(|| {
            let transactions = &results.transactions;
            (
                zg_chain::header::encode(&results.header),
                zg_chain::body::encode(transactions),
                zg_chain::receipt::encode(&results.receipts),
                transactions.iter().flat_map(|tx| tx.sender.0.0).collect::<Vec<u8>>(),
                transactions.iter().map(|tx| tx.hash).collect(),
            )
        });
        let parts = Parts { header: &header, body: &body, receipts: &receipts, senders: &senders, diff: &results.diff };
        Self::of_parts(py, &results.header, &parts, hashes, results.touched)
    }

    /// From parts that are encoded already.
    pub(crate) fn of_parts(
        py: Python<'_>,
        decoded: &Header,
        parts: &Parts<'_>,
        hashes: Vec<B256>,
        touched: Vec<Address>,
    ) -> Self {
        let bytes = |slice: &[u8]| PyBytes::new(py, slice).unbind();
        Self {
            hash: bytes(alloy_primitives::keccak256(parts.header).as_slice()),
            header: bytes(parts.header),
            body: bytes(parts.body),
            receipts: bytes(parts.receipts),
            senders: bytes(parts.senders),
            tx_hashes: bytes(&hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>()),
            diff: bytes(parts.diff),
            tx_count: hashes.len(),
            gas_used: decoded.gas_used,
            number: decoded.number,
            parent_hash: bytes(decoded.parent_hash.as_slice()),
            state_root: bytes(decoded.state_root.as_slice()),
            hashes,
            touched,
        }
    }
}
