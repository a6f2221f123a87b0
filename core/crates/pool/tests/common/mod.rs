//! A transaction and a state made for tests.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use hashbrown::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use zg_pool::{Env, Limits, Pool};
use zg_types::{Account, Footprint, PoolTransaction, StateView, ViewError};

pub(crate) const CHAIN: u64 = 7;
pub(crate) const GWEI: u128 = 1_000_000_000;
pub(crate) const ENV: Env = Env { base_fee: 10, block_gas_limit: 30_000_000, now_ms: 0 };

/// A transaction given by its fields; its hash covers what distinguishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tx {
    pub(crate) hash: B256,
    pub(crate) sender: Address,
    pub(crate) nonce: u64,
    pub(crate) gas: u64,
    pub(crate) max_fee: u128,
    pub(crate) tip: u128,
    pub(crate) value: U256,
    pub(crate) tx_type: u8,
    pub(crate) chain_id: Option<u64>,
    pub(crate) raw: Vec<u8>,
    pub(crate) footprint: Footprint,
    pub(crate) authorities: Vec<Address>,
}

impl Tx {
    /// A transfer of nothing with fees 100 and `tip`, 100 bytes long.
    pub(crate) fn new(sender: Address, nonce: u64, tip: u128) -> Self {
        let tx = Self {
            hash: B256::ZERO,
            sender,
            nonce,
            gas: 21_000,
            max_fee: 100.max(tip),
            tip,
            value: U256::ZERO,
            tx_type: 2,
            chain_id: Some(CHAIN),
            raw: vec![0; 100],
            footprint: Footprint::of(&[], false),
            authorities: vec![],
        };
        tx.with(|_| {})
    }

    /// The same with changes.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        let mut seed = Vec::with_capacity(80);
        seed.extend_from_slice(self.sender.as_slice());
        seed.extend_from_slice(&self.nonce.to_be_bytes());
        seed.extend_from_slice(&self.max_fee.to_be_bytes());
        seed.extend_from_slice(&self.tip.to_be_bytes());
        seed.extend_from_slice(&self.value.to_be_bytes::<32>());
        self.hash = keccak256(&seed);
        self
    }
}

impl PoolTransaction for Tx {
    fn hash(&self) -> &B256 {
        &self.hash
    }
    fn sender(&self) -> &Address {
        &self.sender
    }
    fn nonce(&self) -> u64 {
        self.nonce
    }
    fn gas_limit(&self) -> u64 {
        self.gas
    }
    fn max_fee(&self) -> u128 {
        self.max_fee
    }
    fn max_priority_fee(&self) -> u128 {
        self.tip
    }
    fn max_cost(&self) -> U256 {
        self.value.saturating_add(U256::from(self.gas).saturating_mul(U256::from(self.max_fee)))
    }
    fn tx_type(&self) -> u8 {
        self.tx_type
    }
    fn chain_id(&self) -> Option<u64> {
        self.chain_id
    }
    fn raw(&self) -> &[u8] {
        &self.raw
    }
    fn footprint(&self) -> Footprint {
        self.footprint
    }
    fn authorities(&self) -> &[Address] {
        &self.authorities
    }
}

/// Accounts in a map; counts the reads, and fails when told to.
#[derive(Default)]
pub(crate) struct View {
    pub(crate) accounts: HashMap<Address, Account>,
    pub(crate) codes: HashMap<B256, Bytes>,
    pub(crate) broken: bool,
    pub(crate) reads: AtomicUsize,
}

impl View {
    pub(crate) fn set(&mut self, address: Address, nonce: u64, balance: u128) {
        let code_hash = self.accounts.get(&address).copied().unwrap_or_default().code_hash;
        self.accounts.insert(address, Account { nonce, balance: U256::from(balance), code_hash });
    }

    pub(crate) fn set_code(&mut self, address: Address, code: Vec<u8>) {
        let hash = keccak256(&code);
        self.codes.insert(hash, code.into());
        self.accounts.entry(address).or_default().code_hash = hash;
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

impl StateView for View {
    fn account(&self, address: &Address) -> Result<Option<Account>, ViewError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.broken {
            return Err(ViewError::Io("gone".into()));
        }
        Ok(self.accounts.get(address).copied())
    }

    fn storage(&self, _: &Address, _: &U256) -> Result<U256, ViewError> {
        Ok(U256::ZERO)
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, ViewError> {
        self.codes.get(code_hash).cloned().ok_or(ViewError::Corrupt("no code".into()))
    }
}

pub(crate) fn address(n: u64) -> Address {
    Address::left_padding_from(&(n + 1).to_be_bytes())
}

/// A state in which senders 0 … `senders` − 1 are rich, and an empty pool.
pub(crate) fn rich(senders: u64, change: impl FnOnce(&mut Limits)) -> (Pool<Tx>, View) {
    let mut view = View::default();
    (0..senders).for_each(|n| view.set(address(n), 0, 1_000_000_000 * GWEI));
    let mut limits = Limits::new(CHAIN);
    change(&mut limits);
    (Pool::new(limits), view)
}
