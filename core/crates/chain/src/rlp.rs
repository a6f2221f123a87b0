//! Reading RLP lists item by item without allocating; every error says which encoding it was in.

use crate::error::CodecError;
use alloy_rlp::{Decodable, Encodable, Header};

/// The items of a list, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Items<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Items<'a> {
    /// The items of the one list that `raw` is.
    pub(crate) fn of(raw: &'a [u8], what: &'static str) -> Result<Self, CodecError> {
        let mut outer = Self { rest: raw, what };
        let items = outer.list()?;
        outer.end()?;
        Ok(items)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The same list with nothing left to read.
    pub(crate) fn emptied(&self) -> Self {
        Self { rest: &[], what: self.what }
    }

    fn wrong(&self, error: alloy_rlp::Error) -> CodecError {
        CodecError::Rlp { what: self.what, error }
    }

    pub(crate) fn shape(&self, reason: &'static str) -> CodecError {
        CodecError::Shape { what: self.what, reason }
    }

    /// The next item, a list.
    pub(crate) fn list(&mut self) -> Result<Self, CodecError> {
        let rest = Header::decode_bytes(&mut self.rest, true).map_err(|error| self.wrong(error))?;
        Ok(Self { rest, what: self.what })
    }

    /// The next item, a byte string.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        Header::decode_bytes(&mut self.rest, false).map_err(|error| self.wrong(error))
    }

    /// The next item, a byte string of `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], CodecError> {
        self.bytes()?.try_into().map_err(|_| self.wrong(alloy_rlp::Error::UnexpectedLength))
    }

    /// The next item, decoded.
    pub(crate) fn value<T: Decodable>(&mut self) -> Result<T, CodecError> {
        T::decode(&mut self.rest).map_err(|error| self.wrong(error))
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), CodecError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong(alloy_rlp::Error::UnexpectedLength)) }
    }
}

/// Start a list whose items take `payload` bytes.
pub(crate) fn put_list(payload: usize, out: &mut Vec<u8>) {
    Header { list: true, payload_length: payload }.encode(out);
}

/// Size of a list whose items take `payload` bytes, with its prefix.
pub(crate) fn list_length(payload: usize) -> usize {
    Header { list: true, payload_length: payload }.length_with_payload()
}

/// Append a byte string.
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    bytes.encode(out);
}
