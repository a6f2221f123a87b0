//! What one block changed, both ways, and its encoding in the log record.
//!
//! RLP, canonical, accounts ascending by address and slots ascending:
//! ```text
//! diff    = [ [account …], [code …] ]
//! account = [ address, before, after, wiped, [ [slot, before, after] … ] ]
//! before, after = [] when the account does not exist, else [ nonce, balance, code_hash ]
//! wiped   = 1 when the storage that was there before the block is gone, else 0
//! ```
//! `before` values make the diff reversible: history is kept as the backward half. Only what changed is listed.

use crate::view::Account;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::{Decodable, Encodable, Header};

/// The encoding is not a canonical diff.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DiffError {
    #[error("state diff: {0}")]
    Rlp(#[from] alloy_rlp::Error),
    #[error("state diff: {0}")]
    Shape(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotDiff {
    pub slot: U256,
    pub before: U256,
    pub after: U256,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountDiff {
    pub address: Address,
    pub before: Option<Account>,
    pub after: Option<Account>,
    /// The storage before this block is gone; `storage` lists what was wiped (after = 0) and what was written since.
    pub wiped: bool,
    pub storage: Vec<SlotDiff>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateDiff {
    /// Ascending by address, no duplicates.
    pub accounts: Vec<AccountDiff>,
    /// Newly deployed code with its hash, ascending by hash, no duplicates.
    pub codes: Vec<(B256, Bytes)>,
}

fn list_header(payload_length: usize) -> Header {
    Header { list: true, payload_length }
}

fn account_payload(account: &Option<Account>) -> usize {
    account.as_ref().map_or(0, |a| a.nonce.length() + a.balance.length() + a.code_hash.length())
}

fn encode_account(account: &Option<Account>, out: &mut Vec<u8>) {
    list_header(account_payload(account)).encode(out);
    if let Some(a) = account {
        a.nonce.encode(out);
        a.balance.encode(out);
        a.code_hash.encode(out);
    }
}

fn slot_payload(s: &SlotDiff) -> usize {
    s.slot.length() + s.before.length() + s.after.length()
}

fn listed(payload: usize) -> usize {
    payload + list_header(payload).length()
}

impl AccountDiff {
    fn slots_payload(&self) -> usize {
        self.storage.iter().map(|s| listed(slot_payload(s))).sum()
    }

    fn payload(&self) -> usize {
        self.address.length()
            + listed(account_payload(&self.before))
            + listed(account_payload(&self.after))
            + 1
            + listed(self.slots_payload())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        list_header(self.payload()).encode(out);
        self.address.encode(out);
        encode_account(&self.before, out);
        encode_account(&self.after, out);
        (self.wiped as u8).encode(out);
        list_header(self.slots_payload()).encode(out);
        for s in &self.storage {
            list_header(slot_payload(s)).encode(out);
            s.slot.encode(out);
            s.before.encode(out);
            s.after.encode(out);
        }
    }
}

/// The payload of the list at the front of `buf`, which moves past it.
fn list<'a>(buf: &mut &'a [u8]) -> Result<&'a [u8], DiffError> {
    Ok(Header::decode_bytes(buf, true)?)
}

fn finished(buf: &[u8]) -> Result<(), DiffError> {
    if buf.is_empty() { Ok(()) } else { Err(DiffError::Shape("trailing bytes")) }
}

fn decode_account(buf: &mut &[u8]) -> Result<Option<Account>, DiffError> {
    let mut p = list(buf)?;
    if p.is_empty() {
        return Ok(None);
    }
    let account =
        Account { nonce: u64::decode(&mut p)?, balance: U256::decode(&mut p)?, code_hash: B256::decode(&mut p)? };
    finished(p)?;
    Ok(Some(account))
}

fn decode_slots(mut buf: &[u8]) -> Result<Vec<SlotDiff>, DiffError> {
    let mut slots: Vec<SlotDiff> = Vec::new();
    while !buf.is_empty() {
        let mut p = list(&mut buf)?;
        let slot =
            SlotDiff { slot: U256::decode(&mut p)?, before: U256::decode(&mut p)?, after: U256::decode(&mut p)? };
        finished(p)?;
        if slots.last().is_some_and(|last| last.slot >= slot.slot) {
            return Err(DiffError::Shape("slots are not ascending"));
        }
        slots.push(slot);
    }
    Ok(slots)
}

impl StateDiff {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let accounts: usize = self.accounts.iter().map(|a| listed(a.payload())).sum();
        let codes: usize = self.codes.iter().map(|(_, code)| code.length()).sum();
        let mut out = Vec::with_capacity(listed(listed(accounts) + listed(codes)));
        list_header(listed(accounts) + listed(codes)).encode(&mut out);
        list_header(accounts).encode(&mut out);
        self.accounts.iter().for_each(|a| a.encode(&mut out));
        list_header(codes).encode(&mut out);
        self.codes.iter().for_each(|(_, code)| code.encode(&mut out));
        out
    }

    /// Parse; refuses anything that `encode` would not have written.
    pub fn decode(mut buf: &[u8]) -> Result<Self, DiffError> {
        let mut outer = list(&mut buf)?;
        finished(buf)?;
        let mut accounts_buf = list(&mut outer)?;
        let mut codes_buf = list(&mut outer)?;
        finished(outer)?;
        let mut accounts: Vec<AccountDiff> = Vec::new();
        while !accounts_buf.is_empty() {
            let mut p = list(&mut accounts_buf)?;
            let address = Address::decode(&mut p)?;
            let (before, after) = (decode_account(&mut p)?, decode_account(&mut p)?);
            let wiped = bool::decode(&mut p)?;
            let storage = decode_slots(list(&mut p)?)?;
            finished(p)?;
            if accounts.last().is_some_and(|last| last.address >= address) {
                return Err(DiffError::Shape("accounts are not ascending"));
            }
            accounts.push(AccountDiff { address, before, after, wiped, storage });
        }
        let mut codes: Vec<(B256, Bytes)> = Vec::new();
        while !codes_buf.is_empty() {
            let code = Bytes::decode(&mut codes_buf)?;
            let hash = keccak256(&code);
            if codes.last().is_some_and(|(last, _)| *last >= hash) {
                return Err(DiffError::Shape("codes are not ascending"));
            }
            codes.push((hash, code));
        }
        Ok(Self { accounts, codes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> StateDiff {
        let account = Account { nonce: 3, balance: U256::from(7), ..Account::default() };
        let code = Bytes::from_static(&[0x60, 0x00]);
        StateDiff {
            accounts: vec![
                AccountDiff {
                    address: Address::repeat_byte(1),
                    before: None,
                    after: Some(account),
                    wiped: false,
                    storage: vec![SlotDiff { slot: U256::from(1), before: U256::ZERO, after: U256::MAX }],
                },
                AccountDiff {
                    address: Address::repeat_byte(2),
                    before: Some(account),
                    after: None,
                    wiped: true,
                    storage: vec![],
                },
            ],
            codes: vec![(keccak256(&code), code)],
        }
    }

    #[test]
    fn a_diff_survives_encoding() {
        assert_eq!(StateDiff::decode(&sample().encode()), Ok(sample()));
    }

    #[test]
    fn the_disk_format_is_pinned() {
        let hash = keccak256(sample().encode());
        assert_eq!(hash.to_string(), "0xaab9c2a8905cf55bc4bf70e274d1422f2a28f0ec21696edfb498c5f47c4601ad");
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = sample().encode();
        for end in 0..bytes.len() {
            assert!(StateDiff::decode(&bytes[..end]).is_err(), "accepted {end} bytes");
        }
    }

    #[test]
    fn disorder_is_refused() {
        let mut diff = sample();
        diff.accounts.reverse();
        assert_eq!(StateDiff::decode(&diff.encode()), Err(DiffError::Shape("accounts are not ascending")));
    }
}
