//! What the mempool needs to know about a transaction, and the gas that is due before its first opcode.
//!
//! ```text
//! bytes ── decode, recover ──▶ impl PoolTransaction ── Footprint::of at decoding ──▶ intrinsic_gas, floor_gas
//! ```

use alloy_primitives::{Address, B256, U256};

/// Gas of any transaction.
pub const BASE_GAS: u64 = 21_000;
/// EIP-2: gas on top of [`BASE_GAS`] for a transaction that creates a contract.
pub const CREATE_GAS: u64 = 32_000;
/// EIP-2028: gas of a zero byte of input.
pub const ZERO_BYTE_GAS: u64 = 4;
/// EIP-2028: gas of any other byte of input.
pub const NONZERO_BYTE_GAS: u64 = 16;
/// EIP-2930: gas of an access list entry's address.
pub const ACCESS_ADDRESS_GAS: u64 = 2_400;
/// EIP-2930: gas of an access list entry's storage key.
pub const ACCESS_KEY_GAS: u64 = 1_900;
/// EIP-3860: gas of each started 32-byte word of initcode.
pub const INITCODE_WORD_GAS: u64 = 2;
/// EIP-3860: longest initcode, bytes.
pub const INITCODE_BYTES_MAX: usize = 49_152;
/// EIP-7623: tokens that a nonzero byte counts for; a zero byte is one token.
pub const NONZERO_BYTE_TOKENS: u64 = 4;
/// EIP-7623: least gas of a token.
pub const TOKEN_FLOOR_GAS: u64 = 10;
/// EIP-7702: gas of an authorization.
pub const AUTHORIZATION_GAS: u64 = 25_000;
/// EIP-7825: largest gas limit of a transaction.
pub const TRANSACTION_GAS_MAX: u64 = 1 << 24;

/// EIP-2718 type byte of a blob transaction (EIP-4844).
pub const BLOB_TYPE: u8 = 3;
/// EIP-2718 type byte of a transaction that sets code (EIP-7702).
pub const SET_CODE_TYPE: u8 = 4;

/// The parts of a transaction that intrinsic gas is charged for. Counted once, when it is decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Zero bytes in the input.
    pub zero_bytes: u32,
    /// Other bytes in the input.
    pub nonzero_bytes: u32,
    /// There is no recipient: the input is initcode.
    pub is_create: bool,
    /// Entries of the access list.
    pub access_addresses: u32,
    /// Storage keys in all entries of the access list.
    pub access_keys: u32,
    /// Entries of the authorization list, the invalid ones too.
    pub authorizations: u32,
}

impl Footprint {
    /// Count `input`; access list and authorizations are the caller's to fill in.
    pub fn of(input: &[u8], is_create: bool) -> Self {
        let zeros = input.iter().filter(|byte| **byte == 0).count();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { zero_bytes: count(zeros), nonzero_bytes: count(input.len() - zeros), is_create, ..Self::default() }
    }

    /// Length of the input, bytes.
    pub fn input_bytes(&self) -> usize {
        self.zero_bytes as usize + self.nonzero_bytes as usize
    }

    /// Gas charged before execution: EIP-2028, 2930, 3860 and 7702.
    pub fn intrinsic_gas(&self) -> u64 {
        let creation =
            if self.is_create { CREATE_GAS + INITCODE_WORD_GAS * self.input_bytes().div_ceil(32) as u64 } else { 0 };
        BASE_GAS
            + creation
            + ZERO_BYTE_GAS * u64::from(self.zero_bytes)
            + NONZERO_BYTE_GAS * u64::from(self.nonzero_bytes)
            + ACCESS_ADDRESS_GAS * u64::from(self.access_addresses)
            + ACCESS_KEY_GAS * u64::from(self.access_keys)
            + AUTHORIZATION_GAS * u64::from(self.authorizations)
    }

    /// EIP-7623: the least gas that the input costs, however little is executed.
    pub fn floor_gas(&self) -> u64 {
        let tokens = u64::from(self.zero_bytes) + NONZERO_BYTE_TOKENS * u64::from(self.nonzero_bytes);
        BASE_GAS + TOKEN_FLOOR_GAS * tokens
    }
}

/// A decoded transaction with a recovered sender.
pub trait PoolTransaction: Send + Sync {
    fn hash(&self) -> &B256;
    fn sender(&self) -> &Address;
    fn nonce(&self) -> u64;
    fn gas_limit(&self) -> u64;
    /// Gas price for legacy and 2930, max fee per gas otherwise; wei.
    fn max_fee(&self) -> u128;
    /// Gas price for legacy and 2930, max priority fee per gas otherwise; wei.
    fn max_priority_fee(&self) -> u128;
    /// Upper bound of what the sender pays: value + gas_limit · max_fee (saturating).
    fn max_cost(&self) -> U256;
    /// EIP-2718 type byte; 0 for legacy.
    fn tx_type(&self) -> u8;
    /// The chain that the signature is bound to; None for a legacy signature without EIP-155.
    fn chain_id(&self) -> Option<u64>;
    /// EIP-2718 encoding, as received.
    fn raw(&self) -> &[u8];
    /// What intrinsic gas is charged for.
    fn footprint(&self) -> Footprint;
    /// EIP-7702 authorities recovered from the authorization list; empty for other types.
    fn authorities(&self) -> &[Address];
    /// Effective tip per gas at `base_fee`; None when max_fee is below it.
    fn effective_tip(&self, base_fee: u64) -> Option<u128> {
        self.max_fee().checked_sub(base_fee as u128).map(|room| room.min(self.max_priority_fee()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_transfer_needs_21000_gas() {
        assert_eq!(Footprint::of(&[], false).intrinsic_gas(), 21_000);
        assert_eq!(Footprint::of(&[], false).floor_gas(), 21_000);
    }

    #[test]
    fn input_is_charged_by_byte_and_by_token() {
        let footprint = Footprint::of(&[0, 1, 0, 2, 3], false);
        assert_eq!(footprint.intrinsic_gas(), 21_000 + 2 * 4 + 3 * 16);
        assert_eq!(footprint.floor_gas(), 21_000 + 10 * (2 + 3 * 4));
    }

    #[test]
    fn initcode_is_charged_by_started_word() {
        assert_eq!(Footprint::of(&[1; 33], true).intrinsic_gas(), 53_000 + 33 * 16 + 2 * 2);
    }

    #[test]
    fn access_lists_and_authorizations_are_charged_by_entry() {
        let footprint =
            Footprint { access_addresses: 2, access_keys: 3, authorizations: 4, ..Footprint::of(&[], false) };
        assert_eq!(footprint.intrinsic_gas(), 21_000 + 2 * 2_400 + 3 * 1_900 + 4 * 25_000);
        assert_eq!(footprint.floor_gas(), 21_000);
    }
}
