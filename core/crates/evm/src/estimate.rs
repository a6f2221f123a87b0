//! eth_estimateGas: the least gas, within an error, with which a message succeeds. The search is geth's.

use crate::block::Engine;
use crate::call::{CallLimits, Scene, TxGasCap, message};
use crate::env::BlockEnv;
use crate::failure::CallFailure;
use alloy_primitives::{KECCAK256_EMPTY, TxKind, U256};
use revm::context::TxEnv;
use revm::context_interface::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction};
use revm::primitives::eip7825::TX_GAS_LIMIT_CAP;
use revm::primitives::hardfork::SpecId;
use zg_chain::{CallFields, StateOverrides};
use zg_types::StateView;

/// Gas of a plain transfer.
const TX_GAS: u64 = 21_000;
/// Gas that a callee gets for nothing when it receives value.
const CALL_STIPEND: u64 = 2300;
/// The search ends when the bounds differ by less than this part of the upper one.
const ERROR_RATIO: f64 = 0.015;

/// One attempt with a certain gas.
enum Attempt {
    /// Enough: gas used, and gas used before refunds.
    Enough { used: u64, peak: u64 },
    /// Too little, as far as one can tell.
    Short,
    /// It fails with any gas.
    Fails(ExecutionResult),
}

impl Engine {
    /// The gas that a message needs over `view`, the state after the block of `env`.
    pub fn estimate_gas(
        &self,
        view: &dyn StateView,
        env: &BlockEnv,
        fields: &CallFields,
        overrides: &StateOverrides,
        limits: CallLimits,
    ) -> Result<u64, CallFailure> {
        let scene = Scene::new(self, view, env, overrides, limits)?;
        let ceiling = ceiling(&scene, env, fields, limits.gas_cap)?;
        let mut search = Search { scene, tx: message(fields, env, ceiling)? };
        if search.is_plain_transfer()? && matches!(search.attempt(TX_GAS)?, Attempt::Enough { .. }) {
            return Ok(TX_GAS);
        }
        match search.attempt(ceiling)? {
            Attempt::Enough { used, peak } => search.between(used, peak, ceiling),
            Attempt::Short => Err(CallFailure::Refused(format!("gas required exceeds allowance ({ceiling})"))),
            Attempt::Fails(result) => Err(search.why(result)),
        }
    }
}

/// The most gas that the message may use: the block's or its own, what EIP-7825 allows, what the sender can pay for, and
/// what the node allows.
fn ceiling(scene: &Scene<'_>, env: &BlockEnv, fields: &CallFields, gas_cap: u64) -> Result<u64, CallFailure> {
    let mut ceiling = fields.gas.filter(|gas| *gas >= TX_GAS).unwrap_or(env.gas_limit);
    if env.fork.spec.is_enabled_in(SpecId::OSAKA) {
        ceiling = ceiling.min(TX_GAS_LIMIT_CAP);
    }
    let price = fields.gas_price.or(fields.max_fee).unwrap_or_default();
    if price > 0 {
        let balance = scene.view.account(&fields.from.unwrap_or_default())?.unwrap_or_default().balance;
        let value = fields.value.unwrap_or_default();
        if !value.is_zero() && value >= balance {
            return Err(CallFailure::Refused("insufficient funds for transfer".into()));
        }
        let allowance = (balance - value) / U256::from(price);
        ceiling = ceiling.min(allowance.saturating_to());
    }
    Ok(ceiling.min(gas_cap))
}

struct Search<'a> {
    scene: Scene<'a>,
    tx: TxEnv,
}

impl Search<'_> {
    fn is_plain_transfer(&self) -> Result<bool, CallFailure> {
        let TxKind::Call(to) = self.tx.kind else { return Ok(false) };
        if !self.tx.data.is_empty() || self.scene.precompiles.addresses().contains(&to) {
            return Ok(false);
        }
        Ok(self.scene.view.account(&to)?.is_none_or(|account| account.code_hash == KECCAK256_EMPTY))
    }

    fn attempt(&mut self, gas: u64) -> Result<Attempt, CallFailure> {
        use InvalidTransaction as I;
        self.tx.gas_limit = gas;
        match self.scene.run(&self.tx, TxGasCap::Kept) {
            Ok(ExecutionResult::Success { gas, .. }) => {
                let peak = gas.total_gas_spent().max(gas.floor_gas());
                Ok(Attempt::Enough { used: gas.tx_gas_used(), peak })
            }
            Ok(ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. }) => Ok(Attempt::Short),
            Ok(failed) => Ok(Attempt::Fails(failed)),
            Err(EVMError::Transaction(I::CallGasCostMoreThanGasLimit { .. } | I::GasFloorMoreThanGasLimit { .. })) => {
                Ok(Attempt::Short)
            }
            Err(error) => Err(self.scene.failure(error, &self.tx, |text| format!("failed with {gas} gas: {text}"))),
        }
    }

    /// Narrow down to the least gas up to `enough` that suffices; with that much, `used` was used and `peak` before refunds.
    fn between(&mut self, used: u64, peak: u64, enough: u64) -> Result<u64, CallFailure> {
        let (mut short, mut enough) = (used - 1, enough);
        // Most messages need what they used, plus what a callee must leave unused (EIP-150).
        let optimistic = peak.saturating_add(CALL_STIPEND).saturating_mul(64) / 63;
        if optimistic < enough {
            if self.suffices(optimistic)? { enough = optimistic } else { short = optimistic }
        }
        while short + 1 < enough && (enough - short) as f64 / enough as f64 >= ERROR_RATIO {
            // Few need much more than they used: lean to the lower bound.
            let middle = (short + (enough - short) / 2).min(short.saturating_mul(2));
            if self.suffices(middle)? { enough = middle } else { short = middle }
        }
        Ok(enough)
    }

    fn suffices(&mut self, gas: u64) -> Result<bool, CallFailure> {
        Ok(matches!(self.attempt(gas)?, Attempt::Enough { .. }))
    }

    fn why(&self, result: ExecutionResult) -> CallFailure {
        match result {
            ExecutionResult::Revert { output, .. } => CallFailure::reverted(output),
            ExecutionResult::Halt { reason, .. } => self.scene.halted(&reason, &self.tx, TxGasCap::Kept),
            ExecutionResult::Success { .. } => CallFailure::Machine("a success was taken for a failure".into()),
        }
    }
}
