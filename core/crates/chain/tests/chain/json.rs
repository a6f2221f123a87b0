//! JSON-RPC encodings, parsed back and compared field by field.

use crate::common::{Stored, mixed_block, mutations, osaka_header, parsed, quoted, vector};
use alloy_consensus::{Block, BlockBody};
use alloy_primitives::{Address, Bloom, keccak256};
use alloy_rlp::Encodable;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use zg_chain::json::{
    block_json, decode_transaction_json, header_json, pending_json, receipt_json, receipts_json, transaction_json,
};
use zg_chain::{CodecError, Receipt, Transaction, receipt};

const SENDER: &str = "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f";
const TO: &str = "0x3535353535353535353535353535353535353535";

fn receipts_of(block: &Stored) -> Value {
    parsed(&receipts_json(&block.header, &block.body, &block.senders, &block.receipts).unwrap())
}

fn block_of(block: &Stored, full: bool) -> Value {
    parsed(&block_json(&block.header, &block.body, &block.senders, full).unwrap())
}

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_header_has_geths_fields() {
    let block = mixed_block();
    let expected = json!({
        "hash": quoted(keccak256(&block.header)),
        "parentHash": quoted([1; 32]),
        "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
        "miner": quoted([2; 20]),
        "stateRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
        "transactionsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
        "receiptsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
        "logsBloom": quoted([0; 256]),
        "difficulty": "0x0",
        "number": "0x7",
        "gasLimit": "0x1dcd6500",
        "gasUsed": "0x927c0",
        "timestamp": "0x6b49d200",
        "extraData": quoted([6; 32]),
        "mixHash": quoted([7; 32]),
        "nonce": "0x0000000000000000",
        "baseFeePerGas": "0x3b9aca00",
        "withdrawalsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
        "parentBeaconBlockRoot": quoted([8; 32]),
        "requestsHash": quoted([9; 32]),
    });
    assert_eq!(parsed(&header_json(&block.header, None).unwrap()), expected);
    let sized = parsed(&header_json(&block.header, Some(4096)).unwrap());
    assert_eq!(sized["size"], "0x1000");
    assert_eq!(sized.as_object().unwrap().len(), expected.as_object().unwrap().len() + 1);
}

#[test]
fn a_block_is_its_header_with_transactions_and_size() {
    let block = mixed_block();
    let envelopes = block.transactions.iter().map(|tx| tx.envelope.clone()).collect();
    let body = BlockBody { transactions: envelopes, ommers: vec![], withdrawals: Some(Default::default()) };
    let size = Block { header: osaka_header(), body }.length();
    let header = parsed(&header_json(&block.header, Some(size as u64)).unwrap());
    let with_hashes = block_of(&block, false);
    let hashes: Vec<_> = block.transactions.iter().map(|tx| quoted(tx.hash)).collect();
    let mut expected = header.clone();
    expected["transactions"] = Value::Array(hashes);
    expected["uncles"] = json!([]);
    expected["withdrawals"] = json!([]);
    assert_eq!(with_hashes, expected);
    let one = |index| parsed(&transaction_json(&block.header, &block.body, &block.senders, index).unwrap());
    expected["transactions"] = (0..block.transactions.len()).map(one).collect();
    assert_eq!(block_of(&block, true), expected);
}

#[test]
fn an_empty_block_has_empty_lists() {
    let block = Stored::new(vec![], &[]);
    for full in [false, true] {
        assert_eq!(block_of(&block, full)["transactions"], json!([]));
    }
    assert_eq!(receipts_of(&block), json!([]));
    let size = block.header.len() + 3 + 3;
    assert_eq!(block_of(&block, true)["size"], format!("{size:#x}"));
}

fn included(index: usize) -> Value {
    let block = mixed_block();
    parsed(&transaction_json(&block.header, &block.body, &block.senders, index).unwrap())
}

#[test]
fn a_legacy_transaction_in_a_block_has_geths_fields() {
    let block = mixed_block();
    let expected = json!({
        "blockHash": quoted(keccak256(&block.header)), "blockNumber": "0x7", "blockTimestamp": "0x6b49d200",
        "transactionIndex": "0x0", "from": SENDER, "to": TO,
        "hash": "0x33469b22e9f636356c4160a87eb19df52b7412e8eac32a4a55ffe88ea8350788",
        "type": "0x0", "nonce": "0x9", "gas": "0x5208", "gasPrice": "0x4a817c800", "value": "0xde0b6b3a7640000",
        "input": "0x", "chainId": "0x1", "v": "0x25",
        "r": "0x28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276",
        "s": "0x67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83",
    });
    assert_eq!(included(0), expected);
}

#[test]
fn an_unprotected_transaction_has_no_chain_id() {
    let transaction = included(1);
    assert_eq!(transaction["v"], "0x1b");
    assert!(transaction.get("chainId").is_none());
}

#[test]
fn a_contract_creation_goes_to_null() {
    assert_eq!(included(2)["to"], Value::Null);
    assert_eq!(included(2)["input"], "0x6001600055");
}

#[test]
fn a_typed_transaction_shows_its_lists_and_what_it_paid() {
    let access_list = json!([
        {"address": quoted([0xde; 20]), "storageKeys": [format!("0x{:064x}", 3), format!("0x{:064x}", 7)]},
        {"address": quoted([0xbb; 20]), "storageKeys": []},
    ]);
    let eip2930 = included(3);
    assert_eq!(eip2930["accessList"], access_list);
    assert_eq!(eip2930["gasPrice"], "0x3b9aca00");
    assert_eq!((&eip2930["v"], &eip2930["yParity"]), (&json!("0x0"), &json!("0x0")));
    assert!(eip2930.get("maxFeePerGas").is_none());
    let eip1559 = included(4);
    assert_eq!(eip1559["accessList"], access_list);
    assert_eq!(eip1559["type"], "0x2");
    assert_eq!(eip1559["chainId"], "0x195528");
    assert_eq!(eip1559["maxFeePerGas"], "0xb2d05e00");
    assert_eq!(eip1559["maxPriorityFeePerGas"], "0x3b9aca00");
    assert_eq!(eip1559["gasPrice"], "0x77359400", "base fee and tip");
    assert_eq!(eip1559["value"], format!("0x8{}", "0".repeat(63)));
    assert_eq!((&eip1559["v"], &eip1559["yParity"]), (&json!("0x1"), &json!("0x1")));
    let eip4844 = included(5);
    assert_eq!(eip4844["maxFeePerBlobGas"], "0x7");
    let blobs = [format!("0x01{}", "aa".repeat(31)), format!("0x01{}", "bb".repeat(31))];
    assert_eq!(eip4844["blobVersionedHashes"], json!(blobs));
}

#[test]
fn a_set_code_transaction_shows_its_authorizations() {
    let expected = json!([
        {"chainId": "0x195528", "address": quoted([0xcc; 20]), "nonce": "0x1", "yParity": "0x0",
         "r": "0x30f9e6ff32ab85c4b8612c2d1b5810f692a835f3fb65b888dfa1949bc37e1435",
         "s": "0x46901a5b4773087604750403f6ad88aaeff9e7d3e5612ec693e1b4d104d9e41"},
        {"chainId": "0x0", "address": quoted([0xcd; 20]), "nonce": "0x0", "yParity": "0x1",
         "r": "0xf0dd29eb759dc3bdef75fb5ba839de25fb8ca18a87090920ac0ffd61d9160162",
         "s": "0x25c7508619d96a828a437393e06850ab8cd34d05044b357673452e887410cd0e"},
    ]);
    assert_eq!(included(6)["authorizationList"], expected);
}

#[test]
fn a_pending_transaction_is_in_no_block_and_offers_its_maximum() {
    let raw = vector("eip1559").raw;
    let pending = parsed(&pending_json(&Transaction::recover(raw.clone()).unwrap()));
    for field in ["blockHash", "blockNumber", "blockTimestamp", "transactionIndex"] {
        assert_eq!(pending[field], Value::Null, "{field}");
    }
    assert_eq!(pending["gasPrice"], pending["maxFeePerGas"]);
    assert_eq!(pending["from"], SENDER);
    assert_eq!(names(&pending), names(&included(4)));
    assert_eq!(parsed(&decode_transaction_json(&raw).unwrap()), pending);
    assert!(decode_transaction_json(&raw[1..]).is_err());
}

#[test]
fn a_receipt_has_geths_fields() {
    let block = mixed_block();
    let expected = json!({
        "blockHash": quoted(keccak256(&block.header)), "blockNumber": "0x7",
        "transactionHash": quoted(block.transactions[1].hash), "transactionIndex": "0x1",
        "from": SENDER, "to": TO, "type": "0x0", "status": "0x0",
        "cumulativeGasUsed": "0x186a0", "gasUsed": "0xc350", "effectiveGasPrice": "0x4a817c800",
        "contractAddress": null, "logs": [], "logsBloom": quoted([0; 256]),
    });
    assert_eq!(receipts_of(&block)[1], expected, "the failed one");
}

#[test]
fn a_creation_names_its_contract_even_when_it_fails() {
    for success in [true, false] {
        let tx = Transaction::recover(vector("create").raw).unwrap();
        let address: Address = tx.sender.create(0);
        let block = Stored::new(vec![tx.into()], &[Receipt { success, cumulative_gas_used: 60_000, logs: vec![] }]);
        let receipt = &receipts_of(&block)[0];
        assert_eq!(receipt["to"], Value::Null);
        assert_eq!(receipt["contractAddress"], quoted(address));
        assert_eq!(receipt["status"], if success { "0x1" } else { "0x0" });
    }
}

#[test]
fn logs_are_numbered_over_the_whole_block() {
    let block = mixed_block();
    let receipts = receipts_of(&block);
    let logs: Vec<&Value> =
        receipts.as_array().unwrap().iter().flat_map(|receipt| receipt["logs"].as_array().unwrap()).collect();
    let places: Vec<_> = logs.iter().map(|log| (log["logIndex"].clone(), log["transactionIndex"].clone())).collect();
    let expected = [("0x0", "0x0"), ("0x1", "0x2"), ("0x2", "0x2"), ("0x3", "0x4"), ("0x4", "0x4"), ("0x5", "0x4")];
    assert_eq!(places, expected.map(|(log, tx)| (json!(log), json!(tx))));
    let last = json!({
        "address": quoted([0xa3; 20]), "topics": [quoted([1; 32])], "data": "0xa3a3a3",
        "blockHash": quoted(keccak256(&block.header)), "blockNumber": "0x7", "blockTimestamp": "0x6b49d200",
        "transactionHash": quoted(block.transactions[4].hash), "transactionIndex": "0x4",
        "logIndex": "0x5", "removed": false,
    });
    assert_eq!(*logs[5], last);
}

#[test]
fn a_receipts_bloom_is_that_of_its_logs() {
    let block = mixed_block();
    let shown = receipts_of(&block);
    for (index, receipt) in receipt::decode(&block.receipts).unwrap().into_iter().enumerate() {
        let bloom: Bloom = receipt.logs.iter().collect();
        assert_eq!(shown[index]["logsBloom"], quoted(bloom), "receipt {index}");
    }
}

#[test]
fn a_blob_transactions_receipt_shows_its_blob_gas() {
    let receipts = receipts_of(&mixed_block());
    assert_eq!(receipts[5]["blobGasUsed"], "0x40000");
    assert_eq!(receipts[5]["blobGasPrice"], "0x1");
    assert!(receipts[4].get("blobGasUsed").is_none());
}

#[test]
fn one_receipt_is_the_one_of_the_list() {
    let block = mixed_block();
    let all = receipts_of(&block);
    let one = |index| receipt_json(&block.header, &block.body, &block.senders, &block.receipts, index);
    for index in 0..block.transactions.len() {
        assert_eq!(parsed(&one(index).unwrap()), all[index]);
    }
    assert!(one(7).is_err());
    assert!(transaction_json(&block.header, &block.body, &block.senders, 7).is_err());
}

#[test]
fn parts_that_contradict_one_another_are_refused() {
    let block = mixed_block();
    let shorter = Stored::new(block.transactions[..6].to_vec(), &receipt::decode(&block.receipts).unwrap()[..6]);
    let receipts = |body: &Stored, senders: &Stored, receipts: &Stored| {
        receipts_json(&block.header, &body.body, &senders.senders, &receipts.receipts)
    };
    assert!(receipts(&block, &block, &block).is_ok());
    assert!(receipts(&block, &block, &shorter).is_err());
    assert!(receipts(&block, &shorter, &block).is_err());
    assert!(receipts(&shorter, &block, &block).is_err());
    let mut falling = receipt::decode(&block.receipts).unwrap();
    falling[3].cumulative_gas_used = 1;
    let falling = Stored::new(block.transactions.clone(), &falling);
    let error = CodecError::Shape { what: "receipts", reason: "cumulative gas falls" };
    assert_eq!(receipts(&block, &block, &falling), Err(error));
}

#[test]
fn corrupt_parts_give_an_error_or_sound_json() {
    let block = mixed_block();
    let (mut sound, mut refused) = (0, 0);
    let mut judge = |answer: Result<Vec<u8>, CodecError>| match answer {
        Ok(json) => {
            parsed(&json);
            sound += 1;
        }
        Err(_) => refused += 1,
    };
    for receipts in mutations(&block.receipts) {
        judge(receipts_json(&block.header, &block.body, &block.senders, &receipts));
    }
    for body in mutations(&block.body).step_by(7) {
        judge(block_json(&block.header, &body, &block.senders, true));
    }
    for header in mutations(&block.header).step_by(7) {
        judge(header_json(&header, None));
    }
    assert!(sound > 100 && refused > 100, "{sound} sound, {refused} refused");
}
