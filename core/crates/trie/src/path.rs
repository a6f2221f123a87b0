//! Paths as nibbles of a 32-byte key, and their compact ("hex-prefix") form, yellow paper appendix C.
//!
//! A node never stores nibbles of its own: it holds a key that passes through it and offsets into that key, so cutting
//! and joining paths only moves the offsets.

use alloy_primitives::B256;

/// Nibbles in a key, which is also the greatest depth of a node.
pub(crate) const KEY_NIBBLES: usize = 64;

/// The nibble of `key` at `depth` (0 is the most significant).
#[inline]
pub(crate) fn nibble(key: &B256, depth: usize) -> usize {
    let byte = key.0[depth / 2];
    (if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 }) as usize
}

/// `key` with the nibble at `depth` set to `value`.
pub(crate) fn with_nibble(mut key: B256, depth: usize, value: usize) -> B256 {
    let byte = &mut key.0[depth / 2];
    *byte = if depth.is_multiple_of(2) { *byte & 0x0f | (value as u8) << 4 } else { *byte & 0xf0 | value as u8 };
    key
}

/// How many leading nibbles `a` and `b` share.
pub(crate) fn common_prefix(a: &B256, b: &B256) -> usize {
    match a.0.iter().zip(&b.0).position(|(x, y)| x != y) {
        Some(i) => 2 * i + usize::from((a.0[i] ^ b.0[i]) < 16),
        None => KEY_NIBBLES,
    }
}

/// All nibbles of `key`, one a byte; a path is a prefix of them.
pub(crate) fn nibbles(key: &B256) -> [u8; KEY_NIBBLES] {
    std::array::from_fn(|depth| nibble(key, depth) as u8)
}

/// Write the compact form of nibbles `start..end` of `key`; returns its length, at most 33 bytes.
pub(crate) fn write_compact(key: &B256, start: usize, end: usize, leaf: bool, out: &mut [u8; 33]) -> usize {
    let odd = (end - start) % 2 == 1;
    let flags = (leaf as u8) << 5 | (odd as u8) << 4;
    out[0] = if odd { flags | nibble(key, start) as u8 } else { flags };
    // The rest is a whole number of bytes that ends where `end` does: aligned with the key's bytes when `end` is even.
    let from = start + odd as usize;
    let length = (end - from) / 2;
    for (i, byte) in out[1..=length].iter_mut().enumerate() {
        let at = from + 2 * i;
        *byte = if at.is_multiple_of(2) { key.0[at / 2] } else { key.0[at / 2] << 4 | key.0[at / 2 + 1] >> 4 };
    }
    1 + length
}

/// Read a compact path that continues `prefix` at `start`: the key through it, its end, and whether it is a leaf's.
pub(crate) fn read_compact(bytes: &[u8], prefix: &B256, start: usize) -> Option<(B256, usize, bool)> {
    let (&first, rest) = bytes.split_first()?;
    let odd = first & 0x10 != 0;
    if first & 0xc0 != 0 || (!odd && first & 0x0f != 0) {
        return None;
    }
    let end = start + odd as usize + 2 * rest.len();
    if end > KEY_NIBBLES {
        return None;
    }
    let head = odd.then_some(first & 15);
    let tail = rest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let key = head.into_iter().chain(tail).zip(start..).fold(*prefix, |key, (n, at)| with_nibble(key, at, n as usize));
    Some((key, end, first & 0x20 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    #[test]
    fn compact_paths_match_the_yellow_paper() {
        let key = B256::right_padding_from(&[0x12, 0x34, 0x50]);
        let mut out = [0; 33];
        for (start, end, leaf, expected) in [
            (0, 5, false, &[0x11, 0x23, 0x45][..]),
            (0, 4, false, &[0x00, 0x12, 0x34]),
            (1, 5, true, &[0x20, 0x23, 0x45]),
            (2, 5, true, &[0x33, 0x45]),
            (64, 64, true, &[0x20]),
        ] {
            let length = write_compact(&key, start, end, leaf, &mut out);
            assert_eq!(&out[..length], expected, "{start}..{end}");
        }
    }

    #[test]
    fn every_range_survives_the_compact_form() {
        let (key, other) = (keccak256("a"), keccak256("b"));
        let mut out = [0; 33];
        for start in 0..=KEY_NIBBLES {
            for end in start..=KEY_NIBBLES {
                let length = write_compact(&key, start, end, true, &mut out);
                let prefix =
                    nibbles(&key)[..start].iter().enumerate().fold(other, |k, (at, n)| with_nibble(k, at, *n as usize));
                let (read, read_end, leaf) = read_compact(&out[..length], &prefix, start).unwrap();
                assert_eq!((read_end, leaf), (end, true));
                assert!(common_prefix(&read, &key) >= end);
            }
        }
    }

    #[test]
    fn malformed_compact_paths_are_refused() {
        for bytes in [&[][..], &[0x01], &[0x40], &[0x80, 1], &[0; 34]] {
            assert_eq!(read_compact(bytes, &B256::ZERO, 0), None, "{bytes:?}");
        }
        assert_eq!(read_compact(&[0x20, 0x11], &B256::ZERO, 63), None);
    }

    #[test]
    fn the_common_prefix_counts_nibbles() {
        let a = B256::right_padding_from(&[0x12, 0x34]);
        assert_eq!(common_prefix(&a, &a), 64);
        assert_eq!(common_prefix(&a, &B256::right_padding_from(&[0x12, 0x35])), 3);
        assert_eq!(common_prefix(&a, &B256::right_padding_from(&[0x12, 0x44])), 2);
        assert_eq!(common_prefix(&a, &B256::right_padding_from(&[0x92, 0x34])), 0);
    }
}
