//! The backward half of a block's diff.
//!
//! ```text
//! partition = count (4), count · [fingerprint (8), end of the entry (4)], entries
//! entry     = 0 owner account | 1 owner slot word          (the value before the block; empty: none, zero)
//! ```
//! Integers are big-endian, ends count from the first entry.

use alloy_primitives::U256;
use zg_types::{Account, ViewError};

use super::{PARTITION_BYTES, Partitions, Subject, corrupt};
use crate::change::HashedDiff;
use crate::key;
use crate::leveldb::Cursor;
use crate::record;

const ROW_BYTES: usize = 12;

/// A value from before a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Account(Option<Account>),
    Word(U256),
}

impl Before {
    fn decode(subject: &Subject, bytes: &[u8]) -> Result<Self, ViewError> {
        match subject.slot {
            Some(_) => Ok(Self::Word(record::decode_word(bytes)?)),
            None if bytes.is_empty() => Ok(Self::Account(None)),
            None => Ok(Self::Account(Some(record::decode_account(bytes)?))),
        }
    }
}

/// The reverse diff of a block.
pub(crate) fn encode_block(change: &HashedDiff) -> Partitions {
    let mut entries: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut add = |subject: Subject, before: Vec<u8>| {
        let mut entry = Vec::with_capacity(65 + before.len());
        subject.encode(&mut entry);
        entry.extend_from_slice(&before);
        entries.push((subject.fingerprint(), entry));
    };
    for account in change.accounts() {
        let before = account.diff.before.as_ref().map(record::encode_account).unwrap_or_default();
        add(Subject { owner: account.key, slot: None }, before);
        for (slot, key) in account.diff.storage.iter().zip(account.slot_keys) {
            add(Subject { owner: account.key, slot: Some(*key) }, record::encode_word(&slot.before));
        }
    }
    entries.sort_unstable();
    cut(&entries)
}

/// Sorted entries in partitions; equal fingerprints stay together.
fn cut(entries: &[(u64, Vec<u8>)]) -> Partitions {
    let mut partitions = Vec::new();
    let mut start = 0;
    let mut size = 0;
    for (place, (fingerprint, entry)) in entries.iter().enumerate() {
        size += ROW_BYTES + entry.len();
        let next = entries.get(place + 1).map(|(next, _)| *next);
        if next.is_none() || (size >= PARTITION_BYTES && next != Some(*fingerprint)) {
            partitions.push((*fingerprint, encode_partition(&entries[start..=place])));
            (start, size) = (place + 1, 0);
        }
    }
    partitions
}

fn encode_partition(entries: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut out = (entries.len() as u32).to_be_bytes().to_vec();
    let mut end = 0u32;
    for (fingerprint, entry) in entries {
        end += entry.len() as u32;
        out.extend_from_slice(&fingerprint.to_be_bytes());
        out.extend_from_slice(&end.to_be_bytes());
    }
    entries.iter().for_each(|(_, entry)| out.extend_from_slice(entry));
    out
}

/// A parsed partition: its rows and the bytes of its entries.
struct Partition<'a> {
    rows: &'a [[u8; ROW_BYTES]],
    entries: &'a [u8],
}

impl<'a> Partition<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (count, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| corrupt("reverse diff"))?;
        let table = (u32::from_be_bytes(*count) as usize).checked_mul(ROW_BYTES).filter(|size| *size <= rest.len());
        let (table, entries) = rest.split_at(table.ok_or_else(|| corrupt("reverse diff"))?);
        Ok(Self { rows: table.as_chunks().0, entries })
    }

    fn fingerprint(row: &[u8; ROW_BYTES]) -> u64 {
        u64::from_be_bytes(row[..8].try_into().expect("8 of 12 bytes"))
    }

    fn end(row: &[u8; ROW_BYTES]) -> usize {
        u32::from_be_bytes(row[8..].try_into().expect("4 of 12 bytes")) as usize
    }

    fn entry(&self, place: usize) -> Result<(Subject, Before), ViewError> {
        let start = place.checked_sub(1).map_or(0, |before| Self::end(&self.rows[before]));
        let bytes = self.entries.get(start..Self::end(&self.rows[place])).ok_or_else(|| corrupt("reverse diff"))?;
        let (subject, value) = Subject::decode(bytes).ok_or_else(|| corrupt("reverse diff"))?;
        Ok((subject, Before::decode(&subject, value)?))
    }
}

/// What `subject` was before the block, when this partition of the block lists it.
pub(super) fn find(partition: &[u8], subject: &Subject) -> Result<Option<Before>, ViewError> {
    let partition = Partition::parse(partition)?;
    let fingerprint = subject.fingerprint();
    let first = partition.rows.partition_point(|row| Partition::fingerprint(row) < fingerprint);
    for place in first..partition.rows.len() {
        if Partition::fingerprint(&partition.rows[place]) != fingerprint {
            break;
        }
        let (found, before) = partition.entry(place)?;
        if found == *subject {
            return Ok(Some(before));
        }
    }
    Ok(None)
}

/// The fingerprints of a partition, ascending.
pub(super) fn fingerprints(partition: &[u8]) -> Result<impl Iterator<Item = u64> + '_, ViewError> {
    Ok(Partition::parse(partition)?.rows.iter().map(Partition::fingerprint))
}

/// All entries of a partition.
pub(crate) fn partition_entries(partition: &[u8]) -> Result<Vec<(Subject, Before)>, ViewError> {
    let partition = Partition::parse(partition)?;
    (0..partition.rows.len()).map(|place| partition.entry(place)).collect()
}

/// All entries of a flushed block.
pub(crate) fn block_entries(cursor: &mut Cursor<'_>, number: u64) -> Result<Vec<(Subject, Before)>, ViewError> {
    let mut entries = Vec::new();
    let prefix = key::numbered(key::REVERSE, number);
    cursor.seek(&prefix);
    while let Some((_, value)) = cursor.entry()?.filter(|(key, _)| key.starts_with(&prefix)) {
        entries.extend(partition_entries(value)?);
        cursor.next();
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, B256, keccak256};
    use zg_types::{AccountDiff, SlotDiff, StateDiff};

    fn account(number: u64) -> AccountDiff {
        let slot = |slot: u64| SlotDiff { slot: U256::from(slot), before: U256::from(number), after: U256::ZERO };
        AccountDiff {
            address: Address::left_padding_from(&number.to_be_bytes()),
            before: (!number.is_multiple_of(3)).then(|| Account { nonce: number, ..Account::default() }),
            after: Some(Account::default()),
            wiped: false,
            storage: (0..number % 4).map(slot).collect(),
        }
    }

    fn block(accounts: u64) -> HashedDiff {
        let diff = StateDiff { accounts: (0..accounts).map(account).collect(), codes: vec![] };
        HashedDiff::new(diff).expect("ascending")
    }

    #[test]
    fn every_entry_of_a_block_is_found_in_the_partition_that_its_fingerprint_names() {
        let change = block(500);
        let partitions = encode_block(&change);
        assert!(partitions.len() > 5 && partitions.is_sorted_by_key(|(bound, _)| *bound));
        let lookup = |subject: &Subject| {
            let at = partitions.partition_point(|(bound, _)| *bound < subject.fingerprint());
            find(&partitions[at].1, subject).expect("parses")
        };
        for account in change.accounts() {
            let found = lookup(&Subject { owner: account.key, slot: None });
            assert_eq!(found, Some(Before::Account(account.diff.before)));
            for (slot, key) in account.diff.storage.iter().zip(account.slot_keys) {
                let found = lookup(&Subject { owner: account.key, slot: Some(*key) });
                assert_eq!(found, Some(Before::Word(slot.before)));
            }
        }
    }

    #[test]
    fn subjects_with_equal_fingerprints_stay_in_one_partition_and_are_told_apart() {
        let entry = |tail: u8, word: u64| {
            let mut owner = B256::repeat_byte(4);
            owner.0[31] = tail;
            let subject = Subject { owner, slot: Some(B256::ZERO) };
            let mut bytes = Vec::new();
            subject.encode(&mut bytes);
            bytes.extend(record::encode_word(&U256::from(word)));
            (subject, (subject.fingerprint(), bytes))
        };
        let (subjects, mut entries): (Vec<_>, Vec<_>) = (0..200u8).map(|i| entry(i, 1000 + i as u64)).unzip();
        entries.sort_unstable();
        let partitions = cut(&entries);
        assert_eq!(partitions.len(), 1);
        for (subject, word) in subjects.iter().zip(1000u64..) {
            assert_eq!(find(&partitions[0].1, subject), Ok(Some(Before::Word(U256::from(word)))));
        }
        let stranger = Subject { owner: keccak256([]), slot: None };
        assert_eq!(find(&partitions[0].1, &stranger), Ok(None));
    }

    #[test]
    fn damaged_partitions_are_refused_without_a_panic() {
        let partitions = encode_block(&block(40));
        let bytes = &partitions[0].1;
        let subject = Subject { owner: B256::ZERO, slot: None };
        for end in 0..bytes.len() {
            assert!(partition_entries(&bytes[..end]).is_err(), "accepted {end} bytes");
            let _ = find(&bytes[..end], &subject);
        }
        for place in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[place] ^= 0x80;
            let _ = (partition_entries(&bent), find(&bent, &subject));
        }
    }
}
