//! ZODA's checksums in the Hadamard form: Σ_j X_ij·h_j over the symbols j of row i, in GF(2¹⁶)⁸.
//!
//! The coefficients h_j follow from the root over all rows, so they are not known before every row is fixed. The sum of a
//! parity row is then the parity of the data rows' sums, and a row that is not of the code misses its sum but for a
//! chance of 2⁻¹²⁸.

use std::array;
use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use crate::affine::AffineKernel;
use crate::code;
use crate::error::ErasureError;
use crate::field::{BITS, Field};
use crate::hash::{self, Digest};
use crate::merkle::{self, LEAF};
use crate::parallel;
use crate::shape::{ROW_UNIT_BYTES, Shape};

/// Eight symbols, the first in the lowest bits.
pub(crate) type Checksum = u128;
/// Bytes of a checksum: its symbols in order, each little-endian.
pub const CHECKSUM_BYTES: usize = 16;

/// Symbols of a checksum.
pub(crate) const LANES: usize = 8;
/// Symbols in a unit of a row.
const UNIT_SYMBOLS: usize = ROW_UNIT_BYTES / 2;
/// From so many rows on, tables of whole bytes are worth their making.
const BYTE_TABLE_ROWS_MIN: usize = 64;
/// Symbols whose tables are in use at a time.
const TILE: usize = 4;

/// What a symbol of a row is multiplied by, for each symbol of the checksum.
pub(crate) type Coefficient = [u16; LANES];
/// The products of a coefficient with each basis element: all that there is to know about it.
type Products = [Checksum; BITS];

/// The coefficients of a commitment, ready to be used.
pub(crate) enum Coefficients {
    Tables(Vec<Products>),
    #[cfg(target_arch = "x86_64")]
    Affine(AffineKernel),
}

impl Coefficients {
    /// Derive them from the rows' root.
    pub(crate) fn new(shape: &Shape, row_root: &Digest, threads: usize) -> Self {
        let coefficients = coefficients(shape, row_root, threads);
        #[cfg(target_arch = "x86_64")]
        if let Some(kernel) = AffineKernel::new(&coefficients) {
            return Self::Affine(kernel);
        }
        Self::Tables(products(&coefficients))
    }

    /// The checksums of rows of the coefficients' length, on at most `threads` threads.
    pub(crate) fn sums(&self, rows: &[&[u8]], threads: usize) -> Vec<Checksum> {
        let Some(row) = rows.first() else { return Vec::new() };
        let spans = parallel::spans(row.len() / ROW_UNIT_BYTES, threads);
        let parts = parallel::each(spans, |units| match self {
            Self::Tables(products) if rows.len() < BYTE_TABLE_ROWS_MIN => by_table::<4, 16>(products, rows, units),
            Self::Tables(products) => by_table::<2, 256>(products, rows, units),
            #[cfg(target_arch = "x86_64")]
            Self::Affine(kernel) => kernel.sums(rows, units),
        });
        let add = |mut sums: Vec<Checksum>, part: Vec<Checksum>| {
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum ^= part);
            sums
        };
        parts.into_iter().reduce(add).unwrap_or_default()
    }
}

/// The coefficient of every symbol of a row.
fn coefficients(shape: &Shape, row_root: &Digest, threads: usize) -> Vec<Coefficient> {
    let [k, n, row] = [shape.k(), shape.n(), shape.row_bytes()].map(|part| (part as u32).to_le_bytes());
    let seed = hash::of(&[row_root, &k, &n, &row]);
    let parts = parallel::each(parallel::spans(shape.symbols(), threads), |symbols| {
        symbols.map(|symbol| coefficient(&seed, symbol as u32)).collect::<Vec<_>>()
    });
    parts.concat()
}

fn coefficient(seed: &Digest, symbol: u32) -> Coefficient {
    let digest = hash::of(&[seed, &symbol.to_le_bytes()]);
    let word = |lane: usize| u16::from_le_bytes([digest[2 * lane], digest[2 * lane + 1]]);
    array::from_fn(|lane| word(lane) ^ word(lane + LANES))
}

/// The basis products of every coefficient.
fn products(coefficients: &[Coefficient]) -> Vec<Products> {
    let field = Field::new();
    coefficients.iter().map(|coefficient| products_of(&field, *coefficient)).collect()
}

fn products_of(field: &Field, coefficient: Coefficient) -> Products {
    let mut products = [0; BITS];
    for (lane, value) in coefficient.into_iter().enumerate() {
        for (sum, product) in products.iter_mut().zip(field.products(value)) {
            *sum |= Checksum::from(product) << (BITS * lane);
        }
    }
    products
}

/// The part of the rows' checksums that the given units add, with `T` tables of `V` entries a symbol.
fn by_table<const T: usize, const V: usize>(
    products: &[Products],
    rows: &[&[u8]],
    units: Range<usize>,
) -> Vec<Checksum> {
    let mut sums = vec![0; rows.len()];
    let mut tables = [[[0; V]; T]; TILE];
    for tile in units.start * UNIT_SYMBOLS / TILE..units.end * UNIT_SYMBOLS / TILE {
        let first = tile * TILE;
        for (tables, products) in tables.iter_mut().zip(&products[first..first + TILE]) {
            fill(tables, products);
        }
        let low = first / UNIT_SYMBOLS * ROW_UNIT_BYTES + first % UNIT_SYMBOLS;
        for (sum, row) in sums.iter_mut().zip(rows) {
            let (lows, highs) = (&row[low..low + TILE], &row[low + UNIT_SYMBOLS..low + UNIT_SYMBOLS + TILE]);
            for ((tables, low), high) in tables.iter().zip(lows).zip(highs) {
                let symbol = usize::from(*low) | usize::from(*high) << 8;
                for (digit, table) in tables.iter().enumerate() {
                    *sum ^= table[symbol >> (digit * BITS / T) & (V - 1)];
                }
            }
        }
    }
    sums
}

/// The products with every value of each digit of a symbol.
fn fill<const T: usize, const V: usize>(tables: &mut [[Checksum; V]; T], products: &Products) {
    for (digit, table) in tables.iter_mut().enumerate() {
        for value in 1..V {
            let lowest = value.trailing_zeros() as usize;
            table[value] = table[value & (value - 1)] ^ products[digit * BITS / T + lowest];
        }
    }
}

/// The checksums of all rows from those of the data rows.
pub(crate) fn extend(shape: &Shape, sums: &[Checksum], threads: usize) -> Vec<Checksum> {
    let narrow = Shape::new(shape.k(), shape.n(), ROW_UNIT_BYTES).expect("as many rows, none longer");
    let mut data = vec![0; narrow.capacity()];
    for (row, sum) in data.chunks_exact_mut(ROW_UNIT_BYTES).zip(sums) {
        for (lane, symbol) in sum.to_le_bytes().chunks_exact(2).enumerate() {
            (row[lane], row[UNIT_SYMBOLS + lane]) = (symbol[0], symbol[1]);
        }
    }
    let mut parity = vec![0; narrow.n() * ROW_UNIT_BYTES];
    code::extend(&narrow, &data, &mut parity, threads);
    let gather = |row: &[u8]| Checksum::from_le_bytes(array::from_fn(|byte| row[byte / 2 + byte % 2 * UNIT_SYMBOLS]));
    sums.iter().copied().chain(parity.chunks_exact(ROW_UNIT_BYTES).map(gather)).collect()
}

/// The root over the data rows' checksums.
pub(crate) fn root(sums: &[Checksum]) -> Digest {
    let mut leaves = vec![[0; 32]; sums.len()];
    hash::many(LEAF, &to_bytes(sums), CHECKSUM_BYTES, &mut leaves);
    merkle::root(leaves)
}

pub(crate) fn to_bytes(sums: &[Checksum]) -> Vec<u8> {
    sums.iter().flat_map(|sum| sum.to_le_bytes()).collect()
}

/// The checksums of `k` data rows as a peer sends them.
pub(crate) fn from_bytes(k: usize, bytes: &[u8]) -> Result<Vec<Checksum>, ErasureError> {
    match bytes.as_chunks::<CHECKSUM_BYTES>() {
        (sums, []) if sums.len() == k => Ok(sums.iter().map(|sum| Checksum::from_le_bytes(*sum)).collect()),
        _ => Err(ErasureError::ChecksumSize(bytes.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::random::Random;

    fn slowly(products: &[Products], row: &[u8]) -> Checksum {
        let symbol = |j: usize| {
            let low = j / UNIT_SYMBOLS * ROW_UNIT_BYTES + j % UNIT_SYMBOLS;
            u16::from_le_bytes([row[low], row[low + UNIT_SYMBOLS]])
        };
        let bits = |j: usize| (0..BITS).filter(move |bit| symbol(j) >> bit & 1 == 1);
        (0..row.len() / 2)
            .flat_map(|j| bits(j).map(move |bit| (j, bit)))
            .fold(0, |sum, (j, bit)| sum ^ products[j][bit])
    }

    #[test]
    fn every_way_to_sum_agrees_with_the_slow_one() {
        let mut random = Random::new(4);
        for count in [1, 2, 7, 8, 9, 63, 64, 65] {
            let shape = Shape::new(count, 1, 64 * (1 + random.below(4))).unwrap();
            let products = products(&coefficients(&shape, &[count as u8; 32], 2));
            let bytes = random.bytes(shape.capacity());
            let rows: Vec<&[u8]> = bytes.chunks(shape.row_bytes()).collect();
            let expected: Vec<Checksum> = rows.iter().map(|row| slowly(&products, row)).collect();
            assert_eq!(Coefficients::new(&shape, &[count as u8; 32], 2).sums(&rows, 1), expected);
            assert_eq!(Coefficients::Tables(products.clone()).sums(&rows, 3), expected);
            let units = 0..shape.row_bytes() / ROW_UNIT_BYTES;
            assert_eq!(by_table::<2, 256>(&products, &rows, units.clone()), expected);
            assert_eq!(by_table::<4, 16>(&products, &rows, units), expected);
        }
    }

    #[test]
    fn the_checksums_of_parity_rows_are_the_parity_of_checksums() {
        let mut random = Random::new(5);
        for _ in 0..20 {
            let shape = Shape::new(1 + random.below(30), 1 + random.below(60), 64 * (1 + random.below(5))).unwrap();
            let data = random.bytes(shape.capacity());
            let mut parity = vec![0; shape.n() * shape.row_bytes()];
            code::extend(&shape, &data, &mut parity, 1);
            let rows: Vec<&[u8]> = data.chunks(shape.row_bytes()).chain(parity.chunks(shape.row_bytes())).collect();
            let sums = Coefficients::new(&shape, &[9; 32], 1).sums(&rows, 1);
            assert_eq!(extend(&shape, &sums[..shape.k()], 1), sums);
        }
    }

    #[test]
    fn checksums_of_another_length_are_refused() {
        assert_eq!(from_bytes(2, &[0; 31]), Err(ErasureError::ChecksumSize(31)));
        assert_eq!(from_bytes(2, &[0; 48]), Err(ErasureError::ChecksumSize(48)));
        assert_eq!(from_bytes(2, &to_bytes(&[5, 7 << 100])), Ok(vec![5, 7 << 100]));
    }
}
