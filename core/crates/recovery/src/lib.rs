//! Public keys from ECDSA signatures over secp256k1, many at a time: what the sender of a transaction is recovered by.
//!
//! Two ways give the same answer to every input:
//!
//! ```text
//!   vector         x86-64 with AVX-512 IFMA: eight signatures side by side; answers only what went the ordinary way
//!   libsecp256k1   everything else: other processors, single signatures, and all that the first way left open
//! ```
//! `ZG_RECOVERY=libsecp256k1` in the environment turns the first way off. Common error: None, where no key belongs to the
//! signature: r or s is 0 or not below the group order, r is not the x of a point, or the key would be the point at infinity.

#[cfg(target_arch = "x86_64")]
mod vector;

use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, SECP256K1};
#[cfg(target_arch = "x86_64")]
use {std::sync::LazyLock, vector::Vector};

/// A public key, x ‖ y, big-endian.
pub type Key = [u8; 64];

/// A signature and what it signs; numbers are big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What was signed: 32 bytes of a hash.
    pub hash: [u8; 32],
    /// The x of the signature's point R, which is below the group order in Ethereum: recovery ids from 2 on do not exist.
    pub r: [u8; 32],
    pub s: [u8; 32],
    /// Whether the y of R is odd.
    pub odd: bool,
}

/// How many signatures at a time are recovered fastest; larger batches are best divided into multiples of it.
pub const LANES: usize = 8;

#[cfg(target_arch = "x86_64")]
static VECTOR: LazyLock<Option<Vector>> = LazyLock::new(|| {
    let switched_off = std::env::var_os("ZG_RECOVERY").is_some_and(|way| way == "libsecp256k1");
    if switched_off { None } else { Vector::detect() }
});

/// Whether batches take the vector path in this process.
pub fn is_vectorised() -> bool {
    #[cfg(target_arch = "x86_64")]
    return VECTOR.is_some();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// The keys that signed, in the order of `requests`, computed on this thread.
pub fn recover(requests: &[Request]) -> Vec<Option<Key>> {
    let mut answers = vec![None; requests.len()];
    #[cfg(target_arch = "x86_64")]
    if let Some(vector) = *VECTOR {
        vector.recover(requests, &mut answers);
    }
    for (request, answer) in requests.iter().zip(&mut answers) {
        *answer = answer.or_else(|| recover_one(request));
    }
    answers
}

/// The key that signed, by libsecp256k1.
pub fn recover_one(request: &Request) -> Option<Key> {
    let mut compact = [0; 64];
    compact[..32].copy_from_slice(&request.r);
    compact[32..].copy_from_slice(&request.s);
    let parity = if request.odd { RecoveryId::One } else { RecoveryId::Zero };
    let signature = RecoverableSignature::from_compact(&compact, parity).ok()?;
    let key = SECP256K1.recover_ecdsa(&Message::from_digest(request.hash), &signature).ok()?;
    let bytes = key.serialize_uncompressed();
    Some(core::array::from_fn(|index| bytes[index + 1]))
}
