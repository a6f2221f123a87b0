//! What a block's header says to the transactions in it.

use crate::fork::Fork;
use crate::state::BlockHashes;
use crate::system::SystemCall;
use alloy_primitives::{Address, B256, U256};
use revm::context::CfgEnv;
use revm::context_interface::block::BlobExcessGasAndPrice;

/// The context of a block. Every field but `chain_id`, `fork` and `closing_calls` is one of the header's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEnv {
    pub chain_id: u64,
    pub fork: Fork,
    pub parent_hash: B256,
    pub number: u64,
    /// Seconds since the epoch.
    pub timestamp: u64,
    /// Who receives the tips.
    pub coinbase: Address,
    pub gas_limit: u64,
    /// Wei.
    pub base_fee: u64,
    pub prev_randao: B256,
    pub parent_beacon_root: B256,
    pub excess_blob_gas: u64,
    /// Made in order after the last transaction; the consensus layer says which.
    pub closing_calls: Vec<SystemCall>,
}

impl BlockEnv {
    /// The environment of the block that `header` heads, without closing calls. Fields that Cancun added count as zero
    /// when absent.
    pub fn of_header(chain_id: u64, fork: Fork, header: &alloy_consensus::Header) -> Self {
        Self {
            chain_id,
            fork,
            parent_hash: header.parent_hash,
            number: header.number,
            timestamp: header.timestamp,
            coinbase: header.beneficiary,
            gas_limit: header.gas_limit,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            prev_randao: header.mix_hash,
            parent_beacon_root: header.parent_beacon_block_root.unwrap_or_default(),
            excess_blob_gas: header.excess_blob_gas.unwrap_or_default(),
            closing_calls: Vec::new(),
        }
    }

    /// Price of a unit of blob gas, in wei (EIP-4844).
    pub fn blob_base_fee(&self) -> u128 {
        self.blob_price().blob_gasprice
    }

    fn blob_price(&self) -> BlobExcessGasAndPrice {
        BlobExcessGasAndPrice::new(self.excess_blob_gas, self.fork.blobs.update_fraction)
    }

    pub(crate) fn hashes(&self) -> BlockHashes<'static> {
        BlockHashes::History { number: self.number, parent_hash: self.parent_hash }
    }

    pub(crate) fn revm_block(&self) -> revm::context::BlockEnv {
        revm::context::BlockEnv {
            number: U256::from(self.number),
            beneficiary: self.coinbase,
            timestamp: U256::from(self.timestamp),
            gas_limit: self.gas_limit,
            basefee: self.base_fee,
            difficulty: U256::ZERO,
            prevrandao: Some(self.prev_randao),
            blob_excess_gas_and_price: Some(self.blob_price()),
            slot_num: 0,
        }
    }

    pub(crate) fn revm_cfg(&self) -> CfgEnv {
        let mut cfg = CfgEnv::new_with_spec(self.fork.spec).with_chain_id(self.chain_id);
        cfg.set_max_blobs_per_tx(self.fork.blobs_per_tx_max);
        cfg.blob_base_fee_update_fraction = Some(self.fork.blobs.update_fraction);
        cfg
    }
}
