//! eth_createAccessList: what a message touches, until listing it changes nothing more.

use crate::block::Engine;
use crate::call::{CallLimits, Scene, TxGasCap, message};
use crate::env::BlockEnv;
use crate::failure::{self, CallFailure};
use crate::fault;
use crate::vm::Ctx;
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, U256};
use revm::Inspector;
use revm::bytecode::opcode;
use revm::context::TxEnv;
use revm::context_interface::result::ExecutionResult;
use revm::interpreter::Interpreter;
use revm::interpreter::interpreter_types::{InputsTr, Jumps};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use zg_chain::{CallFields, StateOverrides};
use zg_types::{StateView, ViewError};

/// Runs after which a message whose accesses depend on the list is given up.
const ROUNDS_MAX: usize = 32;
/// EIP-7702: gas of an entry of an authorization list.
const AUTHORIZATION_GAS: u64 = 25_000;

/// What a message accesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accesses {
    /// Ascending by address and key.
    pub access_list: AccessList,
    /// With the list.
    pub gas_used: u64,
    /// Why the message fails, when it does.
    pub error: Option<String>,
}

impl Accesses {
    /// The result of eth_createAccessList.
    pub fn to_json(&self) -> Vec<u8> {
        let items = self.access_list.0.iter();
        let list: Vec<_> =
            items.map(|item| json!({ "address": item.address, "storageKeys": item.storage_keys })).collect();
        let mut result = json!({ "accessList": list, "gasUsed": format!("{:#x}", self.gas_used) });
        if let Some(error) = &self.error {
            result["error"] = json!(error);
        }
        result.to_string().into_bytes()
    }
}

impl Engine {
    /// The access list of a message over `view`, the state after the block of `env`.
    pub fn access_list(
        &self,
        view: &dyn StateView,
        env: &BlockEnv,
        fields: &CallFields,
        overrides: &StateOverrides,
        limits: CallLimits,
    ) -> Result<Accesses, CallFailure> {
        let scene = Scene::new(self, view, env, overrides, limits)?;
        let gas = fields.gas.unwrap_or(u64::MAX).min(limits.gas_cap);
        let mut tx = message(fields, env, gas)?;
        if tx.tx_type == 0 {
            tx.tx_type = 1;
        }
        let excluded = excluded(&scene, fields, env, gas)?;
        let mut known = Recorder::new(&excluded, &tx.access_list);
        for _ in 0..ROUNDS_MAX {
            tx.access_list = known.list();
            let (result, found) = scene.inspect(&tx, TxGasCap::Lifted, Recorder::new(&excluded, &tx.access_list));
            let result = result
                .map_err(|error| scene.failure(error, &tx, |text| format!("failed to apply transaction: {text}")))?;
            if found.slots == known.slots {
                return Ok(answer(&scene, tx, result));
            }
            known = found;
        }
        Err(CallFailure::Refused(format!("the accesses change with the list, {ROUNDS_MAX} times over")))
    }
}

fn answer(scene: &Scene<'_>, tx: TxEnv, result: ExecutionResult) -> Accesses {
    let gas_used = result.tx_gas_used();
    let error = match result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Revert { .. } => Some("execution reverted".into()),
        ExecutionResult::Halt { reason, .. } if fault::names_instruction(&reason) => {
            Some(scene.halted(&reason, &tx, TxGasCap::Lifted).to_string())
        }
        ExecutionResult::Halt { reason, .. } => Some(failure::halt(&reason)),
    };
    Accesses { access_list: tx.access_list, gas_used, error }
}

/// Accounts that are warm without a list: sender, receiver, precompiles, and signers of authorizations.
fn excluded(
    scene: &Scene<'_>,
    fields: &CallFields,
    env: &BlockEnv,
    gas: u64,
) -> Result<BTreeSet<Address>, CallFailure> {
    let from = fields.from.unwrap_or_default();
    let authorizations = fields.authorization_list.as_deref().unwrap_or_default();
    if authorizations.len() as u64 > gas / AUTHORIZATION_GAS {
        return Err(CallFailure::Refused("insufficient gas to process all authorizations".into()));
    }
    let signers = authorizations
        .iter()
        .filter(|entry| entry.chain_id.is_zero() || entry.chain_id == U256::from(env.chain_id))
        .filter_map(|entry| entry.recover_authority().ok());
    let mut excluded: BTreeSet<Address> = scene.precompiles.addresses().iter().copied().chain(signers).collect();
    excluded.insert(from);
    excluded.insert(match fields.to {
        Some(to) => to,
        None => from.create(nonce(&scene.view, &from)?),
    });
    Ok(excluded)
}

fn nonce(view: &dyn StateView, address: &Address) -> Result<u64, ViewError> {
    Ok(view.account(address)?.unwrap_or_default().nonce)
}

/// Notes the accounts and slots that instructions name, reverted ones included.
struct Recorder<'e> {
    excluded: &'e BTreeSet<Address>,
    slots: BTreeMap<Address, BTreeSet<B256>>,
}

impl<'e> Recorder<'e> {
    fn new(excluded: &'e BTreeSet<Address>, list: &AccessList) -> Self {
        let mut recorder = Self { excluded, slots: BTreeMap::new() };
        for item in &list.0 {
            recorder.account(item.address);
            item.storage_keys.iter().for_each(|key| recorder.slot(item.address, *key));
        }
        recorder
    }

    fn account(&mut self, address: Address) {
        if !self.excluded.contains(&address) {
            self.slots.entry(address).or_default();
        }
    }

    fn slot(&mut self, address: Address, key: B256) {
        self.slots.entry(address).or_default().insert(key);
    }

    fn list(&self) -> AccessList {
        let item = |(address, keys): (&Address, &BTreeSet<B256>)| AccessListItem {
            address: *address,
            storage_keys: keys.iter().copied().collect(),
        };
        AccessList(self.slots.iter().map(item).collect())
    }
}

impl<'a> Inspector<Ctx<'a>> for Recorder<'_> {
    fn step(&mut self, interpreter: &mut Interpreter, _: &mut Ctx<'a>) {
        let stack = interpreter.stack.data();
        let from_top = |depth: usize| stack.len().checked_sub(depth + 1).map(|index| stack[index]);
        match interpreter.bytecode.opcode() {
            opcode::SLOAD | opcode::SSTORE => {
                if let Some(key) = from_top(0) {
                    self.slot(interpreter.input.target_address(), key.into());
                }
            }
            opcode::EXTCODECOPY
            | opcode::EXTCODEHASH
            | opcode::EXTCODESIZE
            | opcode::BALANCE
            | opcode::SELFDESTRUCT => {
                if let Some(word) = from_top(0) {
                    self.account(Address::from_word(word.into()));
                }
            }
            opcode::CALL | opcode::CALLCODE | opcode::DELEGATECALL | opcode::STATICCALL => {
                if let Some(word) = from_top(1).filter(|_| stack.len() >= 5) {
                    self.account(Address::from_word(word.into()));
                }
            }
            _ => {}
        }
    }
}
