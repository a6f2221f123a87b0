//! geth's state overrides as a layer over a view, and precompiles that an override moved.

use crate::failure::CallFailure;
use alloy_primitives::map::{AddressMap, AddressSet, B256Map};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use revm::context::ContextTr;
use revm::context_interface::Cfg;
use revm::handler::{EthPrecompiles, PrecompileProvider};
use revm::interpreter::{CallInputs, InterpreterResult};
use revm::primitives::hardfork::SpecId;
use std::collections::HashMap;
use zg_chain::{AccountOverride, StateOverrides, StorageOverride};
use zg_types::{Account, StateView, ViewError};

/// A view with some accounts otherwise.
pub(crate) struct Overridden<'a> {
    under: &'a dyn StateView,
    accounts: AddressMap<Layer>,
    codes: B256Map<Bytes>,
}

/// What is different about one account.
struct Layer {
    nonce: Option<u64>,
    balance: Option<U256>,
    code_hash: Option<B256>,
    slots: HashMap<U256, U256>,
    /// Slots that are not in `slots` are zero, whatever lies under.
    whole: bool,
}

impl Layer {
    fn new(account: &AccountOverride) -> Self {
        let (pairs, whole) = match &account.storage {
            Some(StorageOverride::Whole(pairs)) => (pairs.as_slice(), true),
            Some(StorageOverride::Diff(pairs)) => (pairs.as_slice(), false),
            None => (&[][..], false),
        };
        Self {
            nonce: account.nonce,
            balance: account.balance,
            code_hash: account.code.as_deref().map(keccak256),
            slots: pairs.iter().map(|(slot, word)| ((*slot).into(), (*word).into())).collect(),
            whole,
        }
    }
}

impl<'a> Overridden<'a> {
    pub(crate) fn new(under: &'a dyn StateView, overrides: &StateOverrides) -> Self {
        let codes = overrides.0.iter().filter_map(|(_, account)| account.code.clone());
        Self {
            under,
            accounts: overrides.0.iter().map(|(address, account)| (*address, Layer::new(account))).collect(),
            codes: codes.map(|code| (keccak256(&code), code)).collect(),
        }
    }

    /// Whether code is among what is overridden.
    pub(crate) fn has_code(&self) -> bool {
        !self.codes.is_empty()
    }
}

impl StateView for Overridden<'_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, ViewError> {
        let under = self.under.account(address)?;
        let Some(layer) = self.accounts.get(address) else {
            return Ok(under);
        };
        let account = under.unwrap_or_default();
        Ok(Some(Account {
            nonce: layer.nonce.unwrap_or(account.nonce),
            balance: layer.balance.unwrap_or(account.balance),
            code_hash: layer.code_hash.unwrap_or(account.code_hash),
        }))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ViewError> {
        match self.accounts.get(address) {
            Some(layer) => match layer.slots.get(slot) {
                Some(word) => Ok(*word),
                None if layer.whole => Ok(U256::ZERO),
                None => self.under.storage(address, slot),
            },
            None => self.under.storage(address, slot),
        }
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, ViewError> {
        self.codes.get(code_hash).map_or_else(|| self.under.code(code_hash), |code| Ok(code.clone()))
    }
}

/// A fork's precompiles, some at other addresses.
#[derive(Clone)]
pub(crate) struct Precompiles {
    eth: EthPrecompiles,
    /// (where it was, where it is).
    moved: Vec<(Address, Address)>,
    addresses: AddressSet,
}

impl Precompiles {
    /// Refuses to move what is no precompile, and two to one place.
    pub(crate) fn new(spec: SpecId, overrides: &StateOverrides) -> Result<Self, CallFailure> {
        let eth = EthPrecompiles::new(spec);
        let mut addresses = eth.warm_addresses().clone();
        let mut moved: Vec<(Address, Address)> = Vec::new();
        for (from, account) in &overrides.0 {
            let Some(to) = account.move_precompile_to else { continue };
            if !eth.contains(from) {
                return Err(CallFailure::Refused(format!("account {from} is not a precompile")));
            }
            if moved.iter().any(|(_, taken)| *taken == to) {
                return Err(CallFailure::Refused(format!("account {to} has already been overridden by a precompile")));
            }
            moved.push((*from, to));
        }
        addresses.retain(|address| moved.iter().all(|(from, _)| from != address));
        addresses.extend(moved.iter().map(|(_, to)| *to));
        Ok(Self { eth, moved, addresses })
    }

    pub(crate) fn addresses(&self) -> &AddressSet {
        &self.addresses
    }
}

impl<C: ContextTr<Cfg: Cfg<Spec = SpecId>>> PrecompileProvider<C> for Precompiles {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: SpecId) -> bool {
        <EthPrecompiles as PrecompileProvider<C>>::set_spec(&mut self.eth, spec)
    }

    fn run(&mut self, context: &mut C, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        let called = inputs.bytecode_address;
        if let Some((from, _)) = self.moved.iter().find(|(_, to)| *to == called) {
            return self.eth.run(context, &CallInputs { bytecode_address: *from, ..inputs.clone() });
        }
        if self.moved.iter().any(|(from, _)| *from == called) {
            return Ok(None);
        }
        self.eth.run(context, inputs)
    }

    fn warm_addresses(&self) -> &AddressSet {
        &self.addresses
    }
}
