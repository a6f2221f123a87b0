//! secp256k1 over 32-byte hashes: recovering addresses, one or many at a time, and signing.

use crate::error::{RequestError, TransactionError};
use alloy_primitives::{Address, B256, Signature, U256, keccak256, uint};
use secp256k1::{Message, SECP256K1, SecretKey};
use zg_recovery::{Key, Request};

/// The order of the group: r and s are below it.
const ORDER: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
/// Half the group order: a larger `s` is malleable and refused (EIP-2).
const S_MAX: U256 = uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

fn address_of(key: &Key) -> Address {
    Address::from_slice(&keccak256(key)[12..])
}

/// What is to be recovered. High-s signatures are refused.
fn request(hash: &B256, signature: &Signature) -> Result<Request, TransactionError> {
    let (r, s) = (signature.r(), signature.s());
    if s > S_MAX || s.is_zero() || r.is_zero() || r >= ORDER {
        return Err(TransactionError::Signature);
    }
    Ok(Request { hash: hash.0, r: r.to_be_bytes(), s: s.to_be_bytes(), odd: signature.v() })
}

/// The address that signed `hash`. High-s signatures are refused.
pub fn recover(hash: &B256, signature: &Signature) -> Result<Address, TransactionError> {
    let key = zg_recovery::recover_one(&request(hash, signature)?).ok_or(TransactionError::Recovery)?;
    Ok(address_of(&key))
}

/// As [`recover`] for every pair, on this thread, side by side where the processor can.
pub fn recover_all<'a>(
    signed: impl IntoIterator<Item = (&'a B256, &'a Signature)>,
) -> Vec<Result<Address, TransactionError>> {
    let mut refused = Vec::new();
    let mut requests = Vec::new();
    for (hash, signature) in signed {
        let request = request(hash, signature);
        refused.push(request.as_ref().err().cloned());
        requests.extend(request);
    }
    let mut keys = zg_recovery::recover(&requests).into_iter();
    let answer = |refused: Option<TransactionError>| match refused {
        Some(error) => Err(error),
        None => keys.next().flatten().as_ref().map(address_of).ok_or(TransactionError::Recovery),
    };
    refused.into_iter().map(answer).collect()
}

/// The deterministic (RFC 6979), low-s signature of `hash`. An error when `key` is zero or not below the group order.
pub fn sign(hash: &B256, key: &[u8; 32]) -> Result<Signature, RequestError> {
    let secret = SecretKey::from_byte_array(key).map_err(|_| RequestError::Key)?;
    let (parity, compact) =
        SECP256K1.sign_ecdsa_recoverable(&Message::from_digest(hash.0), &secret).serialize_compact();
    Ok(Signature::from_bytes_and_parity(&compact, i32::from(parity) & 1 == 1))
}

/// The address of a private key.
pub fn address(key: &[u8; 32]) -> Result<Address, RequestError> {
    let secret = SecretKey::from_byte_array(key).map_err(|_| RequestError::Key)?;
    let bytes = secret.public_key(SECP256K1).serialize_uncompressed();
    Ok(Address::from_slice(&keccak256(&bytes[1..])[12..]))
}
