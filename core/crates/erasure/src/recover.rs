//! A blob from any K of its rows.

use crate::buffer;
use crate::code;
use crate::encoding::Encoding;
use crate::error::ErasureError;
use crate::header::Header;

impl Encoding {
    /// Decode, encode again and compare with the header, on at most `threads` threads.
    ///
    /// `rows` are (index, bytes); more than K are allowed, an index twice counts once. With rows that a
    /// [`crate::Verifier`] accepted, [`ErasureError::NotCommitted`] and [`ErasureError::Padding`] are the fault of whoever
    /// made the commitment, and every other reader gets the same answer.
    pub fn recover(header: &Header, rows: &[(usize, &[u8])], threads: usize) -> Result<Self, ErasureError> {
        let shape = header.shape;
        let mut places: Vec<Option<&[u8]>> = vec![None; shape.rows()];
        for (index, bytes) in rows {
            header.holds_row(*index)?;
            if bytes.len() != shape.row_bytes() {
                return Err(ErasureError::RowSize(bytes.len()));
            }
            places[*index] = Some(bytes);
        }
        let different = places.into_iter().enumerate().filter_map(|(index, bytes)| Some((index, bytes?)));
        let chosen: Vec<(usize, &[u8])> = different.take(shape.k()).collect();
        if chosen.len() < shape.k() {
            return Err(ErasureError::TooFew { have: chosen.len(), need: shape.k() });
        }
        let mut all = buffer::zeroed(shape.rows() * shape.row_bytes());
        let data = &mut all[..shape.capacity()];
        code::restore(&shape, &chosen, data, threads);
        if data[header.length as usize..].iter().any(|byte| *byte != 0) {
            return Err(ErasureError::Padding);
        }
        let encoding = Self::of_data(shape, header.length, all, threads);
        if encoding.header() == header { Ok(encoding) } else { Err(ErasureError::NotCommitted) }
    }
}
