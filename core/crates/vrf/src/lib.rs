//! A verifiable random function over secp256k1: ECVRF of RFC 9381 with SHA-256 and try-and-increment, suite string 0xFE.
//!
//! A key and a message have one output. Only who holds the secret can compute it, and its proof shows everybody that it is
//! the one. With the secret x, its public key Y = x·G and a nonce k:
//!
//! ```text
//!   H = a point, hashed from Y and the message          U = k·G   V = k·H
//!   Γ = x·H                                             c = hash(Y, H, Γ, U, V), 16 bytes
//!   proof  = Γ ‖ c ‖ s, where s = k + c·x               checked by U = s·G − c·Y, V = s·H − c·Γ
//!   output = hash(Γ), 32 bytes
//! ```
//! Γ is unique, c and s are not: another nonce gives others. So nothing that must not be chosen may depend on the bytes of
//! a proof, only on the output. Points are compressed (33 bytes), numbers big-endian.
//!
//! What handles secrets takes the same time for all of them: libsecp256k1's `ecmult_gen`, `ecmult_const` and scalars.
//! Checking does not.

mod hash;
mod nonce;

use secp256k1::{PublicKey, SECP256K1, Scalar, SecretKey, ecdh};

/// A compressed point.
pub type Point = [u8; 33];
/// Γ ‖ c ‖ s.
pub type Proof = [u8; 81];
/// What the function gives.
pub type Output = [u8; 32];

/// Why there is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a secret is a number from 1 to below the order of secp256k1")]
    Secret,
    /// The message hashes to no point, or c or s is 0; less than one message in 2¹²⁷.
    #[error("this message has no proof")]
    Message,
}

/// The proof of `message` by `secret`; the same each time.
pub fn prove(secret: &[u8; 32], message: &[u8]) -> Result<Proof, Error> {
    prove_in(nonce::CONTEXT, secret, message)
}

/// The output of `message` by the key, when `proof` shows it. None, too, for what is no point or no number below the
/// order, and for a c or s of 0, which RFC 9381 lets pass and no prover makes.
pub fn verify(key: &Point, message: &[u8], proof: &Proof) -> Option<Output> {
    let Parts { gamma, challenge, response } = Parts::of(proof)?;
    let public = PublicKey::from_byte_array_compressed(key).ok()?;
    let hashed = hash::to_curve(key, message)?;
    let (c, s) = (hash::scalar(challenge), Scalar::from(response));
    let u = times(&public, &c)?.negate(SECP256K1).add_exp_tweak(SECP256K1, &s).ok()?;
    let v = times(&hashed, &s)?.combine(&times(&gamma, &c)?.negate(SECP256K1)).ok()?;
    let gamma = gamma.serialize();
    let due = hash::challenge([key, &hashed.serialize(), &gamma, &u.serialize(), &v.serialize()]);
    (due == challenge).then(|| hash::output(&gamma))
}

/// The output of a proof that somebody else has checked. None when its parts are no point and no number below the order.
pub fn output(proof: &Proof) -> Option<Output> {
    Some(hash::output(&Parts::of(proof)?.gamma.serialize()))
}

/// A proof's parts, each in the only form it has.
struct Parts {
    gamma: PublicKey,
    challenge: [u8; 16],
    /// s; a number from 1 to below the order, as secrets are.
    response: SecretKey,
}

impl Parts {
    fn of(proof: &Proof) -> Option<Self> {
        let (gamma, rest) = proof.split_first_chunk()?;
        let (challenge, rest) = rest.split_first_chunk()?;
        Some(Self {
            gamma: PublicKey::from_byte_array_compressed(gamma).ok()?,
            challenge: *challenge,
            response: SecretKey::from_slice(rest).ok()?,
        })
    }
}

/// `prove` with a nonce of this context.
fn prove_in(context: &[u8], secret: &[u8; 32], message: &[u8]) -> Result<Proof, Error> {
    let secret = SecretKey::from_byte_array(secret).map_err(|_| Error::Secret)?;
    let key = PublicKey::from_secret_key(SECP256K1, &secret).serialize();
    let hashed = hash::to_curve(&key, message).ok_or(Error::Message)?;
    let base = hashed.serialize();
    let nonce = nonce::of(&secret, &base, context)?;
    let gamma = times_secret(&hashed, &secret);
    let u = PublicKey::from_secret_key(SECP256K1, &nonce).serialize();
    let challenge = hash::challenge([&key, &base, &gamma, &u, &times_secret(&hashed, &nonce)]);
    let response = secret.mul_tweak(&hash::scalar(challenge)).and_then(|product| product.add_tweak(&nonce.into()));
    let response = response.map_err(|_| Error::Message)?;
    let mut proof = [0; 81];
    proof[..33].copy_from_slice(&gamma);
    proof[33..49].copy_from_slice(&challenge);
    proof[49..].copy_from_slice(&response.secret_bytes());
    Ok(proof)
}

/// A multiple of a point, both public; None for the point at infinity.
fn times(point: &PublicKey, factor: &Scalar) -> Option<PublicKey> {
    point.mul_tweak(SECP256K1, factor).ok()
}

/// A multiple of a point by a secret.
fn times_secret(point: &PublicKey, factor: &SecretKey) -> Point {
    let product = ecdh::shared_secret_point(point, factor);
    core::array::from_fn(|index| if index == 0 { 2 + (product[63] & 1) } else { product[index - 1] })
}

#[cfg(test)]
mod tests;
