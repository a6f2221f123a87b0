//! Rows as whoever asked for them gets them: RLP of `[header, checksums, index, row, path, index, row, path …]`.

use std::borrow::Cow;

use crate::encoding::Encoding;
use crate::error::ErasureError;

/// What the head of a string begins with, and that of a list.
const STRING: u8 = 0x80;
const LIST: u8 = 0xc0;
/// The longest content whose length fits into the first byte.
const SHORT_MAX_BYTES: usize = 55;

impl Encoding {
    /// Rows with their paths, and the checksums or an empty string in their place. [`ErasureError::NoSuchRow`] for an index
    /// that is not.
    pub fn rows_answer(&self, indices: &[usize], with_checksums: bool) -> Result<Vec<u8>, ErasureError> {
        let checksums = if with_checksums { self.checksums() } else { Vec::new() };
        let mut strings: Vec<Cow<'_, [u8]>> = vec![self.header().to_bytes().to_vec().into(), checksums.into()];
        for &index in indices {
            strings.push(number(index).into());
            strings.push(self.row(index)?.into());
            strings.push(self.row_path(index)?.as_flattened().to_vec().into());
        }
        Ok(list(&strings))
    }
}

/// Big-endian, without leading zeros.
fn number(value: usize) -> Vec<u8> {
    value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

fn list(strings: &[Cow<'_, [u8]>]) -> Vec<u8> {
    let heads: Vec<Vec<u8>> = strings.iter().map(|string| head_of(string)).collect();
    let length = heads.iter().map(Vec::len).chain(strings.iter().map(|string| string.len())).sum();
    let mut out = head(LIST, length);
    out.reserve_exact(length);
    for (head, string) in heads.iter().zip(strings) {
        out.extend_from_slice(head);
        out.extend_from_slice(string);
    }
    out
}

/// What stands before a string: nothing before a byte that is its own encoding.
fn head_of(string: &[u8]) -> Vec<u8> {
    match string {
        [byte] if *byte < STRING => Vec::new(),
        _ => head(STRING, string.len()),
    }
}

fn head(kind: u8, length: usize) -> Vec<u8> {
    if length <= SHORT_MAX_BYTES {
        return vec![kind + length as u8];
    }
    let digits = number(length);
    [&[kind + (SHORT_MAX_BYTES + digits.len()) as u8], &digits[..]].concat()
}
