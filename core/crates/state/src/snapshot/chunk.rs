//! The encoding of a chunk: accounts ascending by keccak(address), each followed by its storage, ascending by keccak(slot).
//!
//! ```text
//! chunk   = [owner] slot …  then  (account [code] slot …) …
//! account = 1 keccak(address) length (1) record          as in `record`
//! code    = 2 length (4, big-endian) bytes               of the account before it; the first time in this chunk
//! owner   = 3 keccak(address)                            whose storage the chunk before did not end
//! slot    = 4 keccak(slot) length (1) word               never zero
//! ```

use alloy_primitives::map::HashSet;
use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use zg_types::Account;

use crate::error::StateError;
use crate::record;

const ACCOUNT: u8 = 1;
const CODE: u8 = 2;
const OWNER: u8 = 3;
const SLOT: u8 = 4;

/// The last record of a chunk: the next chunk begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub owner: B256,
    /// None when the chunk ended with the account itself.
    pub slot: Option<B256>,
}

impl Position {
    /// 32 or 64 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.owner.to_vec();
        out.extend(self.slot.iter().flat_map(|slot| slot.0));
        out
    }

    /// None when `bytes` are neither 32 nor 64.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (owner, rest) = bytes.split_first_chunk::<32>()?;
        let slot = if rest.is_empty() { None } else { Some(B256::try_from(rest).ok()?) };
        Some(Self { owner: B256::new(*owner), slot })
    }
}

/// A chunk in the making.
#[derive(Default)]
pub(super) struct Writer {
    out: Vec<u8>,
    codes: HashSet<B256>,
    last: Option<Position>,
}

impl Writer {
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether the account's code has to follow it.
    pub(super) fn wants_code(&mut self, code_hash: B256) -> bool {
        code_hash != KECCAK256_EMPTY && self.codes.insert(code_hash)
    }

    pub(super) fn account(&mut self, owner: B256, account: &Account, code: Option<&Bytes>) {
        self.out.push(ACCOUNT);
        self.out.extend_from_slice(owner.as_slice());
        self.sized(&record::encode_account(account));
        if let Some(code) = code {
            self.out.push(CODE);
            self.out.extend_from_slice(&(code.len() as u32).to_be_bytes());
            self.out.extend_from_slice(code);
        }
        self.last = Some(Position { owner, slot: None });
    }

    pub(super) fn slot(&mut self, owner: B256, slot: B256, word: &U256) {
        if self.last.is_none_or(|last| last.owner != owner) {
            self.out.push(OWNER);
            self.out.extend_from_slice(owner.as_slice());
        }
        self.out.push(SLOT);
        self.out.extend_from_slice(slot.as_slice());
        self.sized(&record::encode_word(word));
        self.last = Some(Position { owner, slot: Some(slot) });
    }

    fn sized(&mut self, value: &[u8]) {
        self.out.push(value.len() as u8);
        self.out.extend_from_slice(value);
    }

    /// The chunk, and where it ended; None when it is empty.
    pub(super) fn finish(self) -> (Vec<u8>, Option<Position>) {
        (self.out, self.last)
    }
}

/// What a chunk says about one account.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) owner: B256,
    /// None when the account itself was in an earlier chunk.
    pub(super) account: Option<Account>,
    pub(super) slots: Vec<(B256, U256)>,
}

/// A parsed chunk.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) entries: Vec<Entry>,
    pub(super) codes: Vec<(B256, Bytes)>,
}

impl Chunk {
    /// Raises `Chunk` unless `bytes` is what a `Writer` writes after a chunk that ended at `after`.
    pub(super) fn decode(bytes: &[u8], after: Option<Position>) -> Result<Self, StateError> {
        let mut parser = Parser { rest: bytes, chunk: Self::default(), known: HashSet::default(), last: after };
        while !parser.rest.is_empty() {
            parser.record()?;
        }
        Ok(parser.chunk)
    }

    /// The last record.
    pub(super) fn end(&self) -> Option<Position> {
        self.entries
            .last()
            .map(|entry| Position { owner: entry.owner, slot: entry.slots.last().map(|(slot, _)| *slot) })
    }
}

struct Parser<'a> {
    rest: &'a [u8],
    chunk: Chunk,
    /// Hashes of the codes so far.
    known: HashSet<B256>,
    last: Option<Position>,
}

fn malformed<T>(text: &str) -> Result<T, StateError> {
    Err(StateError::Chunk(text.into()))
}

impl<'a> Parser<'a> {
    fn record(&mut self) -> Result<(), StateError> {
        let tag = self.take(1)?[0];
        match tag {
            ACCOUNT => self.account(),
            OWNER if self.chunk.entries.is_empty() => self.continued(),
            SLOT => self.slot(),
            _ => malformed("a record of an unknown kind, or out of place"),
        }
    }

    fn account(&mut self) -> Result<(), StateError> {
        let owner = self.hash()?;
        if self.last.is_some_and(|last| last.owner >= owner) {
            return malformed("accounts out of order");
        }
        let account = record::decode_account(self.sized()?).or_else(|_| malformed("an account that does not parse"))?;
        if account.code_hash != KECCAK256_EMPTY && !self.known.contains(&account.code_hash) {
            self.code(account.code_hash)?;
        }
        self.chunk.entries.push(Entry { owner, account: Some(account), slots: Vec::new() });
        self.last = Some(Position { owner, slot: None });
        Ok(())
    }

    fn code(&mut self, hash: B256) -> Result<(), StateError> {
        if self.take(1)?[0] != CODE {
            return malformed("an account without its code");
        }
        let length = self.take(4)?.iter().fold(0, |length, byte| length << 8 | *byte as usize);
        let code = self.take(length)?;
        if keccak256(code) != hash {
            return malformed("another code than the account's");
        }
        self.known.insert(hash);
        self.chunk.codes.push((hash, Bytes::copy_from_slice(code)));
        Ok(())
    }

    fn continued(&mut self) -> Result<(), StateError> {
        let owner = self.hash()?;
        if self.last.is_none_or(|last| last.owner != owner) || self.rest.first() != Some(&SLOT) {
            return malformed("storage that continues nothing");
        }
        self.chunk.entries.push(Entry { owner, account: None, slots: Vec::new() });
        Ok(())
    }

    fn slot(&mut self) -> Result<(), StateError> {
        let slot = self.hash()?;
        let word = record::decode_word(self.sized()?).or_else(|_| malformed("a word that does not parse"))?;
        let Some(entry) = self.chunk.entries.last_mut() else {
            return malformed("storage of no account");
        };
        let owner = entry.owner;
        if self.last.is_some_and(|last| last.slot.is_some_and(|before| before >= slot)) {
            return malformed("slots out of order");
        }
        if word.is_zero() {
            return malformed("a slot that is zero");
        }
        entry.slots.push((slot, word));
        self.last = Some(Position { owner, slot: Some(slot) });
        Ok(())
    }

    fn hash(&mut self) -> Result<B256, StateError> {
        Ok(B256::from_slice(self.take(32)?))
    }

    /// A value with its length of one byte before it.
    fn sized(&mut self) -> Result<&'a [u8], StateError> {
        let length = self.take(1)?[0] as usize;
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], StateError> {
        match self.rest.split_at_checked(length) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => malformed("it ends in the middle of a record"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn sample() -> Vec<u8> {
        let code = Bytes::from_static(b"\x60\x00");
        let contract = Account { nonce: 1, balance: U256::from(7), code_hash: keccak256(&code) };
        let mut writer = Writer::default();
        writer.slot(hash(1), hash(9), &U256::from(1));
        writer.account(hash(2), &Account::default(), None);
        writer.account(hash(3), &contract, Some(&code));
        writer.slot(hash(3), hash(1), &U256::MAX);
        writer.slot(hash(3), hash(2), &U256::from(5));
        writer.account(hash(4), &contract, None);
        writer.finish().0
    }

    #[test]
    fn a_chunk_survives_encoding() {
        let after = Position { owner: hash(1), slot: Some(hash(8)) };
        let chunk = Chunk::decode(&sample(), Some(after)).expect("parses");
        let owners: Vec<B256> = chunk.entries.iter().map(|entry| entry.owner).collect();
        assert_eq!(owners, [hash(1), hash(2), hash(3), hash(4)]);
        assert_eq!(chunk.entries[2].slots, [(hash(1), U256::MAX), (hash(2), U256::from(5))]);
        assert_eq!(chunk.codes.len(), 1);
        assert_eq!(chunk.end(), Some(Position { owner: hash(4), slot: None }));
    }

    #[test]
    fn every_cut_in_the_middle_of_a_record_is_refused_or_leaves_a_shorter_chunk() {
        let bytes = sample();
        let after = Some(Position { owner: hash(1), slot: None });
        let whole = Chunk::decode(&bytes, after).expect("parses");
        for end in 0..bytes.len() {
            if let Ok(part) = Chunk::decode(&bytes[..end], after) {
                assert!(part != whole, "{end}");
            }
        }
    }

    #[test]
    fn no_flipped_bit_in_the_structure_panics() {
        let bytes = sample();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let _ = Chunk::decode(&damaged, Some(Position { owner: hash(1), slot: None }));
            }
        }
    }

    #[test]
    fn records_out_of_place_are_refused() {
        let account = |owner| {
            let mut writer = Writer::default();
            writer.account(owner, &Account::default(), None);
            writer.finish().0
        };
        let slot = |owner, slot, word| {
            let mut writer = Writer::default();
            writer.slot(owner, slot, &word);
            writer.finish().0
        };
        let one = U256::from(1);
        let at = |owner, slot| Some(Position { owner, slot });
        let refused = |bytes: Vec<u8>, after| assert!(Chunk::decode(&bytes, after).is_err(), "{bytes:x?}");
        refused(account(hash(2)), at(hash(2), None));
        refused([account(hash(2)), account(hash(1))].concat(), None);
        refused(slot(hash(2), hash(1), one), None);
        refused(slot(hash(2), hash(1), one), at(hash(1), None));
        refused(slot(hash(2), hash(1), one), at(hash(2), Some(hash(1))));
        refused(slot(hash(2), hash(1), U256::ZERO), at(hash(2), None));
        refused([account(hash(2)), slot(hash(2), hash(1), one)].concat(), None);
        refused([&[OWNER][..], hash(2).as_slice()].concat(), at(hash(2), None));
    }

    #[test]
    fn an_account_without_its_code_or_with_another_is_refused() {
        let contract = Account { code_hash: keccak256(b"right"), ..Account::default() };
        for code in [None, Some(Bytes::from_static(b"wrong"))] {
            let mut writer = Writer::default();
            writer.account(hash(1), &contract, code.as_ref());
            assert!(matches!(Chunk::decode(&writer.finish().0, None), Err(StateError::Chunk(_))));
        }
    }

    #[test]
    fn positions_survive_encoding() {
        for slot in [None, Some(hash(2))] {
            let position = Position { owner: hash(1), slot };
            assert_eq!(Position::decode(&position.encode()), Some(position));
        }
        assert!([0, 31, 33, 63, 65].iter().all(|size| Position::decode(&vec![0; *size]).is_none()));
    }
}
