//! How many rows of which length a blob becomes.
//!
//! | blob | data rows K | parity rows N | row |
//! |---|---|---|---|
//! | below 64 KiB | 16, 32 … 256, about 256 bytes each | 3K | what K rows need |
//! | 64 KiB to 32 MiB | 1024 | 3072 | likewise |
//! | to 128 MiB | 4096 | 12288 | likewise |
//!
//! A row is a multiple of 64 bytes, and nothing is padded beyond that: the cost is in proportion to the blob.

use crate::error::ErasureError;

/// The longest blob.
pub const BLOB_MAX_BYTES: usize = 128 << 20;
/// The longest row.
pub const ROW_MAX_BYTES: usize = 32 << 10;
/// Data and parity rows together.
pub const ROWS_MAX: usize = 16_384;
/// Rows are a multiple of this: 32 symbols, low bytes first, then the high bytes.
pub const ROW_UNIT_BYTES: usize = 64;

/// From here on a blob has [`MIDDLE_K`] data rows.
const MIDDLE_MIN_BYTES: usize = 64 << 10;
/// Past this a blob has [`LARGE_K`] data rows.
const MIDDLE_MAX_BYTES: usize = 32 << 20;
const SMALL_K_MIN: usize = 16;
/// What a row of a blob below [`MIDDLE_MIN_BYTES`] is sized for.
const SMALL_ROW_BYTES: usize = 256;
const MIDDLE_K: usize = 1024;
const LARGE_K: usize = 4096;
/// Parity rows for each data row: a rate of 1/4.
const EXPANSION: usize = 3;

/// `k` data rows, `n` parity rows, each of `row_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    k: usize,
    n: usize,
    row_bytes: usize,
}

impl Shape {
    /// Check against the bounds above.
    pub fn new(k: usize, n: usize, row_bytes: usize) -> Result<Self, ErasureError> {
        let rows = k.saturating_add(n);
        let sound = k > 0
            && n > 0
            && rows <= ROWS_MAX
            && (ROW_UNIT_BYTES..=ROW_MAX_BYTES).contains(&row_bytes)
            && row_bytes.is_multiple_of(ROW_UNIT_BYTES);
        if sound {
            Ok(Self { k, n, row_bytes })
        } else {
            Err(ErasureError::Shape { k: k as u64, n: n as u64, row_bytes: row_bytes as u64 })
        }
    }

    /// The one shape in which a blob of `length` bytes is dispersed.
    pub fn for_length(length: u64) -> Result<Self, ErasureError> {
        let bytes = usize::try_from(length).ok().filter(|bytes| (1..=BLOB_MAX_BYTES).contains(bytes));
        let bytes = bytes.ok_or(ErasureError::Length(length))?;
        let k = if bytes < MIDDLE_MIN_BYTES {
            bytes.div_ceil(SMALL_ROW_BYTES).next_power_of_two().max(SMALL_K_MIN)
        } else if bytes <= MIDDLE_MAX_BYTES {
            MIDDLE_K
        } else {
            LARGE_K
        };
        Self::new(k, EXPANSION * k, bytes.div_ceil(k).next_multiple_of(ROW_UNIT_BYTES))
    }

    /// Data rows.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Parity rows.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Data and parity rows.
    pub fn rows(&self) -> usize {
        self.k + self.n
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Symbols of GF(2¹⁶) in a row.
    pub fn symbols(&self) -> usize {
        self.row_bytes / 2
    }

    /// Bytes that the data rows hold.
    pub fn capacity(&self) -> usize {
        self.k * self.row_bytes
    }

    /// Whether a blob of `length` bytes is neither empty nor too long for the data rows.
    pub fn holds(&self, length: u64) -> Result<(), ErasureError> {
        let capacity = self.capacity() as u64;
        match length {
            0 => Err(ErasureError::Length(0)),
            _ if length > capacity => Err(ErasureError::Capacity { length, capacity }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(length: u64) -> (usize, usize, usize) {
        let shape = Shape::for_length(length).unwrap();
        (shape.k(), shape.n(), shape.row_bytes())
    }

    #[test]
    fn a_blob_costs_in_proportion_to_its_length() {
        assert_eq!(parts(1), (16, 48, 64));
        assert_eq!(parts(1024), (16, 48, 64));
        assert_eq!(parts(4096), (16, 48, 256));
        assert_eq!(parts(4097), (32, 96, 192));
        assert_eq!(parts((64 << 10) - 1), (256, 768, 256));
        assert_eq!(parts(64 << 10), (1024, 3072, 64));
        assert_eq!(parts((64 << 10) + 1), (1024, 3072, 128));
        assert_eq!(parts(32 << 20), (1024, 3072, 32 << 10));
        assert_eq!(parts((32 << 20) + 1), (4096, 12288, 8256));
        assert_eq!(parts(128 << 20), (4096, 12288, 32 << 10));
    }

    #[test]
    fn every_length_fits_its_shape() {
        for length in (1..=300_000).step_by(61).chain([MIDDLE_MAX_BYTES as u64, BLOB_MAX_BYTES as u64]) {
            let shape = Shape::for_length(length).unwrap();
            assert_eq!(shape.holds(length), Ok(()));
            assert!(shape.capacity() as u64 - length < 64 * shape.k() as u64 + 1024, "{length}");
        }
    }

    #[test]
    fn shapes_and_lengths_outside_the_bounds_are_refused() {
        for (k, n, row) in [(0, 4, 64), (4, 0, 64), (4, 4, 0), (4, 4, 96), (4, 4, (32 << 10) + 64), (4097, 12288, 64)] {
            assert!(matches!(Shape::new(k, n, row), Err(ErasureError::Shape { .. })), "{k} {n} {row}");
        }
        assert!(Shape::new(usize::MAX, usize::MAX, 64).is_err());
        assert_eq!(Shape::for_length(0), Err(ErasureError::Length(0)));
        assert_eq!(Shape::for_length((128 << 20) + 1), Err(ErasureError::Length((128 << 20) + 1)));
        assert_eq!(Shape::for_length(u64::MAX), Err(ErasureError::Length(u64::MAX)));
        assert!(Shape::new(4, 4, 64).unwrap().holds(257).is_err());
    }
}
