//! Whole recoveries against libsecp256k1: random ones, and those that somebody would make up to break a shortcut.

use super::{noise, on_vector};
use crate::vector::scalar::{self, ORDER};
use crate::vector::{self, Vector, generator};
use crate::{Key, Request, recover_one};
use alloy_primitives::U256;
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};

fn key(number: U256) -> SecretKey {
    SecretKey::from_byte_array(&number.to_be_bytes()).unwrap()
}

fn point(number: U256) -> PublicKey {
    key(number % ORDER).public_key(SECP256K1)
}

fn request(hash: U256, r: U256, s: U256, odd: bool) -> Request {
    Request { hash: hash.to_be_bytes(), r: r.to_be_bytes(), s: s.to_be_bytes(), odd }
}

/// An honest signature.
fn signed(secret: U256, hash: U256) -> Request {
    let message = Message::from_digest(hash.to_be_bytes());
    let (parity, compact) = SECP256K1.sign_ecdsa_recoverable(&message, &key(secret)).serialize_compact();
    let half = |start: usize| core::array::from_fn(|index| compact[start + index]);
    Request { hash: hash.to_be_bytes(), r: half(0), s: half(32), odd: i32::from(parity) & 1 == 1 }
}

/// A signature whose R is `r` times G.
fn with_nonce(r: U256, hash: U256, s: U256) -> Request {
    let bytes = point(r).serialize_uncompressed();
    let x = U256::from_be_slice(&bytes[1..33]);
    request(hash, x, s, bytes[64] & 1 == 1)
}

fn by_vector(requests: &[Request]) -> Vec<Option<Key>> {
    let mut answers = vec![None; requests.len()];
    Vector::detect().expect("only called where it is").recover(requests, &mut answers);
    answers
}

/// Hold each answer of the vector path against libsecp256k1 and return how many there are.
fn compared(requests: &[Request]) -> usize {
    let answers = by_vector(requests);
    for (request, answer) in requests.iter().zip(&answers) {
        assert!(answer.is_none() || *answer == recover_one(request), "{request:x?}");
    }
    let whole: Vec<_> = requests.iter().map(recover_one).collect();
    assert_eq!(crate::recover(requests), whole);
    answers.iter().flatten().count()
}

fn random_signatures(count: usize) {
    for start in (0..count).step_by(1000) {
        let end = (start + 1000).min(count);
        let number = |name, index| noise(name, index) % (ORDER - U256::ONE) + U256::ONE;
        let honest: Vec<_> = (start..end).map(|index| signed(number("key", index), noise("hash", index))).collect();
        assert_eq!(compared(&honest), honest.len(), "the vector path answers every honest signature");
        let made_up = |index| request(noise("z", index), noise("r", index), noise("s", index), index % 2 == 0);
        let made_up: Vec<_> = (start..end).map(made_up).collect();
        let answered = compared(&made_up);
        assert_eq!(answered, made_up.iter().filter_map(recover_one).count(), "half of all r are on the curve");
    }
}

#[test]
fn random_signatures_have_the_key_of_libsecp256k1() {
    on_vector(|| random_signatures(2_000));
}

#[test]
#[ignore = "takes a minute"]
fn two_hundred_thousand_random_signatures_have_the_key_of_libsecp256k1() {
    on_vector(|| random_signatures(200_000));
}

#[test]
fn small_multiples_of_the_generator_as_nonce_are_recovered() {
    let check = || {
        let mut requests = Vec::new();
        for nonce in (1..40).map(U256::from).flat_map(|number| [number, ORDER - number, number << 128, number << 124]) {
            for (hash, s) in [(noise("hash", 1), noise("s", 1) % ORDER), (U256::ONE, U256::from(2)), (nonce, nonce)] {
                requests.push(with_nonce(nonce, hash, s % ORDER));
            }
        }
        assert!(compared(&requests) > requests.len() / 2);
    };
    on_vector(check);
}

#[test]
fn a_result_at_infinity_has_no_key() {
    let check = || {
        // s·k = z: the key would be s·R − z·G = 0.
        let at_infinity = |index: usize| {
            let (nonce, s) = (noise("nonce", index) % ORDER, noise("s", index) % ORDER);
            with_nonce(nonce, nonce.mul_mod(s, ORDER), s)
        };
        let mut requests: Vec<_> = (0..20).map(at_infinity).collect();
        requests.push(with_nonce(U256::ONE, U256::from(5), U256::from(5)));
        requests.push(with_nonce(ORDER - U256::ONE, U256::from(5), ORDER - U256::from(5)));
        assert_eq!(compared(&requests), 0);
        assert!(requests.iter().all(|request| recover_one(request).is_none()));
    };
    on_vector(check);
}

#[test]
fn numbers_at_the_ends_of_their_ranges_are_treated_alike() {
    let check = || {
        let valid = with_nonce(U256::from(3), U256::ONE, U256::ONE);
        let r = U256::from_be_bytes(valid.r);
        let one = U256::ONE;
        let hashes = [U256::ZERO, one, ORDER - one, ORDER, ORDER + one, U256::MAX, r];
        let ends = [U256::ZERO, one, U256::from(2), ORDER - one, ORDER, ORDER + one, U256::MAX, ORDER >> 1];
        let mut requests = Vec::new();
        for hash in hashes {
            for s in ends {
                requests.push(request(hash, r, s, valid.odd));
                requests.push(request(hash, r, s, !valid.odd));
                requests.extend(ends.map(|r| request(hash, r, s, true)));
            }
        }
        assert!(compared(&requests) > 0);
    };
    on_vector(check);
}

#[test]
fn a_sum_that_meets_the_point_it_adds_is_left_to_libsecp256k1() {
    let check = || {
        let start = U256::from_be_bytes(generator::START);
        // After the first four doublings the sum is 16·S; the first digit of s/r then adds ±R, which is 16·S or −16·S.
        let nonce = start.mul_mod(U256::from(16), ORDER);
        let top = scalar::POINT_WINDOWS - 1;
        let meets = |request: &Request| {
            let [(_, multipliers)] = &scalar::multipliers(&[*request])[..] else { panic!("in range") };
            let first = multipliers.point[0][top - 1];
            [0, 1].map(|half| multipliers.point[half][top]) == [0, 0] && first.abs() == 1
        };
        let candidates = (0..4000).map(|index| with_nonce(nonce, noise("hash", index), noise("s", index) % ORDER));
        let exceptional: Vec<_> = candidates.filter(meets).take(12).collect();
        assert_eq!(exceptional.len(), 12);
        assert_eq!(compared(&exceptional), 0, "Z is 0");
        assert!(exceptional.iter().all(|request| recover_one(request).is_some()));
    };
    on_vector(check);
}

#[test]
fn a_key_that_the_last_step_would_double_is_left_to_libsecp256k1() {
    let check = || {
        // The sum before the last step is Q + 2^128·S, the last step adds −2^128·S: equal for Q = −2^129·S.
        let start = U256::from_be_bytes(generator::START).mul_mod(U256::ONE << 129, ORDER);
        let requests: Vec<_> = (0..9).map(|index| signed(ORDER - start, noise("hash", index))).collect();
        assert_eq!(compared(&requests), 0, "Z is 0");
        assert!(requests.iter().all(|request| recover_one(request).is_some()));
    };
    on_vector(check);
}

#[test]
fn good_and_bad_lanes_do_not_disturb_each_other() {
    let check = || {
        let bad = [
            request(U256::ONE, U256::ZERO, U256::ONE, false),
            request(U256::ONE, ORDER, U256::ONE, true),
            request(U256::ONE, U256::from(5), U256::ONE, false),
            with_nonce(U256::ONE, U256::from(9), U256::from(9)),
            request(U256::ONE, U256::ONE, U256::MAX, false),
        ];
        for pattern in 0..256 {
            let lane = |lane: usize| {
                if pattern >> lane & 1 == 1 {
                    bad[(pattern + lane) % 5]
                } else {
                    signed(U256::from(lane + 1), U256::MAX)
                }
            };
            let requests: Vec<_> = (0..8).map(lane).collect();
            let good = (pattern as u8).count_zeros() as usize;
            // Off the curve a request takes up a lane, so that a single good one may still go by vector.
            assert!(compared(&requests) == good || good < vector::FILL_MIN, "{pattern:08b}");
        }
    };
    on_vector(check);
}

#[test]
fn batches_of_every_size_are_answered_in_order() {
    let check = || {
        for size in (0..=20).chain([63, 64, 65, 66, 67, 128, 129]) {
            let requests: Vec<_> = (0..size).map(|index| signed(U256::from(index + 1), noise("hash", index))).collect();
            let rest = if size % 8 < vector::FILL_MIN { size % 8 } else { 0 };
            assert_eq!(compared(&requests), size - rest, "{size}");
        }
    };
    on_vector(check);
}
