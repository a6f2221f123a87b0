//! Signing against transactions that another implementation signed with the same key.

use crate::common::{KEY, vector, vectors};
use alloy_primitives::Bytes;
use serde_json::{Value, json};
use zg_chain::sign::sign_json;

fn changed(name: &str, changes: Value) -> Result<Vec<u8>, String> {
    let mut request: Value = serde_json::from_str(&vector(name).request).unwrap();
    for (field, value) in changes.as_object().unwrap() {
        request[field] = value.clone();
    }
    sign_json(request.to_string().as_bytes(), &KEY).map_err(|error| error.to_string())
}

#[test]
fn every_type_is_signed_as_elsewhere() {
    for vector in vectors().into_iter().filter(|vector| vector.name != "eip4844") {
        let raw = sign_json(vector.request.as_bytes(), &KEY).unwrap();
        assert_eq!(Bytes::from(raw), vector.raw, "{}", vector.name);
    }
}

#[test]
fn the_type_follows_from_the_fields() {
    for name in ["legacy", "eip2930", "eip1559", "eip7702"] {
        assert_eq!(changed(name, json!({"type": null})), Ok(vector(name).raw.to_vec()), "{name}");
    }
}

#[test]
fn the_sender_may_be_named_and_must_be_the_key() {
    let sender = vector("eip1559").sender.to_string();
    assert_eq!(changed("eip1559", json!({"from": sender})), Ok(vector("eip1559").raw.to_vec()));
    let other = format!("0x{}", "11".repeat(20));
    assert_eq!(changed("eip1559", json!({"from": other})), Err("from is not the address of the key".into()));
}

#[test]
fn a_missing_field_is_named() {
    for (name, field) in [
        ("legacy", "nonce"),
        ("legacy", "gas"),
        ("legacy", "gasPrice"),
        ("eip2930", "chainId"),
        ("eip1559", "maxFeePerGas"),
        ("eip1559", "maxPriorityFeePerGas"),
        ("eip7702", "to"),
        ("eip7702", "authorizationList"),
    ] {
        assert_eq!(changed(name, json!({field: null})), Err(format!("{field} not specified")), "{name}");
    }
}

#[test]
fn a_field_that_the_type_has_no_room_for_is_refused() {
    let dynamic = "maxFeePerGas and maxPriorityFeePerGas need transaction type 0x2 or later";
    assert_eq!(changed("eip1559", json!({"type": "0x0"})), Err(dynamic.into()));
    assert_eq!(changed("legacy", json!({"type": "0x2"})), Err("gasPrice needs transaction type 0x0 or 0x1".into()));
    assert_eq!(
        changed("eip2930", json!({"type": "0x0"})),
        Err("accessList needs transaction type 0x1 or later".into())
    );
    assert_eq!(changed("eip7702", json!({"type": "0x2"})), Err("authorizationList needs transaction type 0x4".into()));
    assert_eq!(changed("eip4844", json!({})), Err("transaction type not supported".into()));
    assert_eq!(changed("eip4844", json!({"type": null})), Err("transaction type not supported".into()));
}

#[test]
fn a_key_out_of_range_is_refused() {
    for key in [&[0; 32][..], &[0xff; 32], &[1; 31], &[]] {
        let error = sign_json(vector("legacy").request.as_bytes(), key).unwrap_err();
        assert_eq!(error.to_string(), "invalid private key");
    }
}
