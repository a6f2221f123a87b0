//! `Engine`: blocks built, executed and replayed by revm, with their roots.
//!
//! ```text
//!   pool ─ best ─▶ evm.build ─▶ Outcome ─┬─ state.prepare (root) ─┐
//!                                        └─ block_roots, diff ────┴─▶ header ─▶ state.insert ─▶ Executed
//! ```

use crate::convert;
use crate::error;
use crate::executed::{Attributes, Executed, Parts, Results};
use crate::pool::Pool;
use crate::stages::{self, Stage};
use crate::state::State;
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zg_chain::{Transaction, block_roots};
use zg_evm::{BlockEnv, Fork, Limits, Outcome, Skip, TransactionSource};
use zg_state::At;
use zg_types::{StateDiff, ViewError};

/// No transaction is begun after this long: an expensive block must not outlast the leader's timeout.
const BUILD_MAX: Duration = Duration::from_millis(800);
/// A block's candidates may claim this many times its gas: what they use is less than what they reserve.
const OVERBOOKING: u64 = 2;
const TX_GAS_MIN: u64 = 21_000;

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

/// `proposed` without what execution decides, and with our constants in place of its own.
fn draft_of(proposed: &Header) -> Header {
    Header {
        parent_hash: proposed.parent_hash,
        ommers_hash: alloy_consensus::constants::EMPTY_OMMER_ROOT_HASH,
        beneficiary: proposed.beneficiary,
        gas_limit: proposed.gas_limit,
        number: proposed.number,
        timestamp: proposed.timestamp,
        extra_data: proposed.extra_data.clone(),
        mix_hash: proposed.mix_hash,
        base_fee_per_gas: proposed.base_fee_per_gas,
        withdrawals_root: Some(alloy_consensus::constants::EMPTY_WITHDRAWALS),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: proposed.parent_beacon_block_root,
        requests_hash: Some(alloy_eips::eip7685::EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

enum Failure {
    State(zg_state::StateError),
    Block(zg_evm::BlockError),
    Codec(zg_chain::CodecError),
    Invalid(String),
}

impl From<zg_state::StateError> for Failure {
    fn from(error: zg_state::StateError) -> Self {
        Self::State(error)
    }
}

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        Self::State(error.into())
    }
}

impl From<zg_evm::BlockError> for Failure {
    fn from(error: zg_evm::BlockError) -> Self {
        Self::Block(error)
    }
}

impl From<zg_chain::CodecError> for Failure {
    fn from(error: zg_chain::CodecError) -> Self {
        Self::Codec(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::State(error) => error::state(error),
            Failure::Block(error) => error::block(error),
            Failure::Codec(error) => error::proposed(error),
            Failure::Invalid(text) => error::InvalidBlock::new_err(text),
        }
    }
}

/// A body's transactions, those that the pool knows without recovering them again.
fn recover(raws: Vec<Bytes>, pool: &Pool) -> Result<Vec<Arc<Transaction>>, Failure> {
    zg_chain::transaction::recover_known(raws, &|hash| pool.get(hash))
        .into_iter()
        .enumerate()
        .map(|(index, tx)| tx.map_err(|error| Failure::Invalid(format!("transaction {index}: {error}"))))
        .collect()
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
    ) -> Result<Results, zg_state::StateError> {
        let Outcome { transactions, receipts, blob_gas_used, diff, .. } = outcome;
        let raws: Vec<&[u8]> = transactions.iter().map(|tx| tx.raw.as_ref()).collect();
        let (touched, encoded) = self.stages.encode.measure(|| (touched(&diff), diff.encode()));
        let (prepared, roots) = rayon::join(
            || self.stages.state_root.measure(|| state.prepare(parent, diff, check_before)),
            || self.stages.block_roots.measure(|| block_roots(&raws, &receipts)),
        );
        let prepared = prepared?;
        let mut results = Results { header, transactions, receipts, diff: encoded, touched };
        results.complete(&roots, prepared.root(), blob_gas_used);
        state.insert(zg_chain::header::hash(&results.header), prepared)?;
        Ok(results)
    }

    pub(crate) fn env(&self, header: &Header) -> BlockEnv {
        BlockEnv::of_header(self.chain_id, self.fork, header)
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
        let mut header = attributes.draft(B256::ZERO)?;
        let encoded = diff.to_vec();
        let diff = StateDiff::decode(diff).map_err(error::diff)?;
        let results = py
            .detach(|| {
                let root = zg_state::State::root_of(&diff)?;
                let roots = block_roots::<Bytes>(&[], &[]);
                header.state_root = root;
                let mut results =
                    Results { header, transactions: vec![], receipts: vec![], diff: encoded, touched: touched(&diff) };
                results.complete(&roots, root, 0);
                if state.is_empty() {
                    state.init_genesis(zg_chain::header::hash(&results.header), &diff)?;
                }
                Ok(results)
            })
            .map_err(error::state)?;
        Ok(Executed::new(py, results))
    }

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
    ) -> PyResult<Executed> {
        let (state, parent) = (state.get()?, convert::hash(parent)?);
        let header = attributes.draft(parent)?;
        let results = py.detach(|| -> Result<Results, Failure> {
            let view = state.view(At::Hash(parent))?;
            let env = self.env(&header);
            let count = (gas_budget / TX_GAS_MIN) as usize;
            let gas = gas_budget.saturating_mul(OVERBOOKING);
            let best = self.stages.select.measure(|| pool.best(&view, env.base_fee, gas, count))?;
            let mut source = Candidates { waiting: best.into_iter(), stuck: HashSet::new(), hopeless: Vec::new() };
            let limits = Limits { gas_budget, max_body_bytes, deadline: Some(Instant::now() + BUILD_MAX) };
            let outcome = self.stages.execute.measure(|| self.evm.build(&view, &env, &mut source, limits))?;
            source.hopeless.iter().for_each(|hash| pool.remove(hash));
            Ok(self.complete(&state, parent, header, outcome, false)?)
        })?;
        Ok(Executed::new(py, results))
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
        let results = py.detach(|| -> Result<Results, Failure> {
            let transactions = recover(raws.into_iter().map(Bytes::from).collect(), pool)?;
            let outcome = Outcome { transactions, receipts, diff, ..Outcome::default() };
            Ok(self.complete(&state, parent, header, outcome, true)?)
        })?;
        Ok(Executed::new(py, results))
    }

    fn execute(
        &self,
        py: Python<'_>,
        state: &State,
        parent: &[u8],
        header: &[u8],
        body: &[u8],
        pool: &Pool,
    ) -> PyResult<Executed> {
        let (state, parent) = (state.get()?, convert::hash(parent)?);
        let results = py.detach(|| -> Result<Results, Failure> {
            let proposed = zg_chain::header::decode(header)?;
            let transactions = recover(zg_chain::body::decode(body)?, pool)?;
            let view = state.view(At::Hash(parent))?;
            let env = self.env(&proposed);
            let outcome = self.stages.execute.measure(|| self.evm.execute(&view, &env, &transactions))?;
            let results = self.complete(&state, parent, draft_of(&proposed), outcome, false)?;
            if results.header != proposed {
                let field = difference(&proposed, &results.header);
                return Err(Failure::Invalid(format!("{field} does not follow from executing the block")));
            }
            Ok(results)
        })?;
        Ok(Executed::new(py, results))
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
