//! A transaction object whose fields are all optional.

use super::field::{Fields, address, bytes, hash, parse_object, quantity, unsigned_8, unsigned_64, unsigned_128};
use crate::error::RequestError;
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::Value;

/// What a client said about a call or a transaction; None where it said nothing. Fees are in wei per gas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFields {
    pub from: Option<Address>,
    /// None creates a contract.
    pub to: Option<Address>,
    pub gas: Option<u64>,
    pub gas_price: Option<u128>,
    pub max_fee: Option<u128>,
    pub max_priority: Option<u128>,
    pub value: Option<U256>,
    /// `input`, or its older name `data`.
    pub input: Option<Bytes>,
    pub nonce: Option<u64>,
    pub chain_id: Option<u64>,
    pub access_list: Option<AccessList>,
    pub authorization_list: Option<Vec<SignedAuthorization>>,
    /// EIP-2718 type byte.
    pub tx_type: Option<u8>,
    pub max_fee_per_blob_gas: Option<u128>,
    pub blob_versioned_hashes: Option<Vec<B256>>,
}

fn storage_key(value: &Value) -> Result<B256, RequestError> {
    hash(value).map_err(|reason| RequestError::Field { field: "accessList.storageKeys".into(), reason })
}

fn access_list_item(value: &Value) -> Result<AccessListItem, RequestError> {
    let fields = Fields::of(value, "accessList")?;
    let storage_keys = fields.list("storageKeys", storage_key)?.unwrap_or_default();
    Ok(AccessListItem { address: fields.need("address", address)?, storage_keys })
}

fn authorization(value: &Value) -> Result<SignedAuthorization, RequestError> {
    let fields = Fields::of(value, "authorizationList")?;
    let inner = Authorization {
        chain_id: fields.need("chainId", quantity)?,
        address: fields.need("address", address)?,
        nonce: fields.need("nonce", unsigned_64)?,
    };
    let parity = match fields.get("yParity", unsigned_8)? {
        Some(parity) => parity,
        None => fields.need("v", unsigned_8)?,
    };
    let (r, s) = (fields.need("r", quantity)?, fields.need("s", quantity)?);
    Ok(SignedAuthorization::new_unchecked(inner, parity, r, s))
}

fn blob_hash(value: &Value) -> Result<B256, RequestError> {
    hash(value).map_err(|reason| RequestError::Field { field: "blobVersionedHashes".into(), reason })
}

impl CallFields {
    /// Parse the UTF-8 JSON object `json` of a call; where `input` and `data` differ, `input` counts.
    pub fn parse(json: &[u8]) -> Result<Self, RequestError> {
        Self::read(&Fields::new(&parse_object(json)?, ""))
    }

    /// As [`Self::parse`], for a transaction: `input` and `data` that differ are an error.
    pub fn parse_transaction(json: &[u8]) -> Result<Self, RequestError> {
        let map = parse_object(json)?;
        let fields = Fields::new(&map, "");
        let transaction = Self::read(&fields)?;
        let data = fields.get("data", bytes)?;
        if data.is_some() && data != transaction.input {
            return Err(RequestError::DataAndInput);
        }
        Ok(transaction)
    }

    fn read(fields: &Fields<'_>) -> Result<Self, RequestError> {
        let (input, data) = (fields.get("input", bytes)?, fields.get("data", bytes)?);
        let call = Self {
            from: fields.get("from", address)?,
            to: fields.get("to", address)?,
            gas: fields.get("gas", unsigned_64)?,
            gas_price: fields.get("gasPrice", unsigned_128)?,
            max_fee: fields.get("maxFeePerGas", unsigned_128)?,
            max_priority: fields.get("maxPriorityFeePerGas", unsigned_128)?,
            value: fields.get("value", quantity)?,
            input: input.or(data),
            nonce: fields.get("nonce", unsigned_64)?,
            chain_id: fields.get("chainId", unsigned_64)?,
            access_list: fields.list("accessList", access_list_item)?.map(AccessList),
            authorization_list: fields.list("authorizationList", authorization)?,
            tx_type: fields.get("type", unsigned_8)?,
            max_fee_per_blob_gas: fields.get("maxFeePerBlobGas", unsigned_128)?,
            blob_versioned_hashes: fields.list("blobVersionedHashes", blob_hash)?,
        };
        if call.gas_price.is_some() && (call.max_fee.is_some() || call.max_priority.is_some()) {
            return Err(RequestError::GasPriceAndFees);
        }
        Ok(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, b256, bytes};

    fn error(json: &str) -> String {
        CallFields::parse(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_object_says_nothing() {
        assert_eq!(CallFields::parse(b"{}"), Ok(CallFields::default()));
    }

    #[test]
    fn null_is_absence_and_unknown_fields_are_ignored() {
        let json = br#"{"to": null, "data": null, "gas": null, "colour": [1, {"deep": true}]}"#;
        assert_eq!(CallFields::parse(json), Ok(CallFields::default()));
    }

    #[test]
    fn every_field_is_read() {
        let json = br#"{
            "from": "0x1111111111111111111111111111111111111111", "to": "0x2222222222222222222222222222222222222222",
            "gas": "0x5208", "maxFeePerGas": "0x3b9aca00", "maxPriorityFeePerGas": "0x1", "value": "0xde0b6b3a7640000",
            "input": "0xdeadbeef", "nonce": "0x7", "chainId": "0x195568", "type": "0x4", "maxFeePerBlobGas": "0x9",
            "accessList": [{"address": "0x3333333333333333333333333333333333333333",
                "storageKeys": ["0x0000000000000000000000000000000000000000000000000000000000000004"]}],
            "authorizationList": [{"chainId": "0x1", "address": "0x4444444444444444444444444444444444444444",
                "nonce": "0x2", "yParity": "0x1", "r": "0x3", "s": "0x4"}],
            "blobVersionedHashes": ["0x0100000000000000000000000000000000000000000000000000000000000005"]}"#;
        let inner = Authorization { chain_id: U256::from(1), address: Address::repeat_byte(0x44), nonce: 2 };
        let expected = CallFields {
            from: Some(address!("1111111111111111111111111111111111111111")),
            to: Some(address!("2222222222222222222222222222222222222222")),
            gas: Some(21_000),
            gas_price: None,
            max_fee: Some(1_000_000_000),
            max_priority: Some(1),
            value: Some(U256::from(10).pow(U256::from(18))),
            input: Some(bytes!("deadbeef")),
            nonce: Some(7),
            chain_id: Some(0x195568),
            access_list: Some(AccessList(vec![AccessListItem {
                address: Address::repeat_byte(0x33),
                storage_keys: vec![b256!("0000000000000000000000000000000000000000000000000000000000000004")],
            }])),
            authorization_list: Some(vec![SignedAuthorization::new_unchecked(inner, 1, U256::from(3), U256::from(4))]),
            tx_type: Some(4),
            max_fee_per_blob_gas: Some(9),
            blob_versioned_hashes: Some(vec![b256!(
                "0100000000000000000000000000000000000000000000000000000000000005"
            )]),
        };
        assert_eq!(CallFields::parse(json), Ok(expected));
    }

    #[test]
    fn data_is_the_older_name_of_input() {
        for parse in [CallFields::parse, CallFields::parse_transaction] {
            assert_eq!(parse(br#"{"data": "0x01"}"#).unwrap().input, Some(bytes!("01")));
            assert_eq!(parse(br#"{"data": "0xAB", "input": "0xab"}"#).unwrap().input, Some(bytes!("ab")));
        }
    }

    #[test]
    fn where_data_and_input_differ_a_call_takes_the_input_and_a_transaction_is_refused() {
        for data in ["0x01", "0x"] {
            let json = format!(r#"{{"data": "{data}", "input": "0x02"}}"#);
            assert_eq!(CallFields::parse(json.as_bytes()).unwrap().input, Some(bytes!("02")));
            assert_eq!(
                CallFields::parse_transaction(json.as_bytes()).unwrap_err().to_string(),
                "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data"
            );
        }
        assert_eq!(
            error(r#"{"data": "0x1", "input": "0x02"}"#),
            "invalid argument: hex string of odd length in field data"
        );
    }

    #[test]
    fn a_gas_price_beside_eip_1559_fees_is_refused() {
        let text = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified";
        assert_eq!(error(r#"{"gasPrice": "0x1", "maxFeePerGas": "0x1"}"#), text);
        assert_eq!(error(r#"{"gasPrice": "0x1", "maxPriorityFeePerGas": "0x1"}"#), text);
    }

    #[test]
    fn a_malformed_field_is_named_with_its_fault() {
        for (json, text) in [
            (r#"{"gas": 21000}"#, "invalid argument: non-string in field gas"),
            (r#"{"gas": ""}"#, "invalid argument: empty hex string in field gas"),
            (r#"{"gas": "5208"}"#, "invalid argument: hex string without 0x prefix in field gas"),
            (r#"{"gas": "0x"}"#, "invalid argument: hex string \"0x\" in field gas"),
            (r#"{"gas": "0x05"}"#, "invalid argument: hex number with leading zero digits in field gas"),
            (r#"{"gas": "0x10000000000000000"}"#, "invalid argument: hex number > 64 bits in field gas"),
            (r#"{"value": "0x+1"}"#, "invalid argument: invalid hex string in field value"),
            (r#"{"value": "0x1_0"}"#, "invalid argument: invalid hex string in field value"),
            (r#"{"data": "0x123"}"#, "invalid argument: hex string of odd length in field data"),
            (r#"{"data": "0x0x12"}"#, "invalid argument: invalid hex string in field data"),
            (r#"{"to": "0x1234"}"#, "invalid argument: hex string has length 4, want 40 in field to"),
            (r#"{"accessList": [{}]}"#, "invalid argument: missing in field accessList.address"),
            (r#"{"accessList": [7]}"#, "invalid argument: not an object in field accessList"),
            (r#"{"authorizationList": {}}"#, "invalid argument: not a list in field authorizationList"),
        ] {
            assert_eq!(error(json), text);
        }
        let long = format!(r#"{{"value": "0x1{}"}}"#, "0".repeat(64));
        assert_eq!(error(&long), "invalid argument: hex number > 256 bits in field value");
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        assert_eq!(error("[]"), "invalid JSON: not an object");
        let nested = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(error(&nested).starts_with("invalid JSON: recursion limit exceeded"));
        assert!(error("{").starts_with("invalid JSON: EOF"));
    }
}
