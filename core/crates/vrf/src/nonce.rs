//! The nonce k of a proof (RFC 9381, 5.4.2.1): RFC 6979 over the secret and SHA-256 of H.
//!
//! The same key signs with ECDSA, whose nonces come out of RFC 6979, too: two equations with one k give the secret away.
//! The generator's seed is secret ‖ digest there, and secret ‖ SHA-256(H) ‖ CONTEXT (additional data, RFC 6979, 3.6) here.
//! The seeds differ in length, whatever digest the key is made to sign, so equal nonces would be a collision of HMAC.
//! libsecp256k1 appends 16 or 32 bytes, or both, when it is given a name or entropy; CONTEXT has another length than
//! either. Two proofs of one H have the same nonce and the same challenge, hence the same s.

use rfc6979::consts::U32;
use secp256k1::{SecretKey, constants::CURVE_ORDER};
use sha2::{Digest, Sha256};

use crate::{Error, Point};

/// What no other use of RFC 6979 with this key appends to its seed.
pub(crate) const CONTEXT: &[u8] = b"ECVRF nonce";

/// k for the point H. SHA-256(H) is not reduced by the order: it is below it except once in 2¹²⁸, and then as good a seed.
pub(crate) fn of(secret: &SecretKey, base: &Point, context: &[u8]) -> Result<SecretKey, Error> {
    let seed = Sha256::digest(base);
    let nonce = rfc6979::generate_k::<Sha256, U32>(&secret.secret_bytes().into(), &CURVE_ORDER.into(), &seed, context);
    SecretKey::from_byte_array(nonce.as_ref()).map_err(|_| Error::Message)
}
