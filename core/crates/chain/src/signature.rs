//! secp256k1 over 32-byte hashes: recovering an address and signing, both by libsecp256k1.

use crate::error::{RequestError, TransactionError};
use alloy_primitives::{Address, B256, Signature, U256, keccak256, uint};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey};

/// Half the group order: a larger `s` is malleable and refused (EIP-2).
const S_MAX: U256 = uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

fn address_of(key: &PublicKey) -> Address {
    Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..])
}

/// The address that signed `hash`. High-s signatures are refused.
pub fn recover(hash: &B256, signature: &Signature) -> Result<Address, TransactionError> {
    if signature.s() > S_MAX || signature.s().is_zero() || signature.r().is_zero() {
        return Err(TransactionError::Signature);
    }
    let mut compact = [0u8; 64];
    compact[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
    compact[32..].copy_from_slice(&signature.s().to_be_bytes::<32>());
    let parity = if signature.v() { RecoveryId::One } else { RecoveryId::Zero };
    let parsed = RecoverableSignature::from_compact(&compact, parity).map_err(|_| TransactionError::Signature)?;
    let key =
        SECP256K1.recover_ecdsa(&Message::from_digest(hash.0), &parsed).map_err(|_| TransactionError::Recovery)?;
    Ok(address_of(&key))
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
    Ok(address_of(&secret.public_key(SECP256K1)))
}
