//! `State`: the state database of one shard.

use crate::convert::{self, AtArgument};
use crate::error;
use crate::snapshot::Snapshot;
use alloy_primitives::U256;
use parking_lot::RwLock;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt};
use std::path::PathBuf;
use std::sync::Arc;
use zg_state::Options;
use zg_types::{StateDiff, StateView};

/// (nonce, balance, code hash).
type AccountTuple<'py> = (u64, Bound<'py, PyAny>, Bound<'py, PyBytes>);

/// See zg_node/_core.pyi.
#[pyclass(frozen)]
pub(crate) struct State {
    open: RwLock<Option<Arc<zg_state::State>>>,
}

impl State {
    /// The database; an error after `close`.
    pub(crate) fn get(&self) -> PyResult<Arc<zg_state::State>> {
        self.open.read().clone().ok_or_else(|| PyRuntimeError::new_err("the state is closed"))
    }
}

#[pymethods]
impl State {
    #[new]
    fn new(py: Python<'_>, path: PathBuf, cache_bytes: usize, history_blocks: Option<u64>) -> PyResult<Self> {
        let options = Options { cache_bytes, history_blocks };
        let state = py.detach(|| zg_state::State::open(&path, options)).map_err(error::state)?;
        Ok(Self { open: RwLock::new(Some(Arc::new(state))) })
    }

    fn is_empty(&self) -> PyResult<bool> {
        Ok(self.get()?.is_empty())
    }

    fn head<'py>(&self, py: Python<'py>) -> PyResult<(u64, Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let (number, hash, root) = self.get()?.head();
        Ok((number, PyBytes::new(py, hash.as_slice()), PyBytes::new(py, root.as_slice())))
    }

    fn flushed<'py>(&self, py: Python<'py>) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let (number, hash) = self.get()?.flushed();
        Ok((number, PyBytes::new(py, hash.as_slice())))
    }

    fn apply<'py>(
        &self,
        py: Python<'py>,
        parent: &[u8],
        block_hash: &[u8],
        diff: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (state, parent, block_hash) = (self.get()?, convert::hash(parent)?, convert::hash(block_hash)?);
        let diff = StateDiff::decode(diff).map_err(|error| error::InvalidBlock::new_err(error.to_string()))?;
        let root = py
            .detach(|| {
                let prepared = state.prepare(parent, diff, true)?;
                let root = prepared.root();
                state.insert(block_hash, prepared).map(|()| root)
            })
            .map_err(error::state)?;
        Ok(PyBytes::new(py, root.as_slice()))
    }

    fn finalise(&self, py: Python<'_>, block_hash: &[u8]) -> PyResult<()> {
        let (state, hash) = (self.get()?, convert::hash(block_hash)?);
        py.detach(|| state.finalise(hash)).map_err(error::state)
    }

    fn flush<'py>(&self, py: Python<'py>) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let state = self.get()?;
        let (number, hash) = py.detach(|| state.flush()).map_err(error::state)?;
        Ok((number, PyBytes::new(py, hash.as_slice())))
    }

    fn pending_bytes(&self) -> PyResult<usize> {
        Ok(self.get()?.pending_bytes())
    }

    fn has(&self, py: Python<'_>, at: AtArgument) -> PyResult<bool> {
        let (state, at) = (self.get()?, at.at()?);
        Ok(py.detach(|| state.view(at)).is_ok())
    }

    fn account<'py>(&self, py: Python<'py>, at: AtArgument, address: &[u8]) -> PyResult<Option<AccountTuple<'py>>> {
        let (state, at, address) = (self.get()?, at.at()?, convert::address(address)?);
        let account = py.detach(|| state.view(at)?.account(&address).map_err(Into::into)).map_err(error::state)?;
        account
            .map(|a| Ok((a.nonce, convert::int(py, a.balance)?, PyBytes::new(py, a.code_hash.as_slice()))))
            .transpose()
    }

    fn storage<'py>(
        &self,
        py: Python<'py>,
        at: AtArgument,
        address: &[u8],
        slot: &Bound<'py, PyInt>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (state, at, address) = (self.get()?, at.at()?, convert::address(address)?);
        let slot = convert::word(slot)?;
        let word = py.detach(|| state.view(at)?.storage(&address, &slot).map_err(Into::into)).map_err(error::state)?;
        convert::int(py, word)
    }

    fn code<'py>(&self, py: Python<'py>, at: AtArgument, code_hash: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let (state, at, hash) = (self.get()?, at.at()?, convert::hash(code_hash)?);
        let code = py.detach(|| state.view(at)?.code(&hash).map_err(Into::into)).map_err(error::state)?;
        Ok(PyBytes::new(py, &code))
    }

    fn proof_json<'py>(
        &self,
        py: Python<'py>,
        at: AtArgument,
        address: &[u8],
        slots: Vec<Bound<'py, PyInt>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (state, at, address) = (self.get()?, at.at()?, convert::address(address)?);
        let slots = slots.iter().map(|slot| convert::word(slot)).collect::<PyResult<Vec<U256>>>()?;
        let proof = py.detach(|| state.prove(at, address, &slots)).map_err(error::state)?;
        let account = proof.account.unwrap_or_default();
        let storage: Vec<_> = slots
            .iter()
            .zip(&proof.slots)
            .map(|(slot, entry)| serde_json::json!({ "key": slot, "value": entry.value, "proof": entry.proof }))
            .collect();
        let json = serde_json::json!({
            "address": address,
            "accountProof": proof.account_proof,
            "balance": account.balance,
            "codeHash": account.code_hash,
            "nonce": U256::from(account.nonce),
            "storageHash": proof.storage_root,
            "storageProof": storage,
        });
        Ok(PyBytes::new(py, json.to_string().as_bytes()))
    }

    fn snapshot(&self, py: Python<'_>, number: u64, chunk_bytes: usize) -> PyResult<Snapshot> {
        let state = self.get()?;
        py.detach(|| state.snapshot(number, chunk_bytes)).map(Snapshot::new).map_err(error::state)
    }

    fn verify<'py>(&self, py: Python<'py>) -> PyResult<(u64, u64, Bound<'py, PyBytes>)> {
        let state = self.get()?;
        let (accounts, slots, root) = py.detach(|| state.verify()).map_err(error::state)?;
        Ok((accounts, slots, PyBytes::new(py, root.as_slice())))
    }

    fn compact(&self, py: Python<'_>) -> PyResult<()> {
        let state = self.get()?;
        py.detach(|| state.compact());
        Ok(())
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = PyDict::new(py);
        for (name, value) in self.get()?.stats() {
            stats.set_item(name, value)?;
        }
        Ok(stats)
    }

    /// Views that others still hold keep the directory open until they are dropped.
    fn close(&self, py: Python<'_>) {
        let state = self.open.write().take();
        py.detach(|| drop(state));
    }
}
