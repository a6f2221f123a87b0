//! Leopard's additive FFT with GFNI and AVX-512.
//!
//! A unit of 64 bytes is 32 symbols, the low bytes first. Multiplying by a constant is an 8×8 bit matrix for each pair of
//! (byte in, byte out): one affine instruction for the bytes that stay in their half, one for those that cross over.
//! Two layers of butterflies are done between a load and a store.

use std::arch::x86_64::*;
use std::sync::LazyLock;

use reed_solomon_simd::engine::tables::{self, Skew};
use reed_solomon_simd::engine::{Engine, GF_MODULUS, GF_ORDER, ShardsRefMut};

use crate::field::Field;

type Unit = [u8; 64];

/// The matrices of one constant: low→low, high→high, high→low, low→high.
type Matrices = [u64; 4];

/// The matrices of each constant, by its logarithm.
static MATRICES: LazyLock<Box<[Matrices]>> = LazyLock::new(|| {
    let field = Field::new();
    let of_log = |log: usize| {
        let products = field.products_of_log(log as u16);
        let half = |from: usize, shift: u32| matrix(std::array::from_fn(|bit| (products[from + bit] >> shift) as u8));
        [half(0, 0), half(8, 8), half(8, 0), half(0, 8)]
    };
    (0..GF_ORDER).map(of_log).collect()
});

/// A linear map of bytes as the affine instruction takes it, from the images of the eight bits, lowest first.
pub(crate) fn matrix(images: [u8; 8]) -> u64 {
    // Transposed by swapping ever larger blocks off the diagonal: byte i then holds output bit i, and bit j of it the
    // weight of input bit j. The instruction wants output bit 0 in the highest byte.
    let mut x = u64::from_le_bytes(images);
    for (shift, mask) in [(7, 0x00aa_00aa_00aa_00aa_u64), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)] {
        let swapped = (x ^ (x >> shift)) & mask;
        x ^= swapped ^ (swapped << shift);
    }
    x.swap_bytes()
}

/// Whether the processor has what this module and [`crate::affine`] use.
pub(crate) fn detected() -> bool {
    is_x86_feature_detected!("gfni") && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
}

/// An engine that exists only where the processor has the instructions.
pub(crate) struct GfniEngine {
    matrices: &'static [Matrices],
    skew: &'static Skew,
}

impl GfniEngine {
    pub(crate) fn detect() -> Option<Self> {
        detected().then(|| Self { matrices: &MATRICES, skew: tables::get_skew() })
    }

    /// A butterfly's constant. The last logarithm stands for zero there.
    #[inline]
    #[target_feature(enable = "gfni,avx512f,avx512bw")]
    fn twiddle(&self, place: usize) -> Factor {
        match self.skew[place] {
            GF_MODULUS => Factor::new(&[0; 4]),
            log => Factor::new(&self.matrices[usize::from(log)]),
        }
    }

    #[target_feature(enable = "gfni,avx512f,avx512bw")]
    fn forward(&self, data: &mut ShardsRefMut, pos: usize, size: usize, used: usize, delta: usize) {
        let mut block = size;
        while block >= 4 {
            let step = block / 4;
            for start in (0..used).step_by(block) {
                let base = start + step + delta - 1;
                let upper = self.twiddle(base + step);
                let lower = [self.twiddle(base), self.twiddle(base + 2 * step)];
                for place in start..start + step {
                    let (a, b, c, d) = data.dist4_mut(pos + place, step);
                    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
                        let (mut w, mut x, mut y, mut z) = (load(a), load(b), load(c), load(d));
                        upper.forward(&mut w, &mut y);
                        upper.forward(&mut x, &mut z);
                        lower[0].forward(&mut w, &mut x);
                        lower[1].forward(&mut y, &mut z);
                        [(a, w), (b, x), (c, y), (d, z)].into_iter().for_each(|(unit, value)| store(unit, value));
                    }
                }
            }
            block = step;
        }
        if block == 2 {
            for start in (0..used).step_by(2) {
                let twiddle = self.twiddle(start + delta);
                let (a, b) = data.dist2_mut(pos + start, 1);
                for (a, b) in a.iter_mut().zip(b) {
                    let (mut x, mut y) = (load(a), load(b));
                    twiddle.forward(&mut x, &mut y);
                    store(a, x);
                    store(b, y);
                }
            }
        }
    }

    #[target_feature(enable = "gfni,avx512f,avx512bw")]
    fn inverse(&self, data: &mut ShardsRefMut, pos: usize, size: usize, used: usize, delta: usize) {
        let mut step = 1;
        while 4 * step <= size {
            for start in (0..used).step_by(4 * step) {
                let base = start + step + delta - 1;
                let lower = [self.twiddle(base), self.twiddle(base + 2 * step)];
                let upper = self.twiddle(base + step);
                for place in start..start + step {
                    let (a, b, c, d) = data.dist4_mut(pos + place, step);
                    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
                        let (mut w, mut x, mut y, mut z) = (load(a), load(b), load(c), load(d));
                        lower[0].inverse(&mut w, &mut x);
                        lower[1].inverse(&mut y, &mut z);
                        upper.inverse(&mut w, &mut y);
                        upper.inverse(&mut x, &mut z);
                        [(a, w), (b, x), (c, y), (d, z)].into_iter().for_each(|(unit, value)| store(unit, value));
                    }
                }
            }
            step *= 4;
        }
        if step < size {
            let twiddle = self.twiddle(step + delta - 1);
            for place in pos..pos + step {
                let (a, b) = data.dist2_mut(place, step);
                for (a, b) in a.iter_mut().zip(b) {
                    let (mut x, mut y) = (load(a), load(b));
                    twiddle.inverse(&mut x, &mut y);
                    store(a, x);
                    store(b, y);
                }
            }
        }
    }

    #[target_feature(enable = "gfni,avx512f,avx512bw")]
    fn scale(&self, units: &mut [Unit], log: u16) {
        let factor = Factor::new(&self.matrices[usize::from(log)]);
        for unit in units {
            store(unit, factor.times_plus(load(unit), _mm512_setzero_si512()));
        }
    }
}

impl Engine for GfniEngine {
    fn fft(&self, data: &mut ShardsRefMut, pos: usize, size: usize, truncated_size: usize, skew_delta: usize) {
        // SAFETY: `self` exists only where the processor has the features.
        unsafe { self.forward(data, pos, size, truncated_size, skew_delta) }
    }

    fn ifft(&self, data: &mut ShardsRefMut, pos: usize, size: usize, truncated_size: usize, skew_delta: usize) {
        // SAFETY: as above.
        unsafe { self.inverse(data, pos, size, truncated_size, skew_delta) }
    }

    fn mul(&self, x: &mut [Unit], log_m: u16) {
        // SAFETY: as above.
        unsafe { self.scale(x, log_m) }
    }
}

/// A constant of the field: what stays in its half, and what crosses over.
#[derive(Clone, Copy)]
struct Factor {
    stay: __m512i,
    cross: __m512i,
}

impl Factor {
    #[inline]
    #[target_feature(enable = "gfni,avx512f,avx512bw")]
    fn new(matrices: &Matrices) -> Self {
        let [low, high, down, up] = matrices.map(|matrix| _mm256_set1_epi64x(matrix.cast_signed()));
        let halves = |low, high| _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
        Self { stay: halves(low, high), cross: halves(down, up) }
    }

    /// `value` times this constant, plus `sum`.
    #[inline]
    #[target_feature(enable = "gfni,avx512f,avx512bw")]
    fn times_plus(&self, value: __m512i, sum: __m512i) -> __m512i {
        let swapped = _mm512_shuffle_i64x2::<0b0100_1110>(value, value);
        let stay = _mm512_gf2p8affine_epi64_epi8::<0>(value, self.stay);
        let cross = _mm512_gf2p8affine_epi64_epi8::<0>(swapped, self.cross);
        _mm512_ternarylogic_epi64::<0x96>(stay, cross, sum)
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512f,avx512bw")]
    fn forward(&self, x: &mut __m512i, y: &mut __m512i) {
        *x = self.times_plus(*y, *x);
        *y = _mm512_xor_si512(*y, *x);
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512f,avx512bw")]
    fn inverse(&self, x: &mut __m512i, y: &mut __m512i) {
        *y = _mm512_xor_si512(*y, *x);
        *x = self.times_plus(*y, *x);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load(unit: &Unit) -> __m512i {
    // SAFETY: a unit is the 64 bytes that are read; the load needs no alignment.
    unsafe { _mm512_loadu_si512(unit.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store(unit: &mut Unit, value: __m512i) {
    // SAFETY: a unit is the 64 bytes that are written; the store needs no alignment.
    unsafe { _mm512_storeu_si512(unit.as_mut_ptr().cast(), value) }
}

#[cfg(test)]
mod tests {
    use reed_solomon_simd::engine::NoSimd;
    use reed_solomon_simd::rate::{HighRateDecoder, HighRateEncoder, RateDecoder, RateEncoder};

    use super::*;
    use crate::tests::random::Random;

    fn encode(engine: impl Engine, k: usize, n: usize, rows: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut encoder = HighRateEncoder::new(k, n, rows[0].len(), engine, None).unwrap();
        rows.iter().for_each(|row| encoder.add_original_shard(row).unwrap());
        encoder.encode().unwrap().recovery_iter().map(<[u8]>::to_vec).collect()
    }

    fn decode(engine: impl Engine, k: usize, n: usize, parity: &[Vec<u8>]) -> Vec<(usize, Vec<u8>)> {
        let mut decoder = HighRateDecoder::new(k, n, parity[0].len(), engine, None).unwrap();
        (0..k).for_each(|index| decoder.add_recovery_shard(n - 1 - index, &parity[n - 1 - index]).unwrap());
        decoder.decode().unwrap().restored_original_iter().map(|(index, row)| (index, row.to_vec())).collect()
    }

    #[test]
    fn the_engine_computes_what_the_portable_one_does() {
        let Some(_) = GfniEngine::detect() else { return };
        let mut random = Random::new(3);
        for (k, n) in [(1, 1), (2, 3), (3, 2), (5, 8), (16, 48), (33, 70), (100, 257), (300, 40)] {
            let rows: Vec<Vec<u8>> = (0..k).map(|_| random.bytes(192)).collect();
            let parity = encode(NoSimd::new(), k, n, &rows);
            assert!(encode(GfniEngine::detect().unwrap(), k, n, &rows) == parity, "{k} {n}");
            if n >= k {
                let expected = decode(NoSimd::new(), k, n, &parity);
                assert!(decode(GfniEngine::detect().unwrap(), k, n, &parity) == expected, "{k} {n}");
            }
        }
    }

    #[test]
    fn a_matrix_maps_each_bit_to_its_image() {
        let images = [0x01, 0x80, 0xff, 0x5a, 0x00, 0x3c, 0x11, 0xe7];
        let rows = matrix(images).to_be_bytes();
        for (input, image) in images.into_iter().enumerate() {
            let output = (0..8).fold(0, |byte, bit| byte | (rows[bit] >> input & 1) << bit);
            assert_eq!(output, image);
        }
    }
}
