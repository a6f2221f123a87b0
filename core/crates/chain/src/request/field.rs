//! Fields of a JSON object in Ethereum's encoding: minimal hex quantities, hex byte strings. The reasons are geth's words.

use crate::error::RequestError;
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde_json::{Map, Value};
use std::borrow::Cow;

type Reason = Cow<'static, str>;

/// A JSON object, and how an error names it.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: &'a str,
}

/// Parse the top-level JSON object of an argument. Nesting is bounded by the parser (128 levels).
pub(super) fn parse_object(json: &[u8]) -> Result<Map<String, Value>, RequestError> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(RequestError::Json("not an object".into())),
        Err(error) => Err(RequestError::Json(error.to_string())),
    }
}

fn digits(value: &Value) -> Result<&str, Reason> {
    let text = value.as_str().ok_or("non-string")?;
    if text.is_empty() {
        return Err("empty hex string".into());
    }
    Ok(text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).ok_or("hex string without 0x prefix")?)
}

/// A quantity: minimal hex digits, at most 256 bits.
pub(super) fn quantity(value: &Value) -> Result<U256, Reason> {
    let digits = digits(value)?;
    match digits.as_bytes() {
        [] => Err("hex string \"0x\"".into()),
        [b'0', _, ..] => Err("hex number with leading zero digits".into()),
        _ if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => Err("invalid hex string".into()),
        _ if digits.len() > 64 => Err("hex number > 256 bits".into()),
        _ => U256::from_str_radix(digits, 16).map_err(|_| "invalid hex string".into()),
    }
}

fn narrow<T: TryFrom<U256>>(value: &Value, bits: usize) -> Result<T, Reason> {
    T::try_from(quantity(value)?).map_err(|_| format!("hex number > {bits} bits").into())
}

pub(super) fn bytes(value: &Value) -> Result<Bytes, Reason> {
    let digits = digits(value)?;
    if digits.len() % 2 == 1 {
        return Err("hex string of odd length".into());
    }
    crate::digits::decode(digits).ok_or("invalid hex string".into())
}

fn fixed<const N: usize>(value: &Value) -> Result<[u8; N], Reason> {
    let digits = digits(value)?;
    if digits.len() != 2 * N {
        return Err(format!("hex string has length {}, want {}", digits.len(), 2 * N).into());
    }
    let mut out = [0; N];
    hex::decode_to_slice(digits, &mut out).map_err(|_| "invalid hex string")?;
    Ok(out)
}

pub(super) fn address(value: &Value) -> Result<Address, Reason> {
    fixed(value).map(Address::from)
}

pub(super) fn hash(value: &Value) -> Result<B256, Reason> {
    fixed(value).map(B256::from)
}

pub(super) fn unsigned_8(value: &Value) -> Result<u8, Reason> {
    narrow(value, 8)
}

pub(super) fn unsigned_64(value: &Value) -> Result<u64, Reason> {
    narrow(value, 64)
}

pub(super) fn unsigned_128(value: &Value) -> Result<u128, Reason> {
    narrow(value, 128)
}

impl<'a> Fields<'a> {
    pub(super) fn new(map: &'a Map<String, Value>, path: &'a str) -> Self {
        Self { map, path }
    }

    /// The fields of an element of a list.
    pub(super) fn of(value: &'a Value, path: &'a str) -> Result<Self, RequestError> {
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            _ => Err(RequestError::Field { field: path.into(), reason: "not an object".into() }),
        }
    }

    /// The field, unless it is absent or null.
    fn value(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// How errors name a field.
    pub(super) fn name(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn wrong(&self, name: &str, reason: impl Into<Reason>) -> RequestError {
        RequestError::Field { field: self.name(name), reason: reason.into() }
    }

    /// The field, read by `read`; None when it is absent or null.
    pub(super) fn get<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a Value) -> Result<T, Reason>,
    ) -> Result<Option<T>, RequestError> {
        self.value(name).map(|value| read(value).map_err(|reason| self.wrong(name, reason))).transpose()
    }

    /// The field, read by `read`; absence is an error.
    pub(super) fn need<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a Value) -> Result<T, Reason>,
    ) -> Result<T, RequestError> {
        self.get(name, read)?.ok_or_else(|| self.wrong(name, "missing"))
    }

    /// A list, its elements read by `read`.
    pub(super) fn list<T>(
        &self,
        name: &str,
        read: impl FnMut(&'a Value) -> Result<T, RequestError>,
    ) -> Result<Option<Vec<T>>, RequestError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Array(items)) => items.iter().map(read).collect::<Result<_, _>>().map(Some),
            Some(_) => Err(self.wrong(name, "not a list")),
        }
    }

    /// An object with 32-byte keys and values.
    pub(super) fn words(&self, name: &str) -> Result<Option<Vec<(B256, B256)>>, RequestError> {
        let map = match self.value(name) {
            None => return Ok(None),
            Some(Value::Object(map)) => map,
            Some(_) => return Err(self.wrong(name, "not an object")),
        };
        let entry = |(key, value): (&String, &Value)| Ok((hash(&Value::String(key.clone()))?, hash(value)?));
        map.iter().map(entry).collect::<Result<_, Reason>>().map(Some).map_err(|reason| self.wrong(name, reason))
    }
}
