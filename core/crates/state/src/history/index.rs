//! Which blocks of a chunk changed a subject, without reading the blocks.
//!
//! Chunk C covers blocks 64·C … 64·C + 63 and is written with the flush that completes it.
//! ```text
//! partition = [fingerprint (8, big-endian), block − 64·C (1)] …, ascending
//! ```

use std::ops::Range;

use zg_types::ViewError;

use super::{PARTITION_BYTES, corrupt, reverse};
use crate::buffer::FinalisedBlock;
use crate::key;
use crate::leveldb::{Batch, Cursor};

/// Blocks a chunk.
pub(super) const CHUNK: u64 = 64;
const ROW_BYTES: usize = 9;

/// Chunks that a flush from block `flushed` to block `next` completes.
pub(crate) fn complete_chunks(flushed: u64, next: u64) -> Range<u64> {
    (flushed + 1) / CHUNK..(next + 1) / CHUNK
}

/// Chunks all of whose blocks are at or below a new oldest block, and were not at or below the `previous` one.
pub(crate) fn expired_chunks(previous: u64, oldest: u64) -> Range<u64> {
    (previous + 1) / CHUNK..(oldest + 1) / CHUNK
}

/// Index `chunk`: those of its blocks that were flushed before are read back through `cursor`, the others are among
/// `blocks`.
pub(crate) fn write_chunk(
    batch: &mut Batch,
    chunk: u64,
    cursor: &mut Cursor<'_>,
    blocks: &[FinalisedBlock],
) -> Result<(), ViewError> {
    let numbers = chunk * CHUNK..(chunk + 1) * CHUNK;
    let mut rows: Vec<(u64, u8)> = Vec::new();
    cursor.seek(&key::numbered(key::REVERSE, numbers.start));
    while let Some((found, partition)) = cursor.entry()? {
        let Some(number) = partition_number(found, key::REVERSE)?.filter(|number| *number < numbers.end) else {
            break;
        };
        let offset = (number - numbers.start) as u8;
        rows.extend(reverse::fingerprints(partition)?.map(|fingerprint| (fingerprint, offset)));
        cursor.next();
    }
    for block in blocks.iter().filter(|block| numbers.contains(&block.id.number)) {
        let offset = (block.id.number - numbers.start) as u8;
        for (_, partition) in block.reverse.iter() {
            rows.extend(reverse::fingerprints(partition)?.map(|fingerprint| (fingerprint, offset)));
        }
    }
    rows.sort_unstable();
    rows.dedup();
    let mut start = 0;
    for (place, (fingerprint, _)) in rows.iter().enumerate() {
        let next = rows.get(place + 1).map(|(next, _)| *next);
        let full = (place + 1 - start) * ROW_BYTES >= PARTITION_BYTES;
        if next.is_none() || (full && next != Some(*fingerprint)) {
            batch.put(&key::partition(key::INDEX, chunk, *fingerprint), &encode(&rows[start..=place]));
            start = place + 1;
        }
    }
    Ok(())
}

fn encode(rows: &[(u64, u8)]) -> Vec<u8> {
    let row = |(fingerprint, offset): &(u64, u8)| fingerprint.to_be_bytes().into_iter().chain([*offset]);
    rows.iter().flat_map(row).collect()
}

/// The block or chunk number of a partition's key; None when the key has another tag.
pub(super) fn partition_number(found: &[u8], tag: u8) -> Result<Option<u64>, ViewError> {
    if found.first() != Some(&tag) {
        return Ok(None);
    }
    let number = found.get(1..9).filter(|_| found.len() == 17).and_then(|bytes| bytes.try_into().ok());
    Ok(Some(u64::from_be_bytes(number.ok_or_else(|| corrupt("history key"))?)))
}

/// Blocks of the chunk, as offsets, that changed something with this fingerprint; ascending.
pub(super) fn offsets(partition: &[u8], fingerprint: u64) -> Result<Vec<u8>, ViewError> {
    let (rows, rest) = partition.as_chunks::<ROW_BYTES>();
    if !rest.is_empty() {
        return Err(corrupt("history index"));
    }
    let sought = fingerprint.to_be_bytes();
    let first = rows.partition_point(|row| row[..8] < sought[..]);
    Ok(rows[first..].iter().take_while(|row| row[..8] == sought[..]).map(|row| row[8]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_complete_exactly_at_their_last_block() {
        assert_eq!(complete_chunks(0, 62), 0..0);
        assert_eq!(complete_chunks(62, 63), 0..1);
        assert_eq!(complete_chunks(63, 64), 1..1);
        assert_eq!(complete_chunks(10, 200), 0..3);
    }

    #[test]
    fn chunks_expire_when_their_last_block_is_not_searched_any_more() {
        assert_eq!(expired_chunks(0, 62), 0..0);
        assert_eq!(expired_chunks(62, 63), 0..1);
        assert_eq!(expired_chunks(63, 126), 1..1);
    }

    #[test]
    fn offsets_of_one_fingerprint_are_all_found() {
        let bytes = encode(&[(1, 4), (7, 2), (7, 9), (8, 0)]);
        assert_eq!(offsets(&bytes, 7), Ok(vec![2, 9]));
        assert_eq!(offsets(&bytes, 9), Ok(vec![]));
        assert!(offsets(&bytes[1..], 7).is_err());
    }
}
