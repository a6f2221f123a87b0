//! The runner of execution-spec state tests, on fixtures whose outcome is known without executing anything.

mod support;

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use serde_json::{Value, json};
use support::{COINBASE, GWEI, account};
use zg_chain::{CallFields, sign};
use zg_evm::memory::MemoryState;
use zg_evm::statetest::{FixtureError, run_state_test};

const RECEIVER: Address = Address::repeat_byte(1);
/// Wei that account 0 has: enough for the transfer, but not for a gas price of 3 gwei.
const BALANCE: u64 = 50_000_000_000_000;

/// Account 0 sends 5 wei at 2 gwei, of which 1 is burnt.
fn fixture(change: impl FnOnce(&mut Value)) -> String {
    let fields = CallFields {
        to: Some(RECEIVER),
        nonce: Some(0),
        chain_id: Some(1),
        gas: Some(21_000),
        gas_price: Some(2 * GWEI),
        value: Some(U256::from(5)),
        ..CallFields::default()
    };
    let raw = sign::sign(fields, &support::key(0)).unwrap();
    let mut after = MemoryState::default();
    let fee = 21_000 * GWEI as u64;
    after.insert(account(0), 1, U256::from(BALANCE - 5 - 2 * fee), Bytes::new(), []);
    after.insert(RECEIVER, 0, U256::from(5), Bytes::new(), []);
    after.insert(COINBASE, 0, U256::from(fee), Bytes::new(), []);
    let mut test = json!({
        "env": { "currentCoinbase": COINBASE, "currentGasLimit": "0x989680", "currentNumber": "0x01",
                 "currentTimestamp": "0x03e8", "currentBaseFee": "0x3b9aca00", "currentRandom": B256::ZERO,
                 "currentDifficulty": "0x00", "currentExcessBlobGas": "0x00" },
        "pre": { format!("{}", account(0)): { "nonce": "0x00", "balance": U256::from(BALANCE), "code": "0x", "storage": {} } },
        "transaction": { "nonce": "0x00", "gasPrice": "0x77359400", "gasLimit": ["0x5208"], "to": RECEIVER,
                         "value": ["0x05"], "data": ["0x"], "sender": account(0) },
        "post": { "Osaka": [{ "hash": after.root(), "logs": keccak256(hex!("c0")), "txbytes": Bytes::from(raw),
                              "indexes": { "data": 0, "gas": 0, "value": 0 } }] },
        "config": { "chainid": "0x01" },
    });
    change(&mut test);
    json!({ "a transfer": test }).to_string()
}

/// Why the single case fails; None when it passes.
fn fault(change: impl FnOnce(&mut Value)) -> Option<String> {
    let results = run_state_test(&fixture(change), "Osaka").unwrap();
    let [case] = results.as_slice() else { panic!("{results:?}") };
    assert_eq!((case.name.as_str(), case.index, case.pass), ("a transfer", 0, case.error.is_none()));
    case.error.clone()
}

#[test]
fn a_right_fixture_passes() {
    assert_eq!(fault(|_| {}), None);
}

#[test]
fn a_wrong_root_or_logs_hash_fails() {
    let wrong = |field: &'static str| move |test: &mut Value| test["post"]["Osaka"][0][field] = json!(B256::ZERO);
    assert!(fault(wrong("hash")).unwrap().starts_with("state root"));
    assert!(fault(wrong("logs")).unwrap().starts_with("logs hash"));
}

#[test]
fn bytes_that_say_something_else_than_the_json_fail() {
    let fault = fault(|test| test["transaction"]["value"] = json!(["0x06"]));
    assert_eq!(fault.as_deref(), Some("refused: txbytes and JSON disagree about the value"));
}

#[test]
fn a_refusal_must_be_expected_and_for_the_expected_reason() {
    let poor = |exception: Option<&'static str>| {
        move |test: &mut Value| {
            test["pre"][account(0).to_string()]["balance"] = json!("0x05");
            let mut state = MemoryState::default();
            state.insert(account(0), 0, U256::from(5), Bytes::new(), []);
            test["post"]["Osaka"][0]["hash"] = json!(state.root());
            if let Some(exception) = exception {
                test["post"]["Osaka"][0]["expectException"] = json!(exception);
            }
        }
    };
    assert_eq!(
        fault(poor(Some("TransactionException.NONCE_IS_MAX|TransactionException.INSUFFICIENT_ACCOUNT_FUNDS"))),
        None
    );
    assert!(fault(poor(Some("TransactionException.NONCE_IS_MAX"))).unwrap().contains("expected"));
    assert!(fault(poor(None)).unwrap().starts_with("refused: lack of funds"));
    let accepted =
        fault(|test| test["post"]["Osaka"][0]["expectException"] = json!("TransactionException.NONCE_IS_MAX"));
    assert_eq!(accepted.as_deref(), Some("accepted, expected TransactionException.NONCE_IS_MAX"));
}

#[test]
fn a_file_without_cases_for_the_fork_gives_none() {
    assert_eq!(run_state_test(&fixture(|_| {}), "prague").unwrap(), []);
}

#[test]
fn what_is_no_fixture_is_refused() {
    assert!(matches!(run_state_test("{", "osaka"), Err(FixtureError::Json(_))));
    assert!(matches!(run_state_test(r#"{"a": {}}"#, "osaka"), Err(FixtureError::Json(_))));
    assert!(matches!(run_state_test("{}", "byzantium"), Err(FixtureError::Fork(_))));
}
