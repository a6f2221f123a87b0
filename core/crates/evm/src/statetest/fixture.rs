//! The state-test format, parsed into values that the engine takes.

use super::exception::Refused;
use crate::env::BlockEnv;
use crate::fork::{BlobSchedule, Fork};
use crate::memory::MemoryState;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use revm::context::TxEnv;
use revm::context::either::Either;
use revm::context::transaction::{AccessList, AccessListItem, Authorization, SignedAuthorization};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

#[derive(Deserialize)]
pub(super) struct Fixture {
    env: Env,
    pre: HashMap<Address, PreAccount>,
    transaction: Tx,
    post: BTreeMap<String, Vec<Post>>,
    config: Config,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Env {
    current_coinbase: Address,
    current_gas_limit: U256,
    current_number: U256,
    current_timestamp: U256,
    #[serde(default)]
    current_base_fee: U256,
    #[serde(default)]
    current_random: B256,
    #[serde(default)]
    current_excess_blob_gas: U256,
}

#[derive(Deserialize)]
struct PreAccount {
    nonce: U256,
    balance: U256,
    code: Bytes,
    storage: HashMap<U256, U256>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tx {
    nonce: U256,
    sender: Address,
    /// Empty for a contract creation.
    to: String,
    gas_price: Option<U256>,
    max_fee_per_gas: Option<U256>,
    max_priority_fee_per_gas: Option<U256>,
    max_fee_per_blob_gas: Option<U256>,
    blob_versioned_hashes: Option<Vec<B256>>,
    authorization_list: Option<Vec<Entry>>,
    gas_limit: Vec<U256>,
    value: Vec<U256>,
    data: Vec<Bytes>,
    /// One a data item; null where the transaction has none.
    access_lists: Option<Vec<Option<Vec<Item>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    address: Address,
    storage_keys: Vec<B256>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    chain_id: U256,
    address: Address,
    nonce: U256,
    y_parity: U256,
    r: U256,
    s: U256,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Post {
    hash: B256,
    logs: B256,
    txbytes: Bytes,
    indexes: Indexes,
    expect_exception: Option<String>,
}

#[derive(Deserialize)]
struct Indexes {
    data: usize,
    gas: usize,
    value: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    chainid: U256,
    #[serde(default)]
    blob_schedule: HashMap<String, Schedule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schedule {
    target: U256,
    max: U256,
    base_fee_update_fraction: U256,
}

/// One transaction over one state.
pub(super) struct Case<'a> {
    pub(super) env: BlockEnv,
    pub(super) pre: MemoryState,
    /// The JSON transaction.
    pub(super) transaction: Result<TxEnv, Refused>,
    pub(super) txbytes: &'a Bytes,
    pub(super) expected: Expected<'a>,
}

/// What should become of a case.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    /// The state root afterwards.
    pub(super) hash: B256,
    /// keccak of the RLP list of logs.
    pub(super) logs: B256,
    pub(super) exception: Option<&'a str>,
}

fn narrow<T: TryFrom<U256>>(value: U256, field: &'static str) -> Result<T, Refused> {
    T::try_from(value).map_err(|_| Refused::Range(field))
}

impl Fixture {
    /// The cases for `fork`, in the order of the file.
    pub(super) fn cases(&self, fork: Fork) -> impl Iterator<Item = Case<'_>> {
        let posts = self.post.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(fork.name));
        posts.flat_map(|(_, posts)| posts).map(move |post| Case {
            env: self.env(fork),
            pre: self.pre(),
            transaction: self.transaction.at(&post.indexes, self.config.chainid.saturating_to()),
            txbytes: &post.txbytes,
            expected: Expected { hash: post.hash, logs: post.logs, exception: post.expect_exception.as_deref() },
        })
    }

    /// The block, under `fork` with the blob schedule that the fixture gives.
    fn env(&self, fork: Fork) -> BlockEnv {
        let schedule = self.config.blob_schedule.iter().find(|(name, _)| name.eq_ignore_ascii_case(fork.name));
        let blobs = schedule.map_or(fork.blobs, |(_, schedule)| BlobSchedule {
            target: schedule.target.saturating_to(),
            max: schedule.max.saturating_to(),
            update_fraction: schedule.base_fee_update_fraction.saturating_to(),
        });
        BlockEnv {
            chain_id: self.config.chainid.saturating_to(),
            fork: Fork { blobs, blobs_per_tx_max: fork.blobs_per_tx_max.min(blobs.max), ..fork },
            parent_hash: B256::ZERO,
            number: self.env.current_number.saturating_to(),
            timestamp: self.env.current_timestamp.saturating_to(),
            coinbase: self.env.current_coinbase,
            gas_limit: self.env.current_gas_limit.saturating_to(),
            base_fee: self.env.current_base_fee.saturating_to(),
            prev_randao: self.env.current_random,
            parent_beacon_root: B256::ZERO,
            excess_blob_gas: self.env.current_excess_blob_gas.saturating_to(),
            closing_calls: Vec::new(),
        }
    }

    fn pre(&self) -> MemoryState {
        let mut state = MemoryState::default();
        for (address, account) in &self.pre {
            let storage = account.storage.iter().map(|(slot, value)| (*slot, *value));
            state.insert(*address, account.nonce.saturating_to(), account.balance, account.code.clone(), storage);
        }
        state
    }
}

impl Tx {
    /// The transaction with the data, gas limit and value that `indexes` picks.
    fn at(&self, indexes: &Indexes, chain_id: u64) -> Result<TxEnv, Refused> {
        let missing = Refused::Range("index");
        let (Some(data), Some(gas), Some(value)) =
            (self.data.get(indexes.data), self.gas_limit.get(indexes.gas), self.value.get(indexes.value))
        else {
            return Err(missing);
        };
        let access_list = self.access_lists.as_ref().and_then(|lists| lists.get(indexes.data)?.as_ref());
        let kind = match self.to.as_str() {
            "" => TxKind::Create,
            to => TxKind::Call(to.parse().map_err(|_| Refused::Range("to"))?),
        };
        Ok(TxEnv {
            tx_type: self.tx_type(access_list.is_some()),
            caller: self.sender,
            gas_limit: narrow(*gas, "gas limit")?,
            gas_price: narrow(self.max_fee_per_gas.or(self.gas_price).unwrap_or_default(), "gas price")?,
            kind,
            value: *value,
            data: data.clone(),
            nonce: narrow(self.nonce, "nonce")?,
            chain_id: Some(chain_id),
            access_list: AccessList(
                access_list.map(|items| items.iter().map(Item::value).collect()).unwrap_or_default(),
            ),
            gas_priority_fee: self.max_priority_fee_per_gas.map(|fee| narrow(fee, "priority fee")).transpose()?,
            blob_hashes: self.blob_versioned_hashes.clone().unwrap_or_default(),
            max_fee_per_blob_gas: narrow(self.max_fee_per_blob_gas.unwrap_or_default(), "blob fee")?,
            authorization_list: self
                .authorization_list
                .iter()
                .flatten()
                .map(|entry| Ok(Either::Left(entry.value()?)))
                .collect::<Result<_, Refused>>()?,
        })
    }

    fn tx_type(&self, has_access_list: bool) -> u8 {
        if self.authorization_list.is_some() {
            4
        } else if self.blob_versioned_hashes.is_some() {
            3
        } else if self.max_fee_per_gas.is_some() {
            2
        } else {
            has_access_list.into()
        }
    }
}

impl Item {
    fn value(&self) -> AccessListItem {
        AccessListItem { address: self.address, storage_keys: self.storage_keys.clone() }
    }
}

impl Entry {
    fn value(&self) -> Result<SignedAuthorization, Refused> {
        let authorization =
            Authorization { chain_id: self.chain_id, address: self.address, nonce: narrow(self.nonce, "entry nonce")? };
        let y_parity = narrow(self.y_parity, "y parity")?;
        Ok(SignedAuthorization::new_unchecked(authorization, y_parity, self.r, self.s))
    }
}
