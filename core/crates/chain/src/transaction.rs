//! A signed transaction: parsed, hashed, and with its sender recovered.
//!
//! ```text
//!   raw ──size──▶ type ──RLP──▶ Decoded, with what was signed ──recovery, many at a time──▶ Transaction
//! ```
//! Types: legacy (with and without EIP-155), EIP-2930, EIP-1559, EIP-4844 (as it stands in a block, without its blobs)
//! and EIP-7702. Common errors, in geth's words: `oversized data`, `transaction type not supported`, `rlp: …`,
//! `invalid sender: …`. Whether the chain id, nonce, fees and balance fit is for whoever knows the chain.

use crate::digits;
use crate::error::TransactionError;
use crate::signature;
use alloy_consensus::transaction::{RlpEcdsaDecodableTx, from_eip155_value};
use alloy_consensus::{
    EthereumTxEnvelope, Signed, Transaction as _, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
};
use alloy_eips::Typed2718;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, Keccak256, Signature, U256, keccak256};
use alloy_rlp::{Decodable, Encodable, Header};
use rayon::prelude::*;
use std::sync::Arc;
use zg_types::{Footprint, PoolTransaction};

/// A decoded transaction with its signature; blobs never travel with it.
pub type Envelope = EthereumTxEnvelope<TxEip4844>;

/// Largest EIP-2718 encoding that is looked at, in bytes.
pub const TRANSACTION_MAX_BYTES: usize = 128 * 1024;
/// Batches from this size on are recovered by all threads.
const PARALLEL_MIN: usize = 16;
/// Transactions that one thread decodes and recovers together, at most.
const GROUP_MAX: usize = 64;

/// A decoded transaction whose sender is known.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub envelope: Envelope,
    /// The EIP-2718 encoding, as received.
    pub raw: Bytes,
    /// keccak of `raw`.
    pub hash: B256,
    pub sender: Address,
    /// EIP-7702: who signed each entry of the authorization list; None where nobody validly did. Empty for other types.
    pub authorities: Vec<Option<Address>>,
    signers: Vec<Address>,
    footprint: Footprint,
}

/// What the sender signed, in pieces: [type ‖] RLP list of the encoded fields [‖ chain id ‖ 0 ‖ 0].
struct Preimage<'a> {
    tx_type: Option<u8>,
    fields: &'a [u8],
    /// EIP-155, legacy only.
    chain_id: Option<u64>,
}

impl Preimage<'_> {
    fn hash(&self) -> B256 {
        let mut tail = Vec::new();
        if let Some(id) = self.chain_id {
            id.encode(&mut tail);
            tail.extend_from_slice(&[alloy_rlp::EMPTY_STRING_CODE; 2]);
        }
        let mut head = Vec::with_capacity(10);
        head.extend(self.tx_type);
        Header { list: true, payload_length: self.fields.len() + tail.len() }.encode(&mut head);
        let mut hasher = Keccak256::new();
        [&head, self.fields, &tail].iter().for_each(|part| hasher.update(part));
        hasher.finalize()
    }
}

/// The items of the one list that `raw` is.
fn only_list(mut raw: &[u8]) -> Result<&[u8], TransactionError> {
    let list = Header::decode_bytes(&mut raw, true)?;
    if raw.is_empty() { Ok(list) } else { Err(alloy_rlp::Error::UnexpectedLength.into()) }
}

fn decode_typed<T: RlpEcdsaDecodableTx>(raw: &[u8], hash: B256) -> Result<(Signed<T>, Preimage<'_>), TransactionError> {
    let list = only_list(&raw[1..])?;
    let mut rest = list;
    let tx = T::rlp_decode_fields(&mut rest)?;
    let preimage = Preimage { tx_type: Some(raw[0]), fields: &list[..list.len() - rest.len()], chain_id: None };
    let parity = match u128::decode(&mut rest)? {
        0 => false,
        1 => true,
        _ => return Err(TransactionError::Signature),
    };
    Ok((Signed::new_unchecked(tx, decode_rs(rest, parity)?, hash), preimage))
}

fn decode_legacy(raw: &[u8], hash: B256) -> Result<(Signed<TxLegacy>, Preimage<'_>), TransactionError> {
    let list = only_list(raw)?;
    let mut rest = list;
    let mut tx = TxLegacy::rlp_decode_fields(&mut rest)?;
    let fields = &list[..list.len() - rest.len()];
    let (parity, chain_id) = from_eip155_value(u128::decode(&mut rest)?).ok_or(TransactionError::Signature)?;
    tx.chain_id = chain_id;
    let preimage = Preimage { tx_type: None, fields, chain_id };
    Ok((Signed::new_unchecked(tx, decode_rs(rest, parity)?, hash), preimage))
}

/// r and s, which end the list.
fn decode_rs(mut rest: &[u8], parity: bool) -> Result<Signature, TransactionError> {
    let (r, s) = (U256::decode(&mut rest)?, U256::decode(&mut rest)?);
    if rest.is_empty() { Ok(Signature::new(r, s, parity)) } else { Err(alloy_rlp::Error::UnexpectedLength.into()) }
}

fn check_size(raw: &[u8]) -> Result<(), TransactionError> {
    if raw.len() > TRANSACTION_MAX_BYTES {
        return Err(TransactionError::Oversized { size: raw.len(), limit: TRANSACTION_MAX_BYTES });
    }
    Ok(())
}

/// Parse an EIP-2718 encoding and hash it, without recovering anything; sizes first.
pub fn decode(raw: &[u8]) -> Result<Envelope, TransactionError> {
    check_size(raw)?;
    decode_hashed(raw, keccak256(raw)).map(|(envelope, _)| envelope)
}

/// Parse `raw`, whose size is checked and whose keccak is `hash`.
fn decode_hashed(raw: &[u8], hash: B256) -> Result<(Envelope, Preimage<'_>), TransactionError> {
    match raw {
        [first, ..] if *first >= alloy_rlp::EMPTY_STRING_CODE => {
            decode_legacy(raw, hash).map(|(tx, preimage)| (Envelope::Legacy(tx), preimage))
        }
        [] | [_] => Err(TransactionError::TooShort),
        [1, ..] => decode_typed::<TxEip2930>(raw, hash).map(|(tx, preimage)| (Envelope::Eip2930(tx), preimage)),
        [2, ..] => decode_typed::<TxEip1559>(raw, hash).map(|(tx, preimage)| (Envelope::Eip1559(tx), preimage)),
        [3, ..] => decode_typed::<TxEip4844>(raw, hash).map(|(tx, preimage)| (Envelope::Eip4844(tx), preimage)),
        [4, ..] => decode_typed::<TxEip7702>(raw, hash).map(|(tx, preimage)| (Envelope::Eip7702(tx), preimage)),
        _ => Err(TransactionError::UnsupportedType),
    }
}

/// Who signed an entry of an authorization list; None when the signature does not hold.
fn authority(authorization: &SignedAuthorization) -> Option<Address> {
    let signed = authorization.signature().ok()?;
    signature::recover(&authorization.signature_hash(), &signed).ok()
}

/// What intrinsic gas is charged for.
fn footprint(envelope: &Envelope) -> Footprint {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let access = envelope.access_list().map(|list| list.0.as_slice()).unwrap_or_default();
    Footprint {
        access_addresses: count(access.len()),
        access_keys: count(access.iter().map(|item| item.storage_keys.len()).sum()),
        authorizations: count(envelope.authorization_list().map_or(0, <[_]>::len)),
        ..Footprint::of(envelope.input(), envelope.is_create())
    }
}

/// A decoded transaction whose sender is not recovered yet.
struct Decoded {
    envelope: Envelope,
    raw: Bytes,
    hash: B256,
    /// What the sender signed.
    signed: B256,
    footprint: Footprint,
}

impl Decoded {
    /// Parse `raw`, sizes first. An authorization list that the gas limit does not pay for is refused.
    fn new(raw: Bytes) -> Result<Self, TransactionError> {
        check_size(&raw)?;
        let hash = keccak256(&raw);
        Self::hashed(raw, hash)
    }

    /// As [`new`](Self::new), for `raw` whose size is checked and whose keccak is `hash`.
    fn hashed(raw: Bytes, hash: B256) -> Result<Self, TransactionError> {
        let (envelope, preimage) = decode_hashed(&raw, hash)?;
        let footprint = footprint(&envelope);
        let (gas, needed) = (envelope.gas_limit(), footprint.intrinsic_gas());
        if footprint.authorizations > 0 && gas < needed {
            return Err(TransactionError::IntrinsicGas { gas, needed });
        }
        let signed = preimage.hash();
        Ok(Self { envelope, raw, hash, signed, footprint })
    }

    /// The transaction; only the authorities are left to be recovered.
    fn sent_by(self, sender: Address) -> Transaction {
        let Self { envelope, raw, hash, footprint, .. } = self;
        let authorities: Vec<_> = envelope.authorization_list().unwrap_or_default().iter().map(authority).collect();
        let signers = authorities.iter().flatten().copied().collect();
        Transaction { envelope, raw, hash, sender, authorities, signers, footprint }
    }
}

/// The transactions of what was decoded, and the errors of what was not, in order.
fn recover_decoded(decoded: Vec<Result<Decoded, TransactionError>>) -> Vec<Result<Transaction, TransactionError>> {
    let signed = decoded.iter().flatten().map(|tx| (&tx.signed, tx.envelope.signature()));
    let mut senders = signature::recover_all(signed).into_iter();
    let mut finish = |tx: Decoded| Ok(tx.sent_by(senders.next().unwrap_or(Err(TransactionError::Recovery))?));
    decoded.into_iter().map(|tx| tx.and_then(&mut finish)).collect()
}

impl Transaction {
    /// Parse and recover; sizes first. An authorization list that the gas limit does not pay for is refused unrecovered.
    pub fn recover(raw: Bytes) -> Result<Self, TransactionError> {
        let tx = Decoded::new(raw)?;
        let sender = signature::recover(&tx.signed, tx.envelope.signature())?;
        Ok(tx.sent_by(sender))
    }

    /// As [`recover`](Self::recover) for every one, on this thread; what the bytes could not be had of keeps its error.
    pub fn recover_group(
        raws: impl IntoIterator<Item = Result<Bytes, TransactionError>>,
    ) -> Vec<Result<Self, TransactionError>> {
        recover_decoded(raws.into_iter().map(|raw| raw.and_then(Decoded::new)).collect())
    }

    /// Parse and recover 0x-prefixed hex.
    pub fn from_hex(text: &str) -> Result<Self, TransactionError> {
        Self::recover(raw_from_hex(text)?)
    }
}

/// The bytes of a 0x-prefixed hex transaction; the size is checked before anything is decoded.
pub fn raw_from_hex(text: &str) -> Result<Bytes, TransactionError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).ok_or(TransactionError::Hex)?;
    if digits.len() > 2 * TRANSACTION_MAX_BYTES {
        return Err(TransactionError::Oversized { size: digits.len() / 2, limit: TRANSACTION_MAX_BYTES });
    }
    digits::decode(digits).ok_or(TransactionError::Hex)
}

/// Do `work`, which recovers, on groups of the items, on all threads when it pays; answers in the order of `items`.
///
/// A group is a multiple of what is recovered side by side, as large as the threads leave it.
pub fn in_groups<T: Send, R: Send>(items: Vec<T>, work: impl Fn(Vec<T>) -> Vec<R> + Send + Sync) -> Vec<R> {
    if items.len() < PARALLEL_MIN {
        return work(items);
    }
    let share = items.len().div_ceil(rayon::current_num_threads());
    let size = share.next_multiple_of(zg_recovery::LANES).min(GROUP_MAX);
    items.into_par_iter().chunks(size).flat_map_iter(work).collect()
}

/// Parse and recover many; answers in the order of `raws`.
pub fn recover_batch(raws: Vec<Bytes>) -> Vec<Result<Transaction, TransactionError>> {
    in_groups(raws, |raws| Transaction::recover_group(raws.into_iter().map(Ok)))
}

/// As [`recover_batch`], but what `lookup` knows by its hash (the mempool) is not recovered a second time.
pub fn recover_known(
    raws: Vec<Bytes>,
    lookup: &dyn Fn(&B256) -> Option<Arc<Transaction>>,
) -> Vec<Result<Arc<Transaction>, TransactionError>> {
    let mut answers: Vec<Option<Result<Arc<Transaction>, TransactionError>>> = Vec::with_capacity(raws.len());
    let mut places = Vec::new();
    let mut unknown: Vec<(Bytes, B256)> = Vec::new();
    for (index, raw) in raws.into_iter().enumerate() {
        if let Err(error) = check_size(&raw) {
            answers.push(Some(Err(error)));
            continue;
        }
        let hash = keccak256(&raw);
        answers.push(lookup(&hash).map(Ok));
        if answers[index].is_none() {
            places.push(index);
            unknown.push((raw, hash));
        }
    }
    let decode = |(raw, hash)| Decoded::hashed(raw, hash);
    let recovered = in_groups(unknown, |group| recover_decoded(group.into_iter().map(decode).collect()));
    for (index, answer) in places.into_iter().zip(recovered) {
        answers[index] = Some(answer.map(Arc::new));
    }
    answers.into_iter().flatten().collect()
}

impl PoolTransaction for Transaction {
    fn hash(&self) -> &B256 {
        &self.hash
    }

    fn sender(&self) -> &Address {
        &self.sender
    }

    fn nonce(&self) -> u64 {
        self.envelope.nonce()
    }

    fn gas_limit(&self) -> u64 {
        self.envelope.gas_limit()
    }

    fn max_fee(&self) -> u128 {
        self.envelope.max_fee_per_gas()
    }

    fn max_priority_fee(&self) -> u128 {
        self.envelope.priority_fee_or_price()
    }

    fn max_cost(&self) -> U256 {
        let gas = U256::from(self.gas_limit()).saturating_mul(U256::from(self.max_fee()));
        let blob_gas = self.envelope.blob_gas_used().unwrap_or_default();
        let blob_fee = self.envelope.max_fee_per_blob_gas().unwrap_or_default();
        let blobs = U256::from(blob_gas).saturating_mul(U256::from(blob_fee));
        self.envelope.value().saturating_add(gas).saturating_add(blobs)
    }

    fn tx_type(&self) -> u8 {
        self.envelope.ty()
    }

    fn chain_id(&self) -> Option<u64> {
        self.envelope.chain_id()
    }

    fn raw(&self) -> &[u8] {
        &self.raw
    }

    fn footprint(&self) -> Footprint {
        self.footprint
    }

    fn authorities(&self) -> &[Address] {
        &self.signers
    }
}
