//! Checksums of eight rows at a time with GFNI and AVX-512.
//!
//! Each byte of a row adds sixteen bytes to its checksum, a linear map: sixteen 8×8 bit matrices for every byte of a row.
//! The same byte of eight rows makes a word; one affine instruction multiplies that word, repeated, by eight matrices.

use std::arch::x86_64::*;
use std::ops::Range;
use std::sync::LazyLock;

use crate::checksum::{CHECKSUM_BYTES, Checksum, Coefficient};
use crate::field::{BITS, Field};
use crate::gfni::{self, load, matrix, store};
use crate::shape::ROW_UNIT_BYTES;

/// Rows summed together.
const ROWS: usize = 8;

/// The matrices of a byte: for each byte of the checksum one.
type ByteMatrices = [[u64; 8]; CHECKSUM_BYTES / 8];

/// The matrices of all bytes of a row; exists only where the processor has the instructions.
pub(crate) struct AffineKernel {
    /// For each unit, in the order in which [`gather`] has its bytes.
    units: Vec<[ByteMatrices; ROW_UNIT_BYTES]>,
}

impl AffineKernel {
    /// From each symbol's coefficient.
    pub(crate) fn new(coefficients: &[Coefficient]) -> Option<Self> {
        let units = || coefficients.as_chunks().0.iter().map(unit_matrices).collect();
        gfni::detected().then(|| Self { units: units() })
    }

    /// The part of the rows' checksums that the given units add.
    pub(crate) fn sums(&self, rows: &[&[u8]], units: Range<usize>) -> Vec<Checksum> {
        assert!(rows.iter().all(|row| row.len() == self.units.len() * ROW_UNIT_BYTES));
        let mut sums = vec![[[0; 64]; 2]; rows.len().div_ceil(ROWS)];
        for unit in units {
            for (sums, rows) in sums.iter_mut().zip(rows.chunks(ROWS)) {
                // SAFETY: `self` exists only where the processor has the features.
                unsafe { add(sums, rows, unit, &self.units[unit]) }
            }
        }
        let byte = |row: usize, byte: usize| sums[row / ROWS][byte / 8][byte % 8 * ROWS + row % ROWS];
        (0..rows.len()).map(|row| Checksum::from_le_bytes(std::array::from_fn(|place| byte(row, place)))).collect()
    }
}

/// The matrices of a unit's bytes from the coefficients of its symbols.
fn unit_matrices(coefficients: &[Coefficient; ROW_UNIT_BYTES / 2]) -> [ByteMatrices; ROW_UNIT_BYTES] {
    let mut unit = [[[0; 8]; CHECKSUM_BYTES / 8]; ROW_UNIT_BYTES];
    for (place, matrices) in unit.iter_mut().enumerate() {
        let column = column_of(place);
        let (symbol, half) = (column % 32, column / 32);
        for (pair, value) in matrices.as_flattened_mut().as_chunks_mut().0.iter_mut().zip(coefficients[symbol]) {
            let [low, high] = value.to_le_bytes().map(usize::from);
            let [of_low, of_high] = [&FACTORS[half][0][low], &FACTORS[half][1][high]];
            *pair = [of_low[0] ^ of_high[0], of_low[1] ^ of_high[1]];
        }
    }
    unit
}

/// What a factor makes of a symbol's byte: the matrices of the low and of the high byte of the product.
type FactorMatrices = [u64; 2];

/// Which matrices belong to a factor: those of its low byte, in the first table, plus those of its high byte, in the
/// second. For the low byte of a symbol, then for the high one.
static FACTORS: LazyLock<[[Vec<FactorMatrices>; 2]; 2]> = LazyLock::new(|| {
    let field = Field::new();
    std::array::from_fn(|half| std::array::from_fn(|byte| table(&field, half, byte)))
});

/// The matrices of the factors that have only this byte, as multiplication is linear in the factor as well.
fn table(field: &Field, half: usize, byte: usize) -> Vec<FactorMatrices> {
    let mut table = vec![[0; 2]; 256];
    for factor in 1..256usize {
        let lowest = factor.trailing_zeros() as usize;
        let images: [[u8; 2]; BITS] = field.products(1 << (8 * byte + lowest)).map(u16::to_le_bytes);
        let of_byte = |product: usize| matrix(std::array::from_fn(|bit| images[8 * half + bit][product]));
        let rest = table[factor & (factor - 1)];
        table[factor] = [rest[0] ^ of_byte(0), rest[1] ^ of_byte(1)];
    }
    table
}

/// Which byte of a unit [`gather`] has at a place.
fn column_of(place: usize) -> usize {
    place / 2 % 4 * 16 + place / 8 * 2 + place % 2
}

/// Add a unit of up to eight rows to their checksums: byte b of row r is at `sums[b / 8][b % 8 * 8 + r]`.
#[target_feature(enable = "gfni,avx512f,avx512bw")]
fn add(sums: &mut [[u8; 64]; 2], rows: &[&[u8]], unit: usize, matrices: &[ByteMatrices; ROW_UNIT_BYTES]) {
    let words = gather(rows, unit);
    let [mut low, mut high] = [load(&sums[0]), load(&sums[1])];
    for (words, matrices) in words.chunks_exact(2).zip(matrices.chunks_exact(2)) {
        let [first, second] = [words[0], words[1]].map(|word| _mm512_set1_epi64(word.cast_signed()));
        let product = |word, matrices: &[u64; 8]| _mm512_gf2p8affine_epi64_epi8::<0>(word, load_matrices(matrices));
        low = _mm512_ternarylogic_epi64::<0x96>(low, product(first, &matrices[0][0]), product(second, &matrices[1][0]));
        high =
            _mm512_ternarylogic_epi64::<0x96>(high, product(first, &matrices[0][1]), product(second, &matrices[1][1]));
    }
    store(&mut sums[0], low);
    store(&mut sums[1], high);
}

/// The bytes of a unit of up to eight rows, transposed: a word has the same byte of each row, see [`column_of`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn gather(rows: &[&[u8]], unit: usize) -> [u64; ROW_UNIT_BYTES] {
    let mut r = [_mm512_setzero_si512(); ROWS];
    for (register, row) in r.iter_mut().zip(rows) {
        *register = load(&row.as_chunks().0[unit]);
    }
    let bytes = |a, b| [_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b)];
    let pairs = |a, b| [_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b)];
    let quads = |a, b| [_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b)];
    let [a, b, c, d] = [bytes(r[0], r[1]), bytes(r[2], r[3]), bytes(r[4], r[5]), bytes(r[6], r[7])];
    let mut words = [0; ROW_UNIT_BYTES];
    let mut targets = words.as_chunks_mut::<8>().0.iter_mut();
    for half in 0..2 {
        let (upper, lower) = (pairs(a[half], b[half]), pairs(c[half], d[half]));
        for (upper, lower) in upper.into_iter().zip(lower) {
            for (register, target) in quads(upper, lower).into_iter().zip(&mut targets) {
                // SAFETY: a target is the 64 bytes that are written; the store needs no alignment.
                unsafe { _mm512_storeu_si512(target.as_mut_ptr().cast(), register) }
            }
        }
    }
    words
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_matrices(matrices: &[u64; 8]) -> __m512i {
    // SAFETY: eight words are the 64 bytes that are read; the load needs no alignment.
    unsafe { _mm512_loadu_si512(matrices.as_ptr().cast()) }
}
