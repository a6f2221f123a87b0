//! Decoding and recovery against transactions that another implementation signed, and against hostile bytes.

use crate::common::{Vector, mutations, noise, vector, vectors};
use alloy_consensus::Transaction as _;
use alloy_eips::Encodable2718;
use alloy_primitives::{B256, Bytes, U256, hex, keccak256};
use std::sync::Arc;
use zg_chain::transaction::{TRANSACTION_MAX_BYTES, decode, recover_batch, recover_known};
use zg_chain::{Transaction, TransactionError};
use zg_types::PoolTransaction;

fn error(raw: &[u8]) -> String {
    Transaction::recover(Bytes::copy_from_slice(raw)).unwrap_err().to_string()
}

#[test]
fn every_type_is_hashed_and_recovered_as_elsewhere() {
    for vector in vectors() {
        let tx = Transaction::recover(vector.raw.clone()).unwrap();
        assert_eq!(tx.hash, vector.hash, "{}", vector.name);
        assert_eq!(*tx.envelope.tx_hash(), vector.hash, "{}", vector.name);
        assert_eq!(tx.sender, vector.sender, "{}", vector.name);
        assert_eq!(tx.authorities(), vector.authorities, "{}", vector.name);
        assert_eq!(tx.envelope.encoded_2718(), vector.raw, "{}", vector.name);
        assert_eq!(Transaction::from_hex(&vector.raw.to_string()).unwrap().hash, vector.hash);
    }
}

#[test]
fn the_mempool_sees_what_was_signed() {
    let seen = |name: &str| {
        let tx = Transaction::recover(vector(name).raw).unwrap();
        (tx.tx_type(), tx.chain_id(), tx.nonce(), tx.gas_limit(), tx.max_fee(), tx.max_priority_fee())
    };
    let gwei = 1_000_000_000;
    assert_eq!(seen("legacy"), (0, Some(1), 9, 21_000, 20 * gwei, 20 * gwei));
    assert_eq!(seen("unprotected"), (0, None, 9, 21_000, 20 * gwei, 20 * gwei));
    assert_eq!(seen("create"), (0, Some(1_660_200), 0, 100_000, gwei, gwei));
    assert_eq!(seen("eip2930"), (1, Some(1_660_200), 3, 50_000, gwei, gwei));
    assert_eq!(seen("eip1559"), (2, Some(1_660_200), 200, 60_000, 3 * gwei, gwei));
    assert_eq!(seen("eip4844"), (3, Some(1_660_200), 5, 60_000, 3 * gwei, gwei));
    assert_eq!(seen("eip7702"), (4, Some(1_660_200), 6, 160_000, 3 * gwei, gwei));
}

#[test]
fn the_greatest_cost_counts_value_gas_and_blobs() {
    let cost = |name: &str| Transaction::recover(vector(name).raw).unwrap().max_cost();
    let gwei = U256::from(1_000_000_000);
    assert_eq!(cost("legacy"), U256::from(21_000 * 20) * gwei + U256::from(10).pow(U256::from(18)));
    assert_eq!(cost("eip4844"), U256::from(60_000 * 3) * gwei + U256::from(2 * 131_072 * 7));
}

#[test]
fn the_footprint_counts_bytes_and_list_entries() {
    let seen = Transaction::recover(vector("eip1559").raw).unwrap().footprint();
    assert_eq!((seen.zero_bytes, seen.nonzero_bytes, seen.is_create), (0, 68, false));
    assert_eq!((seen.access_addresses, seen.access_keys, seen.authorizations), (2, 2, 0));
    let seen = Transaction::recover(vector("create").raw).unwrap().footprint();
    assert_eq!((seen.zero_bytes, seen.nonzero_bytes, seen.is_create), (1, 4, true));
    assert_eq!(Transaction::recover(vector("eip7702").raw).unwrap().footprint().authorizations, 2);
}

/// The legacy vector with its 32-byte s replaced and its v set: the last 33 bytes are 0xa0 ‖ s, v is before r.
fn legacy_with(v: u8, s: B256) -> Vec<u8> {
    let mut raw = vector("legacy").raw.to_vec();
    let end = raw.len();
    raw[end - 32..].copy_from_slice(s.as_slice());
    raw[end - 67] = v;
    raw
}

#[test]
fn the_malleable_twin_of_a_signature_is_refused() {
    let order: U256 = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141".parse().unwrap();
    let raw = vector("legacy").raw;
    let s = U256::from_be_slice(&raw[raw.len() - 32..]);
    assert_eq!(legacy_with(37, s.into()), raw);
    assert_eq!(error(&legacy_with(38, (order - s).into())), "invalid sender: invalid transaction v, r, s values");
}

#[test]
fn signature_values_out_of_range_are_refused() {
    let text = "invalid sender: invalid transaction v, r, s values";
    assert_eq!(error(&legacy_with(37, B256::repeat_byte(0xff))), text);
    assert_eq!(error(&legacy_with(0x1d, B256::repeat_byte(1))), text);
    assert_eq!(error(&legacy_with(0x21, B256::repeat_byte(1))), text);
}

#[test]
fn an_r_that_is_on_no_curve_point_is_refused() {
    let mut raw = vector("legacy").raw.to_vec();
    let start = raw.len() - 65;
    raw[start..start + 32].copy_from_slice(U256::from(5).to_be_bytes::<32>().as_slice());
    raw[start] = 1;
    let answers: Vec<_> = (0..32)
        .map(|last| {
            raw[start + 31] = last;
            Transaction::recover(Bytes::copy_from_slice(&raw)).map(|tx| tx.sender)
        })
        .collect();
    assert!(answers.contains(&Err(TransactionError::Recovery)), "half of all r belong to no point");
}

#[test]
fn an_invalid_authorization_has_no_authority() {
    let raw = vector("eip7702").raw;
    let tx = Transaction::recover(raw.clone()).unwrap();
    let s = tx.envelope.authorization_list().unwrap()[0].s().to_be_bytes::<32>();
    let digits = hex::encode(&raw).replace(&hex::encode(s), &"ff".repeat(32));
    let spoilt = Transaction::recover(hex::decode(digits).unwrap().into()).unwrap();
    assert_eq!(spoilt.authorities, vec![None, tx.authorities[1]]);
    assert_eq!(spoilt.authorities(), &tx.authorities()[1..]);
}

#[test]
fn an_authorization_list_that_the_gas_does_not_pay_for_is_not_recovered() {
    let digits = hex::encode(vector("eip7702").raw).replacen("83027100", "83011170", 1);
    assert_eq!(error(&hex::decode(digits).unwrap()), "intrinsic gas too low: gas 70000, minimum needed 71000");
}

#[test]
fn what_is_no_transaction_is_named() {
    assert_eq!(error(&[]), "typed transaction too short");
    assert_eq!(error(&[2]), "typed transaction too short");
    assert_eq!(error(&[5, 0xc0]), "transaction type not supported");
    assert_eq!(error(&[0, 0xc0]), "transaction type not supported");
    assert_eq!(error(&[0xc0]), "rlp: input too short");
    assert_eq!(error(&[0x80]), "rlp: unexpected string");
    let oversized = vec![0xf9; TRANSACTION_MAX_BYTES + 1];
    assert_eq!(error(&oversized), "oversized data: transaction size 131073, limit 131072");
    let hex_error = |text: &str| Transaction::from_hex(text).unwrap_err().to_string();
    assert_eq!(hex_error("f86c"), "invalid hex string");
    assert_eq!(hex_error("0xf8g"), "invalid hex string");
    assert_eq!(hex_error("0x0xf8"), "invalid hex string");
    assert_eq!(hex_error("0x"), "typed transaction too short");
    let oversized = format!("0x{}", "f9".repeat(TRANSACTION_MAX_BYTES + 1));
    assert_eq!(hex_error(&oversized), "oversized data: transaction size 131073, limit 131072");
}

#[test]
fn every_truncation_and_every_extension_is_refused() {
    for vector in vectors() {
        for end in 0..vector.raw.len() {
            assert!(decode(&vector.raw[..end]).is_err(), "{} at {end}", vector.name);
        }
        assert!(decode(&[&vector.raw[..], &[0]].concat()).is_err(), "{}", vector.name);
    }
}

#[test]
fn what_is_accepted_encodes_to_the_same_bytes() {
    let mut accepted = 0;
    for vector in vectors() {
        for mutated in mutations(&vector.raw) {
            if let Ok(envelope) = decode(&mutated) {
                assert_eq!(envelope.encoded_2718(), mutated, "{}", vector.name);
                assert_eq!(*envelope.tx_hash(), keccak256(&mutated));
                accepted += 1;
            }
        }
    }
    assert!(accepted > 1000, "mutated values inside fields parse: {accepted}");
}

#[test]
fn recovery_signs_for_the_hash_that_the_fields_give() {
    use alloy_consensus::SignableTransaction;
    for vector in vectors() {
        let tx = Transaction::recover(vector.raw).unwrap();
        let hash = match &tx.envelope {
            zg_chain::Envelope::Legacy(signed) => signed.tx().signature_hash(),
            zg_chain::Envelope::Eip2930(signed) => signed.tx().signature_hash(),
            zg_chain::Envelope::Eip1559(signed) => signed.tx().signature_hash(),
            zg_chain::Envelope::Eip4844(signed) => signed.tx().signature_hash(),
            zg_chain::Envelope::Eip7702(signed) => signed.tx().signature_hash(),
        };
        assert_eq!(zg_chain::signature::recover(&hash, tx.envelope.signature()), Ok(vector.sender));
    }
}

#[test]
fn noise_is_refused_without_harm() {
    for seed in 0..20_000 {
        let mut raw = noise(seed, (seed % 300) as usize);
        if let Some(first) = raw.first_mut() {
            *first = [1, 2, 3, 4, 0xf8, 0xc1, *first][(seed % 7) as usize];
        }
        assert!(decode(&raw).is_err(), "seed {seed}");
    }
}

#[test]
fn a_batch_answers_in_order_small_or_large() {
    for copies in [1, 4] {
        let mut raws: Vec<Bytes> = Vec::new();
        for _ in 0..copies {
            raws.extend(vectors().into_iter().map(|vector| vector.raw));
            raws.push(Bytes::from_static(&[9, 9]));
        }
        let single: Vec<_> =
            raws.iter().cloned().map(|raw| Transaction::recover(raw).map(|tx| (tx.hash, tx.sender))).collect();
        let batch: Vec<_> = recover_batch(raws).into_iter().map(|tx| tx.map(|tx| (tx.hash, tx.sender))).collect();
        assert_eq!(batch, single);
        assert_eq!(batch.last(), Some(&Err(TransactionError::UnsupportedType)));
    }
}

#[test]
fn a_batch_answers_as_one_by_one_whatever_is_wrong_with_it() {
    let signatures = |vector: Vector| {
        let raw = vector.raw;
        (raw.len() - 67..raw.len()).map(move |at| {
            let mut spoilt = raw.to_vec();
            spoilt[at] ^= 0x80;
            Bytes::from(spoilt)
        })
    };
    let raws: Vec<Bytes> = vectors().into_iter().flat_map(signatures).collect();
    let single: Vec<_> = raws.iter().cloned().map(|raw| Transaction::recover(raw).map(|tx| tx.sender)).collect();
    for error in [TransactionError::Signature, TransactionError::Recovery] {
        assert!(single.contains(&Err(error.clone())), "{error}");
    }
    for size in [1, 3, 8, 17, raws.len()] {
        let groups = raws.chunks(size).flat_map(|raws| recover_batch(raws.to_vec()));
        assert_eq!(groups.map(|tx| tx.map(|tx| tx.sender)).collect::<Vec<_>>(), single, "{size}");
    }
}

#[test]
fn an_r_from_the_group_order_on_is_refused_before_recovery() {
    let order = hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let raw = vector("legacy").raw;
    let start = raw.len() - 65;
    for last in [0x41, 0x42, 0xff] {
        let mut spoilt = raw.to_vec();
        spoilt[start..start + 32].copy_from_slice(&order);
        spoilt[start + 31] = last;
        assert_eq!(Transaction::recover(spoilt.into()).unwrap_err(), TransactionError::Signature);
    }
}

#[test]
fn what_is_known_by_its_hash_is_not_recovered_again() {
    let mut raws: Vec<Bytes> = vectors().into_iter().map(|vector| vector.raw).collect();
    let known = Arc::new(Transaction::recover(raws[1].clone()).unwrap());
    raws.push(Bytes::from_static(&[9, 9]));
    raws.push(Bytes::from(vec![0; TRANSACTION_MAX_BYTES + 1]));
    let answers = recover_known(raws.clone(), &|hash| (*hash == known.hash).then(|| known.clone()));
    assert_eq!(answers.len(), raws.len());
    for (index, vector) in vectors().into_iter().enumerate() {
        let answer = answers[index].as_ref().unwrap();
        assert_eq!(answer.hash, vector.hash);
        assert_eq!(Arc::ptr_eq(answer, &known), index == 1);
    }
    assert_eq!(answers[7].as_ref().unwrap_err(), &TransactionError::UnsupportedType);
    assert!(matches!(answers[8], Err(TransactionError::Oversized { .. })));
}
