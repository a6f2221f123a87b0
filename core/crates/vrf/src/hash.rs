//! The four hashes of RFC 9381, each over the suite string, a number of its own, what it hashes and a zero.

use secp256k1::{PublicKey, Scalar};
use sha2::{Digest, Sha256};

use crate::{Output, Point};

/// The suite: what implementations over secp256k1 use, which the RFC gives no number to.
const SUITE: u8 = 0xfe;
const TO_CURVE: u8 = 1;
const CHALLENGE: u8 = 2;
const OUTPUT: u8 = 3;
const END: u8 = 0;
/// The first byte of a compressed point whose y is even.
const EVEN: u8 = 2;

/// RFC 9381, 5.4.1.1: the first of 256 hashes of the key and the message that is the x of a point, with its even y.
pub(crate) fn to_curve(key: &Point, message: &[u8]) -> Option<PublicKey> {
    let begun = Sha256::new().chain_update([SUITE, TO_CURVE]).chain_update(key).chain_update(message);
    (0..=u8::MAX).find_map(|counter| {
        let mut point = [EVEN; 33];
        point[1..].copy_from_slice(&begun.clone().chain_update([counter, END]).finalize());
        PublicKey::from_byte_array_compressed(&point).ok()
    })
}

/// RFC 9381, 5.4.3: c of Y, H, Γ, U and V.
pub(crate) fn challenge(points: [&Point; 5]) -> [u8; 16] {
    let begun = Sha256::new().chain_update([SUITE, CHALLENGE]);
    let digest = points.into_iter().fold(begun, Digest::chain_update).chain_update([END]).finalize();
    core::array::from_fn(|index| digest[index])
}

/// c as a number.
pub(crate) fn scalar(challenge: [u8; 16]) -> Scalar {
    let mut wide = [0; 32];
    wide[16..].copy_from_slice(&challenge);
    Scalar::from_be_bytes(wide).expect("16 bytes are below the order")
}

/// RFC 9381, 5.2: the output of Γ; the group's cofactor is 1.
pub(crate) fn output(gamma: &Point) -> Output {
    Sha256::new().chain_update([SUITE, OUTPUT]).chain_update(gamma).chain_update([END]).finalize().into()
}
