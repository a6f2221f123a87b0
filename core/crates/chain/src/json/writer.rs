//! Ethereum's JSON encoding, written straight into a byte buffer.
//!
//! Quantities are minimal hex digits, byte strings are hex of even length, both lower case with 0x. Nothing that is written
//! needs escaping: keys are ours, and values are hex, null, booleans, lists and objects.

use alloy_primitives::{U256, hex};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Append `0x` and the hex of `bytes`, in quotes.
pub(crate) fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"0x");
    digits(bytes, out);
    out.push(b'"');
}

/// Append the hex digits of `bytes`, two each.
fn digits(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 2 * bytes.len(), b'0');
    hex::encode_to_slice(bytes, &mut out[start..]).expect("the slice has two digits for each byte");
}

/// Append a quantity, in quotes.
pub(crate) fn quantity(value: u128, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"0x");
    let nibbles = (u128::BITS - value.leading_zeros()).div_ceil(4).max(1);
    for nibble in (0..nibbles).rev() {
        out.push(DIGITS[(value >> (4 * nibble)) as usize & 0xf]);
    }
    out.push(b'"');
}

/// Append a quantity of up to 256 bits, in quotes.
pub(crate) fn big_quantity(value: &U256, out: &mut Vec<u8>) {
    match u128::try_from(*value) {
        Ok(small) => quantity(small, out),
        Err(_) => {
            let start = out.len();
            bytes(&value.to_be_bytes::<32>(), out);
            let zeros = value.leading_zeros() / 4;
            out.drain(start + 3..start + 3 + zeros);
        }
    }
}

/// An object that is being written; [`end`](Self::end) closes it.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    fn comma(&mut self) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
    }

    /// Start the field `name`; its value is for the caller to append.
    pub(crate) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(crate) fn quantity(&mut self, name: &str, value: impl Into<u128>) {
        quantity(value.into(), self.key(name));
    }

    pub(crate) fn big_quantity(&mut self, name: &str, value: &U256) {
        big_quantity(value, self.key(name));
    }

    pub(crate) fn bytes(&mut self, name: &str, value: impl AsRef<[u8]>) {
        bytes(value.as_ref(), self.key(name));
    }

    pub(crate) fn bytes_or_null(&mut self, name: &str, value: Option<impl AsRef<[u8]>>) {
        match value {
            Some(value) => self.bytes(name, value),
            None => self.null(name),
        }
    }

    pub(crate) fn null(&mut self, name: &str) {
        self.key(name).extend_from_slice(b"null");
    }

    /// A list whose elements `write` appends.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl FnMut(T, &mut Vec<u8>),
    ) {
        list(items, self.key(name), write);
    }

    /// Fields that are encoded already, without braces and outer commas.
    pub(crate) fn fields(&mut self, encoded: &[u8]) {
        self.comma();
        self.out.extend_from_slice(encoded);
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

/// Append a list whose elements `write` appends.
pub(crate) fn list<T>(items: impl IntoIterator<Item = T>, out: &mut Vec<u8>, mut write: impl FnMut(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(value: U256) -> String {
        let mut out = Vec::new();
        big_quantity(&value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quantities_have_no_leading_zeros() {
        for shift in 0..256 {
            for value in [U256::from(1) << shift, U256::MAX >> shift, (U256::from(1) << shift) - U256::from(1)] {
                assert_eq!(big(value), format!("\"{value:#x}\""));
            }
        }
        assert_eq!(big(U256::ZERO), "\"0x0\"");
    }

    #[test]
    fn an_object_separates_its_fields() {
        let mut out = Vec::new();
        let mut object = Object::new(&mut out);
        object.quantity("a", 255u64);
        object.fields(b"\"b\":1,\"c\":2");
        object.bytes("d", [0, 0xab]);
        object.bytes_or_null("e", None::<[u8; 1]>);
        object.list("f", [1u64, 2], |value, out| quantity(value.into(), out));
        object.end();
        let text = r#"{"a":"0xff","b":1,"c":2,"d":"0x00ab","e":null,"f":["0x1","0x2"]}"#;
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
