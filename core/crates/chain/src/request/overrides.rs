//! geth's state overrides: accounts that a call shall find otherwise than they are.

use super::field::{Fields, address, bytes, parse_object, quantity, unsigned_64};
use crate::error::RequestError;
use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::Value;

/// What storage a call shall find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageOverride {
    /// These (slot, word) pairs and nothing else (`state`).
    Whole(Vec<(B256, B256)>),
    /// The account's storage with these (slot, word) pairs over it (`stateDiff`).
    Diff(Vec<(B256, B256)>),
}

/// What is different about one account; None keeps what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountOverride {
    /// Wei.
    pub balance: Option<U256>,
    pub nonce: Option<u64>,
    pub code: Option<Bytes>,
    pub storage: Option<StorageOverride>,
    /// The account is a precompile, which shall be found at this address instead.
    pub move_precompile_to: Option<Address>,
}

/// Overrides by account, ascending by address, no duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateOverrides(pub Vec<(Address, AccountOverride)>);

impl AccountOverride {
    fn read(account: Address, value: &Value) -> Result<Self, RequestError> {
        let path = account.to_string();
        let fields = Fields::of(value, &path)?;
        let storage = match (fields.words("state")?, fields.words("stateDiff")?) {
            (Some(_), Some(_)) => return Err(RequestError::StateAndDiff(account)),
            (Some(whole), None) => Some(StorageOverride::Whole(whole)),
            (None, diff) => diff.map(StorageOverride::Diff),
        };
        Ok(Self {
            balance: fields.get("balance", quantity)?,
            nonce: fields.get("nonce", unsigned_64)?,
            code: fields.get("code", bytes)?,
            storage,
            move_precompile_to: fields.get("movePrecompileToAddress", address)?,
        })
    }
}

impl StateOverrides {
    /// Parse the UTF-8 JSON object `json`, {address: {balance, nonce, code, state | stateDiff, movePrecompileToAddress}}.
    pub fn parse(json: &[u8]) -> Result<Self, RequestError> {
        let map = parse_object(json)?;
        let mut accounts = Vec::with_capacity(map.len());
        for (key, value) in &map {
            let account = address(&Value::String(key.clone()))
                .map_err(|reason| RequestError::Field { field: "state overrides".into(), reason })?;
            accounts.push((account, AccountOverride::read(account, value)?));
        }
        accounts.sort_by_key(|(account, _)| *account);
        if let Some(pair) = accounts.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(RequestError::Field { field: pair[0].0.to_string(), reason: "overridden twice".into() });
        }
        Ok(Self(accounts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::bytes;

    const ONE: &str = "0x1111111111111111111111111111111111111111";
    const WORD: &str = "0x0000000000000000000000000000000000000000000000000000000000000005";

    fn parse(body: &str) -> Result<StateOverrides, RequestError> {
        StateOverrides::parse(format!(r#"{{"{ONE}": {body}}}"#).as_bytes())
    }

    fn one(account: AccountOverride) -> Result<StateOverrides, RequestError> {
        Ok(StateOverrides(vec![(Address::repeat_byte(0x11), account)]))
    }

    #[test]
    fn every_field_is_read() {
        let word = B256::with_last_byte(5);
        let json = format!(
            r#"{{"balance": "0x9", "nonce": "0x2", "code": "0x6000", "state": {{"{WORD}": "{WORD}"}},
                "movePrecompileToAddress": "0x2222222222222222222222222222222222222222"}}"#
        );
        let expected = AccountOverride {
            balance: Some(U256::from(9)),
            nonce: Some(2),
            code: Some(bytes!("6000")),
            storage: Some(StorageOverride::Whole(vec![(word, word)])),
            move_precompile_to: Some(Address::repeat_byte(0x22)),
        };
        assert_eq!(parse(&json), one(expected));
    }

    #[test]
    fn a_storage_diff_is_told_from_a_whole_storage() {
        let word = B256::with_last_byte(5);
        let diff =
            AccountOverride { storage: Some(StorageOverride::Diff(vec![(word, word)])), ..AccountOverride::default() };
        assert_eq!(parse(&format!(r#"{{"stateDiff": {{"{WORD}": "{WORD}"}}}}"#)), one(diff));
        let emptied = AccountOverride { storage: Some(StorageOverride::Whole(vec![])), ..AccountOverride::default() };
        assert_eq!(parse(r#"{"state": {}}"#), one(emptied));
    }

    #[test]
    fn a_whole_storage_beside_a_diff_is_refused() {
        let error = parse(r#"{"state": {}, "stateDiff": {}}"#).unwrap_err();
        assert_eq!(error.to_string(), format!("account {ONE} has both 'state' and 'stateDiff'"));
    }

    #[test]
    fn malformed_overrides_are_refused() {
        let error = StateOverrides::parse(br#"{"0x11": {}}"#).unwrap_err();
        assert_eq!(error.to_string(), "invalid argument: hex string has length 2, want 40 in field state overrides");
        let error = parse(r#"{"state": {"0x5": "0x6"}}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("invalid argument: hex string has length 1, want 64 in field {ONE}.state")
        );
        let upper = ONE.to_uppercase().replace("0X", "0x").replace('1', "a");
        let lower = upper.to_lowercase();
        let error = StateOverrides::parse(
            format!(r#"{{"{lower}": {{}}, "{}": {{}}}}"#, upper.to_uppercase().replace("0X", "0x")).as_bytes(),
        );
        assert!(error.unwrap_err().to_string().contains("overridden twice"));
    }
}
