//! Finding the first block after N that changed a subject.

use zg_types::ViewError;

use super::index::{CHUNK, offsets};
use super::{Before, Subject, reverse};
use crate::key;
use crate::leveldb::{Cursor, Snapshot};

/// What `subject` was before the first block in (`number`, `flushed`] that changed it; None when none did.
///
/// Costs one seek for each complete chunk and for each block of the last, incomplete one.
pub(crate) fn value_before(
    snapshot: &Snapshot,
    number: u64,
    flushed: u64,
    subject: &Subject,
) -> Result<Option<Before>, ViewError> {
    let mut cursor = snapshot.cursor_cached();
    let mut block = number + 1;
    while block <= flushed {
        let start = block / CHUNK * CHUNK;
        if start + CHUNK - 1 > flushed {
            if let Some(before) = in_block(&mut cursor, block, subject)? {
                return Ok(Some(before));
            }
            block += 1;
            continue;
        }
        for offset in in_chunk(&mut cursor, start / CHUNK, subject)? {
            let candidate = start + offset as u64;
            if candidate >= block
                && let Some(before) = in_block(&mut cursor, candidate, subject)?
            {
                return Ok(Some(before));
            }
        }
        block = start + CHUNK;
    }
    Ok(None)
}

/// The only partition of `number` under `tag` that can hold the fingerprint.
fn partition<'c>(
    cursor: &'c mut Cursor<'_>,
    tag: u8,
    number: u64,
    fingerprint: u64,
) -> Result<Option<&'c [u8]>, ViewError> {
    cursor.seek(&key::partition(tag, number, fingerprint));
    let prefix = key::numbered(tag, number);
    Ok(cursor.entry()?.filter(|(found, _)| found.starts_with(&prefix)).map(|(_, value)| value))
}

fn in_block(cursor: &mut Cursor<'_>, number: u64, subject: &Subject) -> Result<Option<Before>, ViewError> {
    match partition(cursor, key::REVERSE, number, subject.fingerprint())? {
        None => Ok(None),
        Some(bytes) => reverse::find(bytes, subject),
    }
}

fn in_chunk(cursor: &mut Cursor<'_>, chunk: u64, subject: &Subject) -> Result<Vec<u8>, ViewError> {
    match partition(cursor, key::INDEX, chunk, subject.fingerprint())? {
        None => Ok(Vec::new()),
        Some(bytes) => offsets(bytes, subject.fingerprint()),
    }
}
