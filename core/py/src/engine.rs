//! `Engine`: blocks built, executed and replayed by revm, with their roots.
//!
//! ```text
//!   pool ─ best ─▶ evm.build ─▶ Outcome ─┬─ state.prepare (root) ─┐
//!                                        └─ block_roots, diff ────┴─▶ header ─▶ state.insert ─▶ Executed
//! ```

use crate::convert;
use crate::error::{self, InvalidBlock};
use crate::executed::{Attributes, Executed, Parts, Results, draft_of};
use crate::pool::Pool;
use crate::stages::{self, Stage};
use crate::state::State;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::collections::HashSet;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zg_chain::{Transaction, block_roots};
use zg_evm::{BlockEnv, Fork, Limits, Outcome, Skip, SystemCall, TransactionSource};
use zg_pool::PoolError;
use zg_state::At;
use zg_types::StateDiff;
use zg_types::pool::BLOB_TYPE;

/// No transaction is begun after this long: an expensive block must not outlast the leader's timeout.
const BUILD_MAX: Duration = Duration::from_millis(800);
/// A block's candidates may claim this many times its gas: what they use is less than what they reserve.
const OVERBOOKING: u64 = 2;
const TX_GAS_MIN: u64 = 21_000;
/// The roots of blocks with fewer transactions are done sooner than another thread wakes.
const PARALLEL_MIN: usize = 16;

/// See zg_node/_core.pyi.
#[pyclass(frozen)]
pub(crate) struct Engine {
    pub(crate) chain_id: u64,
    pub(crate) fork: Fork,
    pub(crate) evm: zg_evm::Engine,
    stages: Stages,
}

#[derive(Default)]
struct Stages {
    select: Stage,
    execute: Stage,
    state_root: Stage,
    block_roots: Stage,
    encode: Stage,
}

/// A snapshot of the pool's best transactions; a sender whose transaction failed is not asked again.
struct Candidates {
    waiting: std::vec::IntoIter<Arc<Transaction>>,
    stuck: HashSet<Address>,
    /// What no block can contain.
    hopeless: Vec<B256>,
}

impl TransactionSource for Candidates {
    fn next(&mut self) -> Option<Arc<Transaction>> {
        let stuck = &self.stuck;
        self.waiting.find(|tx| stuck.is_empty() || !stuck.contains(&tx.sender))
    }

    fn included(&mut self, _tx: &Transaction) {}

    fn skipped(&mut self, tx: &Transaction, why: Skip) {
        match why {
            Skip::NonceTooLow => {}
            Skip::NonceTooHigh | Skip::Unpayable | Skip::TooLargeForBlock => {
                self.stuck.insert(tx.sender);
            }
            Skip::Invalid(_) => {
                self.stuck.insert(tx.sender);
                self.hopeless.push(tx.hash);
            }
        }
    }
}

fn touched(diff: &StateDiff) -> Vec<Address> {
    diff.accounts.iter().filter(|account| account.before != account.after).map(|account| account.address).collect()
}

/// The first field in which a proposed header differs from what execution gives.
fn difference(proposed: &Header, due: &Header) -> &'static str {
    match () {
        () if proposed.gas_used != due.gas_used => "gasUsed",
        () if proposed.logs_bloom != due.logs_bloom => "logsBloom",
        () if proposed.transactions_root != due.transactions_root => "transactionsRoot",
        () if proposed.receipts_root != due.receipts_root => "receiptsRoot",
        () if proposed.state_root != due.state_root => "stateRoot",
        () => "a constant field",
    }
}

/// A body's transactions, those that the pool knows without recovering them again; all of kinds that our chains carry,
/// which blobs are not.
fn recover(raws: Vec<Bytes>, pool: &Pool) -> PyResult<Vec<Arc<Transaction>>> {
    let refused = |index: usize, why: &dyn Display| InvalidBlock::new_err(format!("transaction {index}: {why}"));
    if let Some(index) = raws.iter().position(|raw| raw.first() == Some(&BLOB_TYPE)) {
        return Err(refused(index, &PoolError::BlobTransaction));
    }
    zg_chain::transaction::recover_known(raws, &|hash| pool.get(hash))
        .into_iter()
        .enumerate()
        .map(|(index, tx)| tx.map_err(|error| refused(index, &error)))
        .collect()
}

/// Do a block's work with the GIL released.
fn executed(py: Python<'_>, work: impl FnOnce() -> PyResult<Results> + Send) -> PyResult<Executed> {
    Ok(Executed::new(py, py.detach(work)?))
}

impl Engine {
    /// Compute every root, complete `header`, and leave the overlay in `state`.
    fn complete(
        &self,
        state: &zg_state::State,
        parent: B256,
        header: Header,
        outcome: Outcome,
        check_before: bool,
    ) -> PyResult<Results> {
        let Outcome { transactions, receipts, diff, .. } = outcome;
        let raws: Vec<&[u8]> = transactions.iter().map(|tx| tx.raw.as_ref()).collect();
        let (touched, encoded) = self.stages.encode.measure(|| (touched(&diff), diff.encode()));
        let state_root = || self.stages.state_root.measure(|| state.prepare(parent, diff, check_before));
        let block_roots = || self.stages.block_roots.measure(|| block_roots(&raws, &receipts));
        let (prepared, roots) = if transactions.len() < PARALLEL_MIN {
            (state_root(), block_roots())
        } else {
            rayon::join(state_root, block_roots)
        };
        let prepared = prepared.map_err(error::state)?;
        let mut results = Results { header, transactions, receipts, diff: encoded, touched };
        results.complete(&roots, prepared.root());
        state.insert(zg_chain::header::hash(&results.header), prepared).map_err(error::state)?;
        Ok(results)
    }

    pub(crate) fn env(&self, header: &Header) -> BlockEnv {
        BlockEnv::of_header(self.chain_id, self.fork, header)
    }

    fn env_closing(&self, header: &Header, closing_calls: Vec<SystemCall>) -> BlockEnv {
        BlockEnv { closing_calls, ..self.env(header) }
    }
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (chain_id, fork = "osaka"))]
    fn new(chain_id: u64, fork: &str) -> PyResult<Self> {
        let fork = Fork::by_name(fork).ok_or_else(|| PyValueError::new_err(format!("unknown fork {fork:?}")))?;
        Ok(Self { chain_id, fork, evm: zg_evm::Engine::new(), stages: Stages::default() })
    }

    fn stages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Stages { select, execute, state_root, block_roots, encode } = &self.stages;
        let stages = [
            ("select", select),
            ("execute", execute),
            ("state root", state_root),
            ("block roots", block_roots),
            ("encode", encode),
        ];
        stages::seconds(py, &stages)
    }

    fn genesis(&self, py: Python<'_>, state: &State, attributes: Attributes, diff: &[u8]) -> PyResult<Executed> {
        let state = state.get()?;
        let header = attributes.draft(B256::ZERO)?;
        let encoded = diff.to_vec();
        let diff = StateDiff::decode(diff).map_err(error::diff)?;
        executed(py, || {
            let root = zg_state::State::root_of(&diff).map_err(error::state)?;
            let touched = touched(&diff);
            let mut results = Results { header, transactions: vec![], receipts: vec![], diff: encoded, touched };
            results.complete(&block_roots::<Bytes>(&[], &[]), root);
            if state.is_empty() {
                state.init_genesis(zg_chain::header::hash(&results.header), &diff).map_err(error::state)?;
            }
            Ok(results)
        })
    }

    fn initialise<'py>(
        &self,
        py: Python<'py>,
        attributes: Attributes,
        diff: &[u8],
        calls: Vec<convert::CallPair>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let env = self.env_closing(&attributes.draft(B256::ZERO)?, convert::system_calls(calls)?);
        let diff = StateDiff::decode(diff).map_err(error::diff)?;
        let initialised = py.detach(|| self.evm.initialise(&diff, &env)).map_err(error::block)?;
        Ok(PyBytes::new(py, &initialised.encode()))
    }

    #[pyo3(signature = (state, parent, attributes, pool, gas_budget, max_body_bytes, calls = Vec::new()))]
    #[expect(clippy::too_many_arguments, reason = "one call a block")]
    fn build(
        &self,
        py: Python<'_>,
        state: &State,
        parent: &[u8],
        attributes: Attributes,
        pool: &Pool,
        gas_budget: u64,
        max_body_bytes: usize,
        calls: Vec<convert::CallPair>,
    ) -> PyResult<Executed> {
        let (state, parent) = (state.get()?, convert::hash(parent)?);
        let header = attributes.draft(parent)?;
        let calls = convert::system_calls(calls)?;
        executed(py, || {
            let view = state.view(At::Hash(parent)).map_err(error::state)?;
            let env = self.env_closing(&header, calls);
            let count = (gas_budget / TX_GAS_MIN) as usize;
            let gas = gas_budget.saturating_mul(OVERBOOKING);
            let best =
                self.stages.select.measure(|| pool.best(&view, env.base_fee, gas, count)).map_err(error::view)?;
            let mut source = Candidates { waiting: best.into_iter(), stuck: HashSet::new(), hopeless: Vec::new() };
            let limits = Limits { gas_budget, max_body_bytes, deadline: Some(Instant::now() + BUILD_MAX) };
            let build = || self.evm.build(&view, &env, &mut source, limits);
            let outcome = self.stages.execute.measure(build).map_err(error::block)?;
            source.hopeless.iter().for_each(|hash| pool.remove(hash));
            self.complete(&state, parent, header, outcome, false)
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one call a block")]
    fn seal(
        &self,
        py: Python<'_>,
        state: &State,
        parent: &[u8],
        attributes: Attributes,
        pool: &Pool,
        raws: Vec<Vec<u8>>,
        receipts: &[u8],
        diff: &[u8],
    ) -> PyResult<Executed> {
        let (state, parent) = (state.get()?, convert::hash(parent)?);
        let header = attributes.draft(parent)?;
        let diff = StateDiff::decode(diff).map_err(error::diff)?;
        let receipts = zg_chain::receipt::decode(receipts).map_err(error::stored)?;
        executed(py, || {
            let transactions = recover(raws.into_iter().map(Bytes::from).collect(), pool)?;
            let outcome = Outcome { transactions, receipts, diff, ..Outcome::default() };
            self.complete(&state, parent, header, outcome, true)
        })
    }

    #[pyo3(signature = (state, parent, header, body, pool, calls = Vec::new()))]
    #[expect(clippy::too_many_arguments, reason = "one call a block")]
    fn execute(
        &self,
        py: Python<'_>,
        state: &State,
        parent: &[u8],
        header: &[u8],
        body: &[u8],
        pool: &Pool,
        calls: Vec<convert::CallPair>,
    ) -> PyResult<Executed> {
        let (state, parent) = (state.get()?, convert::hash(parent)?);
        let calls = convert::system_calls(calls)?;
        executed(py, || {
            let proposed = zg_chain::header::decode(header).map_err(error::proposed)?;
            let transactions = recover(zg_chain::body::decode(body).map_err(error::proposed)?, pool)?;
            let view = state.view(At::Hash(parent)).map_err(error::state)?;
            let env = self.env_closing(&proposed, calls);
            let execute = || self.evm.execute(&view, &env, &transactions);
            let outcome = self.stages.execute.measure(execute).map_err(error::block)?;
            let results = self.complete(&state, parent, draft_of(&proposed), outcome, false)?;
            if results.header != proposed {
                let field = difference(&proposed, &results.header);
                return Err(InvalidBlock::new_err(format!("{field} does not follow from executing the block")));
            }
            Ok(results)
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one call a block")]
    fn replay(
        &self,
        py: Python<'_>,
        state: &State,
        parent: &[u8],
        header: &[u8],
        body: &[u8],
        receipts: &[u8],
        senders: &[u8],
        diff: &[u8],
    ) -> PyResult<Executed> {
        let (state, parent) = (state.get()?, convert::hash(parent)?);
        let decoded = zg_chain::header::decode(header).map_err(error::stored)?;
        let changes = StateDiff::decode(diff).map_err(error::diff)?;
        let touched = touched(&changes);
        let prepared = py.detach(|| state.prepare(parent, changes, true)).map_err(|error| match error {
            zg_state::StateError::Mismatch(text) => error::Corrupt::new_err(text),
            other => error::state(other),
        })?;
        if prepared.root() != decoded.state_root {
            let text = format!("block {}: the logged diff gives another state root than the header", decoded.number);
            return Err(error::Corrupt::new_err(text));
        }
        state.insert(zg_chain::header::hash(&decoded), prepared).map_err(error::state)?;
        let hashes = crate::codec::hashes(body).map_err(error::stored)?;
        let parts = Parts { header, body, receipts, senders, diff };
        Ok(Executed::of_parts(py, &decoded, &parts, hashes, touched))
    }
}
