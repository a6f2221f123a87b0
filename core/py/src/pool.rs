//! `Pool`: the mempool behind a mutex, with decoding and recovery in front of it.

use crate::content;
use crate::convert::{self, AtArgument};
use crate::error;
use crate::executed::Executed;
use crate::stages::{self, Stage};
use crate::state::State;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Encodable;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use std::sync::Arc;
use zg_chain::transaction::{in_groups, raw_from_hex};
use zg_chain::{Transaction, TransactionError, json};
use zg_pool::{Env, Limits};
use zg_state::View;
use zg_types::{PoolTransaction, StateView, ViewError};

const REFUSED: i32 = -32000;
/// What geth answers when the argument is no hex at all.
const NOT_HEX: &str =
    "invalid argument 0: json: cannot unmarshal invalid hex string into Go value of type hexutil.Bytes";

/// A transaction as JSON-RPC or the network brings it.
#[derive(FromPyObject)]
enum Raw {
    Hex(PyBackedStr),
    Binary(PyBackedBytes),
}

impl Raw {
    fn bytes(&self) -> Result<Bytes, TransactionError> {
        match self {
            Self::Hex(text) => raw_from_hex(text),
            Self::Binary(bytes) => Ok(Bytes::copy_from_slice(bytes)),
        }
    }
}

/// What the mutex guards: the pool, and the state as of the block it was last told about.
struct Held {
    pool: zg_pool::Pool<Transaction>,
    view: Option<View>,
}

/// See zg_node/_core.pyi.
#[pyclass(frozen)]
pub(crate) struct Pool {
    held: Mutex<Held>,
    recovering: Stage,
    admitting: Stage,
    committing: Stage,
}

type Answer = Result<B256, (i32, String)>;

/// The JSON-RPC error of a transaction that did not decode.
fn undecodable(error: &TransactionError) -> (i32, String) {
    match error {
        TransactionError::Hex => (error::INVALID_PARAMS, NOT_HEX.to_owned()),
        other => (REFUSED, other.to_string()),
    }
}

impl Pool {
    fn add_all(&self, fallback: View, env: &Env, raws: &[Raw]) -> Vec<Answer> {
        let recover =
            |raws: Vec<&Raw>| self.recovering.measure(|| Transaction::recover_group(raws.into_iter().map(Raw::bytes)));
        let recovered = in_groups(raws.iter().collect(), recover);
        let mut held = self.held.lock();
        let Held { pool, view } = &mut *held;
        let view = view.as_ref().unwrap_or(&fallback);
        let mut add = |tx: Arc<Transaction>| {
            let hash = tx.hash;
            pool.add(tx, view, env).map(|_| hash).map_err(|error| (error.code(), error.to_string()))
        };
        self.admitting
            .measure(|| recovered.into_iter().map(|tx| add(Arc::new(tx.map_err(|e| undecodable(&e))?))).collect())
    }

    /// Executable transactions on `view`, best first, until their gas limits add up to `gas` or there are `count`.
    pub(crate) fn best(
        &self,
        view: &dyn StateView,
        base_fee: u64,
        gas: u64,
        count: usize,
    ) -> Result<Vec<Arc<Transaction>>, ViewError> {
        let held = self.held.lock();
        let mut left = gas;
        let mut chosen = Vec::new();
        for tx in held.pool.best(view, base_fee).take(count) {
            let tx = Arc::clone(tx?);
            let gas_limit = tx.gas_limit();
            chosen.push(tx);
            if gas_limit >= left {
                break;
            }
            left -= gas_limit;
        }
        Ok(chosen)
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<Arc<Transaction>> {
        self.held.lock().pool.get(hash).cloned()
    }

    pub(crate) fn remove(&self, hash: &B256) {
        self.held.lock().pool.remove(hash);
    }
}

fn journal<'a>(transactions: impl Iterator<Item = &'a Arc<Transaction>>) -> Vec<u8> {
    let mut out = Vec::new();
    transactions.for_each(|tx| tx.raw.encode(&mut out));
    out
}

#[pymethods]
impl Pool {
    #[new]
    #[pyo3(signature = (chain_id, *, max_transactions, max_bytes, max_per_sender, max_queued_per_sender, max_queued, lifetime_ms, price_bump_percent, min_tip, allow_unprotected))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn new(
        chain_id: u64,
        max_transactions: usize,
        max_bytes: usize,
        max_per_sender: usize,
        max_queued_per_sender: usize,
        max_queued: usize,
        lifetime_ms: u64,
        price_bump_percent: u32,
        min_tip: u128,
        allow_unprotected: bool,
    ) -> Self {
        let limits = Limits {
            max_transactions,
            max_bytes,
            max_per_sender,
            max_queued_per_sender,
            max_queued,
            lifetime_ms,
            price_bump_percent,
            min_tip,
            allow_unprotected,
            ..Limits::new(chain_id)
        };
        Self {
            held: Mutex::new(Held { pool: zg_pool::Pool::new(limits), view: None }),
            recovering: Stage::default(),
            admitting: Stage::default(),
            committing: Stage::default(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call a batch")]
    fn add<'py>(
        &self,
        py: Python<'py>,
        state: &State,
        at: AtArgument,
        base_fee: u64,
        block_gas_limit: u64,
        raws: Vec<Raw>,
        now_ms: u64,
    ) -> PyResult<Bound<'py, PyList>> {
        let (state, at) = (state.get()?, at.at()?);
        let env = Env { base_fee, block_gas_limit, now_ms };
        let answers = py.detach(|| Ok(self.add_all(state.view(at)?, &env, &raws))).map_err(error::state)?;
        let list = PyList::empty(py);
        for answer in answers {
            match answer {
                Ok(hash) => list.append(PyBytes::new(py, hash.as_slice()))?,
                Err(refusal) => list.append(PyTuple::new(
                    py,
                    [refusal.0.into_pyobject(py)?.into_any(), refusal.1.into_pyobject(py)?.into_any()],
                )?)?,
            }
        }
        Ok(list)
    }

    fn commit(
        &self,
        py: Python<'_>,
        state: &State,
        at: AtArgument,
        executed: &Executed,
        base_fee: u64,
        now_ms: u64,
    ) -> PyResult<()> {
        let (state, at) = (state.get()?, at.at()?);
        py.detach(|| {
            let view = state.view(at)?;
            let mut held = self.held.lock();
            let block_gas_limit = u64::MAX;
            let env = Env { base_fee, block_gas_limit, now_ms };
            self.committing.measure(|| held.pool.commit(&executed.hashes, &executed.touched, &view, &env))?;
            held.view = Some(view);
            Ok(())
        })
        .map_err(error::state)
    }

    /// Let go of the state, so that its directory can be opened again.
    fn release(&self, py: Python<'_>) {
        let view = py.detach(|| self.held.lock().view.take());
        py.detach(|| drop(view));
    }

    fn expire(&self, py: Python<'_>, now_ms: u64) -> usize {
        py.detach(|| self.held.lock().pool.expire(now_ms))
    }

    fn len(&self, py: Python<'_>) -> (usize, usize) {
        py.detach(|| self.held.lock().pool.counts())
    }

    fn nonce(&self, py: Python<'_>, state: &State, at: AtArgument, address: &[u8]) -> PyResult<u64> {
        let (state, at, address) = (state.get()?, at.at()?, convert::address(address)?);
        py.detach(|| {
            let nonce = state.view(at)?.account(&address)?.unwrap_or_default().nonce;
            Ok(self.held.lock().pool.pending_nonce(&address, nonce))
        })
        .map_err(error::state)
    }

    fn balance<'py>(
        &self,
        py: Python<'py>,
        state: &State,
        at: AtArgument,
        base_fee: u64,
        address: &[u8],
    ) -> PyResult<Bound<'py, PyAny>> {
        let (state, at, address) = (state.get()?, at.at()?, convert::address(address)?);
        let left = py
            .detach(|| {
                let account = state.view(at)?.account(&address)?.unwrap_or_default();
                let cost = self.held.lock().pool.pending_cost(&address, account.nonce, base_fee);
                Ok(account.balance.saturating_sub(cost))
            })
            .map_err(error::state)?;
        convert::int(py, left)
    }

    fn contains(&self, py: Python<'_>, tx_hash: &[u8]) -> PyResult<bool> {
        let hash = convert::hash(tx_hash)?;
        Ok(py.detach(|| self.get(&hash)).is_some())
    }

    fn raw<'py>(&self, py: Python<'py>, tx_hash: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let hash = convert::hash(tx_hash)?;
        Ok(py.detach(|| self.get(&hash)).map(|tx| PyBytes::new(py, &tx.raw)))
    }

    fn transaction_json<'py>(&self, py: Python<'py>, tx_hash: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let hash = convert::hash(tx_hash)?;
        let json = py.detach(|| self.get(&hash).map(|tx| json::pending_json(&tx)));
        Ok(json.map(|json| PyBytes::new(py, &json)))
    }

    fn candidates<'py>(
        &self,
        py: Python<'py>,
        state: &State,
        at: AtArgument,
        base_fee: u64,
        max_count: usize,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let (state, at) = (state.get()?, at.at()?);
        let best = py
            .detach(|| self.best(&state.view(at)?, base_fee, u64::MAX, max_count).map_err(Into::into))
            .map_err(error::state)?;
        Ok(best.iter().map(|tx| PyBytes::new(py, &tx.raw)).collect())
    }

    #[pyo3(signature = (address=None))]
    fn content_json<'py>(&self, py: Python<'py>, address: Option<&[u8]>) -> PyResult<Bound<'py, PyBytes>> {
        let only = address.map(convert::address).transpose()?;
        let json = py.detach(|| {
            let waiting = content::snapshot(&self.held.lock().pool, only.as_ref());
            if only.is_some() { content::of_sender(&waiting) } else { content::by_sender(&waiting) }
        });
        Ok(PyBytes::new(py, &json))
    }

    fn inspect_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let lines = py.detach(|| {
            let waiting = content::snapshot(&self.held.lock().pool, None);
            content::lines(&waiting)
        });
        PyBytes::new(py, &lines)
    }

    fn take_new<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let hashes = py.detach(|| self.held.lock().pool.take_new());
        hashes.iter().map(|hash| PyBytes::new(py, hash.as_slice())).collect()
    }

    fn take_journal<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let transactions = py.detach(|| self.held.lock().pool.take_journal());
        PyBytes::new(py, &py.detach(|| journal(transactions.iter())))
    }

    fn dump_journal<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| journal(self.held.lock().pool.all())))
    }

    fn stages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stages = [("recover", &self.recovering), ("admit", &self.admitting), ("pool commit", &self.committing)];
        stages::seconds(py, &stages)
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = py.detach(|| self.held.lock().pool.stats());
        let dict = PyDict::new(py);
        for (name, value) in [
            ("executable", stats.executable as u64),
            ("queued", stats.queued as u64),
            ("bytes", stats.bytes as u64),
            ("senders", stats.senders as u64),
            ("added", stats.added),
            ("replaced", stats.replaced),
            ("included", stats.included),
            ("evicted", stats.evicted),
            ("expired", stats.expired),
        ] {
            dict.set_item(name, value)?;
        }
        Ok(dict)
    }

    fn ready(&self, py: Python<'_>, base_fee: u64) -> bool {
        py.detach(|| self.held.lock().pool.ready(base_fee))
    }
}
