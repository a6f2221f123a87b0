//! Hex digits to bytes.

use alloy_primitives::{Bytes, hex};

/// The bytes of an even number of hex digits that have no prefix; None when they are anything else.
pub(crate) fn decode(digits: &str) -> Option<Bytes> {
    // The decoder would skip a prefix of its own.
    if digits.as_bytes().get(1).is_some_and(|second| !second.is_ascii_hexdigit()) {
        return None;
    }
    hex::decode(digits).ok().map(Bytes::from)
}
