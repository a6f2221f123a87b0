//! Proofs that others made, proofs of our own, and what is no proof.

use alloy_primitives::hex;
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};
use sha2::{Digest, Sha256};

use crate::{Error, Output, Point, Proof, hash, nonce, output, prove, prove_in, verify};

/// Secret, key, proof and output of "sample"; made by an implementation on OpenSSL, published with sedaprotocol's vrf-rs
/// (ECVRF_SECP256K1_SHA256_TAI.json). Its nonces have no context.
const SAMPLE: [([u8; 32], Point, Proof, Output); 5] = [
    (
        hex!("0000000000000000000000000000000000000000000000000000000000000001"),
        hex!("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
        hex!(
            "02740dbf5b241f1badd8b7a79af219b9967c2fd0606a55e0e9331b391d70d544c621a2704cf30227a63b58e41b45e5dd589a16c2d886d71c2d5a0901a315027d0b7602a777a99693ffd8cca7054799ac95"
        ),
        hex!("016314744433d388b614524d2db951ddf0f91d44b73e7535fb21efe33e606f48"),
    ),
    (
        hex!("000000000000000000000000000000000000000000000000018ebbb95eed0e13"),
        hex!("02a90cc3d3f3e146daadfc74ca1372207cb4b725ae708cef713a98edd73d99ef29"),
        hex!(
            "03fb5cc1301a56e949a7a4176e1c1462e799169e4e8a36855eb74b28eb52f8f05c25c2b30bf31ae6759a4b10c750926c9ce62687a557ce7be544722559a787b22f4bc6671fef05a62e3943488ad18b8421"
        ),
        hex!("f137b651ad3a2869be52481f735073846ebb02927fece2be1c0ecc485a1d1188"),
    ),
    (
        hex!("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0"),
        hex!("0300000000000000000000003b78ce563f89a0ed9414f5aa28ad0d96d6795f9c63"),
        hex!(
            "031a36dfe62ae2465107e4927ee2a2f1c71e790822990e3bbd759c445074adcbcba5d427bf500efa683afec8a7511ef302e3a9dc46c9d61ab9b5db56630d707c09044425346b79f32546a80a8f4dbae3c5"
        ),
        hex!("59439addde709d5ff1c749a1c2da2be9b0468517cf2a213125327594ac8f0c96"),
    ),
    (
        hex!("bfffffffffffffffffffffffffffffff0c0325ad0376782ccfddc6e99c28b0f0"),
        hex!("02e24ce4beee294aa6350faa67512b99d388693ae4e7f53d19882a6ea169fc1ce1"),
        hex!(
            "026601f6a9c2453c2b70b24e31ac79d27e7f955e327d82019d3293e713b6a962ef303911d1dd07cec813e767c2a11fe06f32a10485ce4d0435d0fe6e0b2b09ac188039ca7a986442d126dfef1d2665c855"
        ),
        hex!("f22e983721cf1e4afe4d87c83b857202a2527ce374c7f7605c24468332ef97d8"),
    ),
    (
        hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd036412d"),
        hex!("034ce119c96e2fa357200b559b2f7dd5a5f02d5290aff74b03f3e471b273211c97"),
        hex!(
            "03937091c37ece8e275f9cebe946a1d8d10ac8ea805ea3ce834f21287fbadb4e95eaf27b24fc200d1810a5cfd56acff2339e67c77107fd9a305201a1584a8c579207776033560404f8d5260f60ec867876"
        ),
        hex!("d575c7016ad2eac35b0fa6074e8d14a6c57c7747c18d3ef0532a8b6a754aa6c9"),
    ),
];

const ORDER: [u8; 32] = secp256k1::constants::CURVE_ORDER;
const FIELD: [u8; 32] = secp256k1::constants::FIELD_SIZE;
const SECRET: [u8; 32] = [7; 32];

fn key_of(secret: [u8; 32]) -> Point {
    PublicKey::from_secret_key(SECP256K1, &SecretKey::from_byte_array(&secret).unwrap()).serialize()
}

fn spoilt(proof: &Proof, at: usize, bytes: &[u8]) -> Proof {
    let mut other = *proof;
    other[at..at + bytes.len()].copy_from_slice(bytes);
    other
}

#[test]
fn proofs_are_those_that_another_implementation_makes() {
    for (secret, key, proof, expected) in SAMPLE {
        assert_eq!(key_of(secret), key);
        assert_eq!(prove_in(b"", &secret, b"sample"), Ok(proof));
        assert_eq!(verify(&key, b"sample", &proof), Some(expected));
        assert_eq!(output(&proof), Some(expected));
    }
}

#[test]
fn what_is_proven_holds_for_one_key_and_message() {
    for number in 0..64_u8 {
        let proof = prove(&SECRET, &[number]).unwrap();
        assert_eq!(Ok(proof), prove(&SECRET, &[number]));
        assert_eq!(verify(&key_of(SECRET), &[number], &proof), output(&proof));
        assert!(output(&proof).is_some());
        assert_eq!(verify(&key_of(SECRET), &[number, 0], &proof), None);
        assert_eq!(verify(&key_of([8; 32]), &[number], &proof), None);
    }
}

#[test]
fn another_nonce_gives_another_proof_and_the_same_output() {
    let (one, other) = (prove(&SECRET, b"m").unwrap(), prove_in(b"another", &SECRET, b"m").unwrap());
    assert_ne!(one, other);
    assert_eq!(verify(&key_of(SECRET), b"m", &one), verify(&key_of(SECRET), b"m", &other));
    assert!(verify(&key_of(SECRET), b"m", &one).is_some());
}

#[test]
fn a_nonce_is_none_that_a_signature_of_the_same_key_has() {
    let secret = SecretKey::from_byte_array(&SECRET).unwrap();
    let base = hash::to_curve(&key_of(SECRET), b"m").unwrap().serialize();
    let signed = SECP256K1.sign_ecdsa(&Message::from_digest(Sha256::digest(base).into()), &secret).serialize_compact();
    let abscissa = |context| {
        let nonce = nonce::of(&secret, &base, context).unwrap();
        PublicKey::from_secret_key(SECP256K1, &nonce).serialize()[1..].to_vec()
    };
    assert_eq!(abscissa(b""), signed[..32], "without a context a signature of this digest has the proof's nonce");
    assert_ne!(abscissa(nonce::CONTEXT), signed[..32]);
}

#[test]
fn no_bit_of_a_proof_or_of_a_key_is_free() {
    let (key, proof) = (key_of(SECRET), prove(&SECRET, b"m").unwrap());
    for bit in 0..8 * proof.len() {
        let byte = proof[bit / 8] ^ 1 << (bit % 8);
        assert_eq!(verify(&key, b"m", &spoilt(&proof, bit / 8, &[byte])), None, "bit {bit}");
    }
    for bit in 0..8 * key.len() {
        let mut other = key;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verify(&other, b"m", &proof), None, "bit {bit} of the key");
    }
}

#[test]
fn points_and_numbers_have_one_form() {
    let (key, proof) = (key_of(SECRET), prove(&SECRET, b"m").unwrap());
    let mut over = ORDER;
    over[31] += 1;
    let beyond_the_field = [&[2][..], &FIELD].concat();
    let malformed = [
        ("gamma is infinity", spoilt(&proof, 0, &[0; 33])),
        ("gamma is of hybrid form", spoilt(&proof, 0, &[6])),
        ("gamma is beyond the field", spoilt(&proof, 0, &beyond_the_field)),
        ("gamma is not on the curve", spoilt(&proof, 0, &[&[2][..], &[0; 31], &[5]].concat())),
        ("s is 0", spoilt(&proof, 49, &[0; 32])),
        ("s is the order", spoilt(&proof, 49, &ORDER)),
        ("s is above the order", spoilt(&proof, 49, &over)),
        ("s is the largest", spoilt(&proof, 49, &[0xff; 32])),
    ];
    for (what, proof) in malformed {
        assert_eq!(output(&proof), None, "{what}");
        assert_eq!(verify(&key, b"m", &proof), None, "{what}");
    }
    assert_eq!(verify(&key, b"m", &spoilt(&proof, 33, &[0; 16])), None, "c is 0");
    for key in [[0; 33], [0xff; 33], beyond_the_field.try_into().unwrap()] {
        assert_eq!(verify(&key, b"m", &proof), None, "what is no point is no key");
    }
}

#[test]
fn gamma_negated_is_refused() {
    let (key, proof) = (key_of(SECRET), prove(&SECRET, b"m").unwrap());
    let negated = spoilt(&proof, 0, &[proof[0] ^ 1]);
    assert_ne!(output(&negated), output(&proof));
    assert_eq!(verify(&key, b"m", &negated), None);
}

#[test]
fn what_is_no_secret_proves_nothing() {
    for secret in [[0; 32], ORDER, [0xff; 32]] {
        assert_eq!(prove(&secret, b"m"), Err(Error::Secret));
    }
}
