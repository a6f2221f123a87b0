//! Messages that change nothing: eth_call, and what estimates and access lists are made of.
//!
//! ```text
//!   CallFields ──message──▶ TxEnv ─┐
//!   overrides ──▶ view, precompiles ┴─Scene::run──▶ result of the machine, or a CallFailure
//! ```
//! A message needs no signature, nonce or code-free sender, may use more gas than a transaction (EIP-7825) or a block, and
//! with fees of zero it sees a base fee of zero, as in geth.

use crate::block::Engine;
use crate::codes::CodeCache;
use crate::deadline::{self, Deadline};
use crate::env::BlockEnv;
use crate::failure::{self, CallFailure};
use crate::fault::{self, LastStep};
use crate::overrides::{Overridden, Precompiles};
use crate::state::BlockState;
use crate::system::VmError;
use crate::vm::{self, Ctx, Vm};
use alloy_primitives::{Bytes, TxKind};
use revm::context::either::Either;
use revm::context::{Evm, FrameStack, TxEnv};
use revm::context_interface::result::{ExecutionResult, HaltReason};
use revm::handler::instructions::EthInstructions;
use revm::{ExecuteEvm, InspectEvm, Inspector};
use std::time::Duration;
use zg_chain::{CallFields, StateOverrides};
use zg_types::StateView;

/// What a call returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub output: Bytes,
    pub gas_used: u64,
}

/// What bounds a message.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// Gas of a message that names none, and the most that one may name.
    pub gas_cap: u64,
    /// Of wall clock, for everything that one request runs.
    pub timeout: Duration,
}

impl Engine {
    /// Run a message over `view`, the state after the block of `env` (eth_call).
    pub fn call(
        &self,
        view: &dyn StateView,
        env: &BlockEnv,
        fields: &CallFields,
        overrides: &StateOverrides,
        limits: CallLimits,
    ) -> Result<Output, CallFailure> {
        let scene = Scene::new(self, view, env, overrides, limits)?;
        let tx = message(fields, env, fields.gas.unwrap_or(u64::MAX).min(limits.gas_cap))?;
        let gas = tx.gas_limit;
        let failed =
            |error, scene: &Scene<'_>| scene.failure(error, &tx, |text| format!("err: {text} (supplied gas {gas})"));
        match scene.run(&tx, TxGasCap::Lifted).map_err(|error| failed(error, &scene))? {
            ExecutionResult::Success { output, gas, .. } => {
                Ok(Output { output: output.into_data(), gas_used: gas.tx_gas_used() })
            }
            ExecutionResult::Revert { output, .. } => Err(CallFailure::reverted(output)),
            ExecutionResult::Halt { reason, .. } => Err(scene.halted(&reason, &tx, TxGasCap::Lifted)),
        }
    }
}

/// The message that `fields` describe, with `gas`.
pub(crate) fn message(fields: &CallFields, env: &BlockEnv, gas: u64) -> Result<TxEnv, CallFailure> {
    if let Some(have) = fields.chain_id.filter(|id| *id != env.chain_id) {
        let want = env.chain_id;
        return Err(CallFailure::Refused(format!("chainId does not match node's (have={have}, want={want})")));
    }
    let (max_fee, tip) = fees(fields);
    let tx_type = tx_type(fields);
    if tx_type >= 3 && fields.to.is_none() {
        let what = if tx_type == 3 { "blob transaction" } else { "EIP-7702 transaction" };
        return Err(CallFailure::Refused(format!("{what} cannot be used to create contract")));
    }
    Ok(TxEnv {
        tx_type,
        caller: fields.from.unwrap_or_default(),
        gas_limit: gas,
        gas_price: max_fee,
        kind: fields.to.map_or(TxKind::Create, TxKind::Call),
        value: fields.value.unwrap_or_default(),
        data: fields.input.clone().unwrap_or_default(),
        nonce: 0,
        chain_id: Some(env.chain_id),
        access_list: fields.access_list.clone().unwrap_or_default(),
        gas_priority_fee: (tx_type >= 2).then_some(tip),
        blob_hashes: fields.blob_versioned_hashes.clone().unwrap_or_default(),
        max_fee_per_blob_gas: fields.max_fee_per_blob_gas.unwrap_or_default(),
        authorization_list: fields.authorization_list.iter().flatten().cloned().map(Either::Left).collect(),
    })
}

/// (max fee, max priority fee) in wei per gas; zero where nothing is said.
fn fees(fields: &CallFields) -> (u128, u128) {
    match fields.gas_price {
        Some(price) => (price, price),
        None => (fields.max_fee.unwrap_or_default(), fields.max_priority.unwrap_or_default()),
    }
}

fn tx_type(fields: &CallFields) -> u8 {
    if fields.authorization_list.is_some() {
        4
    } else if fields.blob_versioned_hashes.is_some() {
        3
    } else if fields.max_fee.is_some() || fields.max_priority.is_some() {
        2
    } else {
        fields.access_list.is_some().into()
    }
}

/// Whether EIP-7825 holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TxGasCap {
    Kept,
    Lifted,
}

/// A state with overrides, on which messages run one after the other, each from the same start.
pub(crate) struct Scene<'a> {
    env: &'a BlockEnv,
    pub(crate) view: Overridden<'a>,
    pub(crate) precompiles: Precompiles,
    shared_codes: &'a CodeCache,
    /// Instead of the shared one when code is overridden, so that strangers cannot fill that.
    own_codes: Option<CodeCache>,
    timeout: Duration,
    deadline: Deadline,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        view: &'a dyn StateView,
        env: &'a BlockEnv,
        overrides: &StateOverrides,
        limits: CallLimits,
    ) -> Result<Self, CallFailure> {
        let view = Overridden::new(view, overrides);
        Ok(Self {
            env,
            precompiles: Precompiles::new(env.fork.spec, overrides)?,
            shared_codes: &engine.codes,
            own_codes: view.has_code().then(CodeCache::default),
            view,
            timeout: limits.timeout,
            deadline: Deadline::after(limits.timeout),
        })
    }

    /// Run `tx`.
    pub(crate) fn run(&self, tx: &TxEnv, cap: TxGasCap) -> Result<ExecutionResult, VmError> {
        self.machine(tx, cap, ()).transact_one(tx.clone())
    }

    /// Run `tx` under `inspector`, and give it back.
    pub(crate) fn inspect<I>(&self, tx: &TxEnv, cap: TxGasCap, inspector: I) -> (Result<ExecutionResult, VmError>, I)
    where
        I: for<'s> Inspector<Ctx<'s>>,
    {
        let mut machine = self.machine(tx, cap, inspector);
        let result = machine.inspect_one_tx(tx.clone());
        (result, machine.inspector)
    }

    fn machine<I>(&self, tx: &TxEnv, cap: TxGasCap, inspector: I) -> Vm<'_, I, Precompiles> {
        let spec = self.env.fork.spec;
        let mut cfg = self.env.revm_cfg();
        cfg.disable_nonce_check = true;
        cfg.disable_eip3607 = true;
        cfg.disable_block_gas_limit = true;
        if cap == TxGasCap::Lifted {
            cfg.tx_gas_limit_cap = Some(u64::MAX);
        }
        let mut block = self.env.revm_block();
        if tx.gas_price == 0 && tx.gas_priority_fee.unwrap_or_default() == 0 {
            block.basefee = 0;
        }
        if let Some(blobs) = block.blob_excess_gas_and_price.as_mut().filter(|_| tx.max_fee_per_blob_gas == 0) {
            blobs.blob_gasprice = 0;
        }
        let codes = self.own_codes.as_ref().unwrap_or(self.shared_codes);
        let state = BlockState::new(&self.view, codes, self.env.hashes());
        let mut instruction = EthInstructions::new_mainnet_with_spec(spec);
        deadline::install(&mut instruction);
        Evm {
            ctx: vm::context(block, cfg, state, self.deadline),
            inspector,
            instruction,
            precompiles: self.precompiles.clone(),
            frame_stack: FrameStack::new_prealloc(8),
        }
    }

    /// The machine's error about `tx`; `wrap` puts a refusal into the words of the method.
    pub(crate) fn failure(&self, error: VmError, tx: &TxEnv, wrap: impl FnOnce(String) -> String) -> CallFailure {
        CallFailure::of(error, tx, self.env.base_fee, self.timeout, wrap)
    }

    /// The failure of a message that halted; where the text needs more than the reason, it runs once more.
    pub(crate) fn halted(&self, reason: &HaltReason, tx: &TxEnv, cap: TxGasCap) -> CallFailure {
        if !fault::names_instruction(reason) {
            return CallFailure::Halted(failure::halt(reason));
        }
        match self.inspect(tx, cap, LastStep::default()) {
            (Ok(_), last) => CallFailure::Halted(last.text(reason)),
            (Err(error), _) => self.failure(error, tx, |text| text),
        }
    }
}
