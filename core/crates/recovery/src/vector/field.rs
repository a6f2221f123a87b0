//! Arithmetic modulo p = 2^256 − 2^32 − 977, eight values at a time, one a 64-bit lane.
//!
//! A value is five limbs in radix 2^52, because the multiplier (AVX-512 IFMA) reads the low 52 bits of a lane and adds the
//! low or the high 52 bits of a product. Two types keep count of what fits:
//!
//! ```text
//!   Field   limbs 0 to 3 below 2^52, limb 4 below 2^48 + 2^16: below 1.001 p, and fit to be multiplied
//!   Loose   limbs below 2^63, not yet carried: what sums and products are before `tidy` makes them a Field
//! ```
//! A product's limbs are below 2^57, a difference's below 2^53 + those of its first term, so that a `Loose` may gather
//! 2^5 products before it is tidied; the formulas here gather at most 11. Nothing is ever negative: −x is 2p − x by limb.

use crate::LANES;
use core::arch::x86_64::*;
use core::array::from_fn;

const LIMBS: usize = 5;
const LIMB: u64 = (1 << 52) - 1;
/// Bits of the highest limb below 2^256.
const TOP: u64 = (1 << 48) - 1;
/// 2^256 mod p.
const FOLD: u64 = 0x1_0000_03d1;
/// 2^260 mod p: what one step past limb 4 weighs.
const FOLD_LIMB: u64 = FOLD << 4;
const P: [u64; LIMBS] = [LIMB + 1 - FOLD, LIMB, LIMB, LIMB, TOP];

/// The limbs of a number of 32 big-endian bytes.
pub(super) fn limbs(bytes: &[u8; 32]) -> [u64; LIMBS] {
    let word = |index: usize| u64::from_be_bytes(from_fn(|byte| bytes[24 - 8 * index + byte]));
    let [w0, w1, w2, w3] = from_fn(word);
    [w0 & LIMB, (w0 >> 52 | w1 << 12) & LIMB, (w1 >> 40 | w2 << 24) & LIMB, (w2 >> 28 | w3 << 36) & LIMB, w3 >> 16]
}

/// The reverse of [`limbs`], for limbs of a number below 2^256.
fn bytes(limbs: [u64; LIMBS]) -> [u8; 32] {
    let [l0, l1, l2, l3, l4] = limbs;
    let words = [l3 >> 36 | l4 << 16, l2 >> 24 | l3 << 28, l1 >> 12 | l2 << 40, l0 | l1 << 52];
    from_fn(|index| words[index / 8].to_be_bytes()[index % 8])
}

/// One number a lane.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn vector(lanes: [u64; LANES]) -> __m512i {
    let [a, b, c, d, e, f, g, h] = lanes.map(u64::cast_signed);
    _mm512_setr_epi64(a, b, c, d, e, f, g, h)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(number: u64) -> __m512i {
    _mm512_set1_epi64(number.cast_signed())
}

/// Eight elements of the field, below 1.001 p each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field([__m512i; LIMBS]);

/// A sum of elements and products whose carries still wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loose([__m512i; LIMBS]);

/// The ten columns of a product in radix 2^52.
type Columns = [__m512i; 2 * LIMBS];

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn accumulate(columns: &mut Columns, a: &Field, b: &Field) {
    for i in 0..LIMBS {
        for j in 0..LIMBS {
            columns[i + j] = _mm512_madd52lo_epu64(columns[i + j], a.0[i], b.0[j]);
            columns[i + j + 1] = _mm512_madd52hi_epu64(columns[i + j + 1], a.0[i], b.0[j]);
        }
    }
}

/// The high half of a product (below 2^514), folded into the low one.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn reduce(mut columns: Columns) -> Loose {
    let fold = splat(FOLD_LIMB);
    // The multiplier ignores bits from 52 on, which is what remains of a column when its carry has moved on.
    for i in LIMBS..2 * LIMBS - 1 {
        columns[i + 1] = _mm512_add_epi64(columns[i + 1], _mm512_srli_epi64::<52>(columns[i]));
    }
    for i in 0..LIMBS {
        columns[i] = _mm512_madd52lo_epu64(columns[i], columns[LIMBS + i], fold);
    }
    for i in 0..LIMBS - 1 {
        columns[i + 1] = _mm512_madd52hi_epu64(columns[i + 1], columns[LIMBS + i], fold);
    }
    let rest = _mm512_madd52hi_epu64(_mm512_setzero_si512(), columns[2 * LIMBS - 1], fold);
    columns[0] = _mm512_madd52lo_epu64(columns[0], rest, fold);
    columns[1] = _mm512_madd52hi_epu64(columns[1], rest, fold);
    Loose(from_fn(|i| columns[i]))
}

impl Loose {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn plus(self, other: Self) -> Self {
        Self(from_fn(|i| _mm512_add_epi64(self.0[i], other.0[i])))
    }

    /// Times 2^`BITS`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn shift<const BITS: u32>(self) -> Self {
        Self(from_fn(|i| _mm512_slli_epi64::<BITS>(self.0[i])))
    }

    /// The same elements with every carry done.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn tidy(self) -> Field {
        let [l0, l1, l2, l3, l4] = self.0;
        let limb = splat(LIMB);
        let l0 = _mm512_madd52lo_epu64(l0, _mm512_srli_epi64::<48>(l4), splat(FOLD));
        let l1 = _mm512_add_epi64(l1, _mm512_srli_epi64::<52>(l0));
        let l2 = _mm512_add_epi64(l2, _mm512_srli_epi64::<52>(l1));
        let l3 = _mm512_add_epi64(l3, _mm512_srli_epi64::<52>(l2));
        let l4 = _mm512_add_epi64(_mm512_and_si512(l4, splat(TOP)), _mm512_srli_epi64::<52>(l3));
        let [l0, l1, l2, l3] = [l0, l1, l2, l3].map(|l| _mm512_and_si512(l, limb));
        Field([l0, l1, l2, l3, l4])
    }
}

impl Field {
    /// Eight elements by their [`limbs`], as `[LIMBS, LANES]`; each number below 2^256.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn load(limbs: [[u64; LANES]; LIMBS]) -> Self {
        Self(limbs.map(|limb| vector(limb)))
    }

    /// Eight elements by their [`limbs`], one a lane.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn gather(lanes: [&[u64; LIMBS]; LANES]) -> Self {
        let mut limbs = [[0; LANES]; LIMBS];
        for (lane, number) in lanes.into_iter().enumerate() {
            for (limb, part) in number.iter().enumerate() {
                limbs[limb][lane] = *part;
            }
        }
        Self::load(limbs)
    }

    /// The same small number in every lane.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn small(number: u32) -> Self {
        let zero = _mm512_setzero_si512();
        Self([splat(number.into()), zero, zero, zero, zero])
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn loose(&self) -> Loose {
        Loose(self.0)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn negated(&self) -> Loose {
        Loose(from_fn(|i| _mm512_sub_epi64(splat(2 * P[i]), self.0[i])))
    }

    /// `other` where `mask` has a bit, else this.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn or(&self, mask: __mmask8, other: &Self) -> Self {
        Self(from_fn(|i| _mm512_mask_mov_epi64(self.0[i], mask, other.0[i])))
    }

    /// The product before its carries.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn product(&self, other: &Self) -> Loose {
        let mut columns = [_mm512_setzero_si512(); 2 * LIMBS];
        accumulate(&mut columns, self, other);
        reduce(columns)
    }

    /// `a·b + c·d` before its carries, with one reduction.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn two_products(a: &Self, b: &Self, c: &Self, d: &Self) -> Loose {
        let mut columns = [_mm512_setzero_si512(); 2 * LIMBS];
        accumulate(&mut columns, a, b);
        accumulate(&mut columns, c, d);
        reduce(columns)
    }

    /// The square before its carries.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn squared(&self) -> Loose {
        let a = &self.0;
        let mut columns = [_mm512_setzero_si512(); 2 * LIMBS];
        for i in 0..LIMBS {
            for j in i + 1..LIMBS {
                columns[i + j] = _mm512_madd52lo_epu64(columns[i + j], a[i], a[j]);
                columns[i + j + 1] = _mm512_madd52hi_epu64(columns[i + j + 1], a[i], a[j]);
            }
        }
        for column in &mut columns[1..2 * LIMBS - 1] {
            *column = _mm512_add_epi64(*column, *column);
        }
        for i in 0..LIMBS {
            columns[2 * i] = _mm512_madd52lo_epu64(columns[2 * i], a[i], a[i]);
            columns[2 * i + 1] = _mm512_madd52hi_epu64(columns[2 * i + 1], a[i], a[i]);
        }
        reduce(columns)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn times(&self, other: &Self) -> Self {
        self.product(other).tidy()
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn square(&self) -> Self {
        self.squared().tidy()
    }

    /// Squared `count` times.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn squares(&self, count: usize) -> Self {
        let mut power = *self;
        for _ in 0..count {
            power = power.square();
        }
        power
    }

    /// This to the powers 3, 2^22 − 1 and 2^223 − 1: where the chains of both exponents below begin.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn chain(&self) -> (Self, Self, Self) {
        let x2 = self.square().times(self);
        let x3 = x2.square().times(self);
        let x6 = x3.squares(3).times(&x3);
        let x9 = x6.squares(3).times(&x3);
        let x11 = x9.squares(2).times(&x2);
        let x22 = x11.squares(11).times(&x11);
        let x44 = x22.squares(22).times(&x22);
        let x88 = x44.squares(44).times(&x44);
        let x176 = x88.squares(88).times(&x88);
        let x220 = x176.squares(44).times(&x44);
        (x2, x22, x220.squares(3).times(&x3))
    }

    /// This to the power (p + 1) / 4: a square root of what has one.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn root(&self) -> Self {
        let (x2, x22, x223) = self.chain();
        x223.squares(23).times(&x22).squares(6).times(&x2).squares(2)
    }

    /// This to the power p − 2: the inverse, and 0 of 0.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn inverse(&self) -> Self {
        let (x2, x22, x223) = self.chain();
        x223.squares(23).times(&x22).squares(5).times(self).squares(3).times(&x2).squares(2).times(self)
    }

    /// The same elements, each below p.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn canonical(&self) -> Self {
        let mut sum = self.0;
        sum[0] = _mm512_add_epi64(sum[0], splat(FOLD));
        for i in 0..LIMBS - 1 {
            sum[i + 1] = _mm512_add_epi64(sum[i + 1], _mm512_srli_epi64::<52>(sum[i]));
            sum[i] = _mm512_and_si512(sum[i], splat(LIMB));
        }
        // x + 2^256 − p reaches 2^256 exactly where x reaches p.
        let reached = _mm512_cmpgt_epu64_mask(sum[LIMBS - 1], splat(TOP));
        sum[LIMBS - 1] = _mm512_and_si512(sum[LIMBS - 1], splat(TOP));
        self.or(reached, &Self(sum))
    }

    /// Lanes that hold 0 modulo p.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn zeros(&self) -> __mmask8 {
        let [l0, l1, l2, l3, l4] = self.canonical().0;
        let any = _mm512_or_si512(_mm512_or_si512(_mm512_or_si512(l0, l1), _mm512_or_si512(l2, l3)), l4);
        _mm512_testn_epi64_mask(any, any)
    }

    /// Lanes whose element, below p, is odd.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn odds(&self) -> __mmask8 {
        _mm512_test_epi64_mask(self.canonical().0[0], splat(1))
    }

    /// The elements below p, big-endian.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn to_bytes(self) -> [[u8; 32]; LANES] {
        let mut limbs = [[0; LIMBS]; LANES];
        for (index, limb) in self.canonical().0.into_iter().enumerate() {
            for (lane, number) in numbers(limb).into_iter().enumerate() {
                limbs[lane][index] = number;
            }
        }
        limbs.map(bytes)
    }
}

/// The reverse of [`vector`].
#[inline]
#[target_feature(enable = "avx512f")]
fn numbers(vector: __m512i) -> [u64; LANES] {
    // SAFETY: both are 64 bytes of plain integers, lane 0 first.
    unsafe { core::mem::transmute::<__m512i, [u64; LANES]>(vector) }
}
