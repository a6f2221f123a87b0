//! Points of y² = x³ + 7, eight side by side, in Jacobian coordinates: (X, Y, Z) stands for (X / Z², Y / Z³).
//!
//! The formulas do not read the constant 7, so that they serve every curve y² = x³ + b. No case is looked for: doubling
//! multiplies Z by 2Y and addition by the difference H of the two x, so that the sum of a point with itself, with its
//! opposite, or with no point leaves a Z that is 0 modulo p, and Z stays 0 in all that follows. **A Z that is not 0 at
//! the end proves that every step before it was an ordinary one**; a lane where it is 0 has no answer here.

use super::field::{Field, vector};
use crate::LANES;
use core::arch::x86_64::*;

/// Multiples of a point that are tabulated: windows of 4 bits have digits from −7 to 8.
pub(super) const MULTIPLES: usize = 8;

#[derive(Clone, Copy, Debug)]
pub(super) struct Affine {
    pub(super) x: Field,
    pub(super) y: Field,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Jacobian {
    pub(super) x: Field,
    pub(super) y: Field,
    pub(super) z: Field,
}

impl Affine {
    /// The points with these x whose y has the asked parity, and the lanes where there is one.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn lift(x: Field, odd: __mmask8) -> (Self, __mmask8) {
        let square = x.square().product(&x).plus(Field::small(7).loose()).tidy();
        let root = square.root();
        let on_curve = root.squared().plus(square.negated()).tidy().zeros();
        let point = Self { x, y: root };
        (point.opposite_where(root.odds() ^ odd), on_curve)
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn opposite_where(&self, mask: __mmask8) -> Self {
        Self { x: self.x, y: self.y.or(mask, &self.y.negated().tidy()) }
    }

    /// The same points on the curve y² = x³ + 7c⁶, by c² and c³.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn moved(&self, c2: &Field, c3: &Field) -> Self {
        Self { x: self.x.times(c2), y: self.y.times(c3) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn jacobian(&self) -> Jacobian {
        Jacobian { x: self.x, y: self.y, z: Field::small(1) }
    }
}

impl Jacobian {
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn double(&self) -> Self {
        let xx = self.x.squared();
        let slope = xx.plus(xx.shift::<1>()).tidy();
        let yy = self.y.square();
        let xyy = self.x.times(&yy);
        let x = slope.squared().plus(xyy.negated().shift::<3>()).tidy();
        let rest = xyy.loose().shift::<2>().plus(x.negated()).tidy();
        let y = slope.product(&rest).plus(yy.square().negated().shift::<3>()).tidy();
        Self { x, y, z: self.y.product(&self.z).shift::<1>().tidy() }
    }

    /// The sum, and the H by which Z was multiplied.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn plus(&self, other: &Affine) -> (Self, Field) {
        let zz = self.z.square();
        let h = other.x.product(&zz).plus(self.x.negated()).tidy();
        let slope = other.y.product(&zz.times(&self.z)).plus(self.y.negated()).tidy();
        let hh = h.square();
        let minus_hhh = hh.times(&h).negated().tidy();
        let v = self.x.times(&hh);
        let x = slope.squared().plus(minus_hhh.loose()).plus(v.negated().shift::<1>()).tidy();
        let rest = v.loose().plus(x.negated()).tidy();
        let y = Field::two_products(&slope, &rest, &self.y, &minus_hhh).tidy();
        (Self { x, y, z: self.z.times(&h) }, h)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn add(&self, other: &Affine) -> Self {
        self.plus(other).0
    }

    /// The sum where `mask` has a bit, else this.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn add_where(&self, mask: __mmask8, other: &Affine) -> Self {
        let sum = self.add(other);
        Self { x: self.x.or(mask, &sum.x), y: self.y.or(mask, &sum.y), z: self.z.or(mask, &sum.z) }
    }
}

/// P, 2P … 8P and λP, 2λP … 8λP, all moved to the curve where they need no Z: that of the last Z, [`scale`](Self::scale).
///
/// λ(x, y) = (βx, y) is the endomorphism that halves the length of a multiplier.
#[derive(Debug)]
pub(super) struct Multiples {
    x: [[Field; MULTIPLES]; 2],
    y: [Field; MULTIPLES],
    pub(super) scale: Field,
}

impl Multiples {
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn of(point: &Affine, beta: &Field) -> Self {
        let first = point.jacobian();
        let double = first.double();
        let mut sums = [first; MULTIPLES];
        let mut ratios = [double.z; MULTIPLES];
        sums[1] = double;
        for index in 2..MULTIPLES {
            (sums[index], ratios[index]) = sums[index - 1].plus(point);
        }
        let last = sums[MULTIPLES - 1];
        let mut table = Self { x: [[last.x; MULTIPLES]; 2], y: [last.y; MULTIPLES], scale: last.z };
        let mut factor = ratios[MULTIPLES - 1];
        for index in (0..MULTIPLES - 1).rev() {
            let square = factor.square();
            table.x[0][index] = sums[index].x.times(&square);
            table.y[index] = sums[index].y.times(&square.times(&factor));
            factor = factor.times(&ratios[index]);
        }
        for index in 0..MULTIPLES {
            table.x[1][index] = table.x[0][index].times(beta);
        }
        table
    }

    /// The multiples by `digits` (−8 to 8, one a 16-bit lane) of the point or, as `half` says, of its endomorphic image,
    /// and the lanes whose digit is not 0; the others hold any point.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn pick(&self, half: usize, digits: [i16; LANES]) -> (Affine, __mmask8) {
        let digits = vector(digits.map(|digit| i64::from(digit).cast_unsigned()));
        let sizes = _mm512_abs_epi64(digits);
        let mut point = Affine { x: self.x[half][0], y: self.y[0] };
        for index in 1..MULTIPLES {
            let here = _mm512_cmpeq_epi64_mask(sizes, _mm512_set1_epi64(index as i64 + 1));
            point.x = point.x.or(here, &self.x[half][index]);
            point.y = point.y.or(here, &self.y[index]);
        }
        let negative = _mm512_cmplt_epi64_mask(digits, _mm512_setzero_si512());
        (point.opposite_where(negative), _mm512_test_epi64_mask(digits, digits))
    }
}
