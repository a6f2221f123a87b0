//! Eight recoveries at a time with AVX-512 IFMA.
//!
//! ```text
//!   r, s, hash ──scalar──▶ digits of s/r and −z/r          r ──lift──▶ R ──▶ its multiples
//!                             └────────────┬────────────────────────────────────┘
//!                            doublings and additions, the same ones in every lane ──▶ Q = (X, Y, Z)
//!                                                            one inversion a block ──▶ x ‖ y
//! ```
//! A lane is answered only where all went the ordinary way: r and s in range, R on the curve, and Z not 0, which proves that
//! no addition met one of its exceptional cases ([`point`]). Whatever is left open, libsecp256k1 answers. Inputs are public,
//! so that nothing here has to take the same time for every input.

mod field;
mod generator;
mod point;
mod scalar;
#[cfg(test)]
mod tests;

use crate::{Key, LANES, Request};
use core::arch::x86_64::*;
use core::array::from_fn;
use field::{Field, limbs};
use generator::{Coordinates, Generator};
use point::{Affine, Jacobian, Multiples};
use scalar::{BETA, Digits, GENERATOR_WINDOWS, Multipliers, POINT_WINDOWS};

/// From so many recoveries on, a vector is faster than one after the other.
const FILL_MIN: usize = 2;
/// Vectors that share an inversion.
const BLOCK: usize = 8;

/// Every so many windows of s/r there is one of −z/r.
const STRIDE: usize = 3;
const _: () = assert!(POINT_WINDOWS == STRIDE * GENERATOR_WINDOWS);

/// A sum of points in every lane, and the lanes where R was a point.
#[derive(Clone, Copy)]
struct Sum {
    point: Jacobian,
    on_curve: __mmask8,
}

/// The vector path of a processor that has what it needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vector(());

impl Vector {
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma")).then_some(Self(()))
    }

    /// Fill in the answers that are found; whatever stays None, libsecp256k1 has to answer.
    pub(crate) fn recover(self, requests: &[Request], answers: &mut [Option<Key>]) {
        if requests.len() < FILL_MIN {
            return;
        }
        let Some(generator) = Generator::get() else { return };
        for block in scalar::multipliers(requests).chunks(BLOCK * LANES) {
            let rest = if block.len() % LANES < FILL_MIN { block.len() % LANES } else { 0 };
            let block = &block[..block.len() - rest];
            if !block.is_empty() {
                // SAFETY: a `Vector` exists only where the processor has the features.
                unsafe { recover_block(generator, requests, block, answers) };
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn recover_block(
    generator: &Generator,
    requests: &[Request],
    block: &[(usize, Multipliers)],
    answers: &mut [Option<Key>],
) {
    let sums: Vec<Sum> = block
        .chunks(LANES)
        .map(|group| {
            let lane = |lane: usize| group.get(lane).unwrap_or(&group[0]);
            let lanes: [_; LANES] = from_fn(lane);
            let requests = lanes.map(|(index, _)| &requests[*index]);
            sum(generator, requests, &Digits::gather(lanes.map(|(_, multipliers)| multipliers)))
        })
        .collect();
    for ((group, sum), inverse) in block.chunks(LANES).zip(&sums).zip(inverses(&sums)) {
        let square = inverse.square();
        let x = sum.point.x.times(&square).to_bytes();
        let y = sum.point.y.times(&square.times(&inverse)).to_bytes();
        let good = sum.on_curve & !sum.point.z.zeros();
        for (lane, (index, _)) in group.iter().enumerate() {
            if good >> lane & 1 == 1 {
                answers[*index] = Some(from_fn(|byte| if byte < 32 { x[lane][byte] } else { y[lane][byte - 32] }));
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn fixed(point: &Coordinates) -> Affine {
    let [x, y] = point;
    Affine { x: Field::gather([x; LANES]), y: Field::gather([y; LANES]) }
}

/// (s/r)·R − (z/r)·G in every lane.
#[target_feature(enable = "avx512f,avx512ifma")]
fn sum(generator: &Generator, requests: [&Request; LANES], digits: &Digits) -> Sum {
    let odd = (0..LANES).fold(0, |mask, lane| mask | u8::from(requests[lane].odd) << lane);
    let rs = requests.map(|request| limbs(&request.r));
    let (r, on_curve) = Affine::lift(Field::gather(rs.each_ref()), odd);
    let beta = limbs(&BETA.to_be_bytes());
    let multiples = Multiples::of(&r, &Field::gather([&beta; LANES]));
    let scale_2 = multiples.scale.square();
    let scale_3 = scale_2.times(&multiples.scale);
    let moved = |point: &Affine| point.moved(&scale_2, &scale_3);

    let mut sum = moved(&fixed(&generator.start)).jacobian();
    for window in (0..POINT_WINDOWS).rev() {
        if window + 1 < POINT_WINDOWS {
            sum = sum.double().double().double().double();
        }
        for half in 0..2 {
            let (point, mask) = multiples.pick(half, digits.point[half][window]);
            sum = sum.add_where(mask, &point);
            if window % STRIDE == 0 {
                let digits = digits.generator[half][window / STRIDE];
                let lanes = digits.map(|digit| generator.multiple(half, digit));
                let point = Affine { x: Field::gather(lanes.map(|p| &p[0])), y: Field::gather(lanes.map(|p| &p[1])) };
                let (negative, other) = signs(digits);
                sum = sum.add_where(other, &moved(&point).opposite_where(negative));
            }
        }
    }
    let point = sum.add(&moved(&fixed(&generator.finish)));
    Sum { point: Jacobian { z: point.z.times(&multiples.scale), ..point }, on_curve }
}

/// The lanes whose digit is negative, and those where it is not 0.
fn signs(digits: [i16; LANES]) -> (__mmask8, __mmask8) {
    let mask = |test: fn(i16) -> bool| (0..LANES).fold(0, |mask, lane| mask | u8::from(test(digits[lane])) << lane);
    (mask(|digit| digit < 0), mask(|digit| digit != 0))
}

/// The inverse of every Z, by a single inversion (Montgomery's trick, lane by lane); any number where Z is 0.
#[target_feature(enable = "avx512f,avx512ifma")]
fn inverses(sums: &[Sum]) -> Vec<Field> {
    let zs: Vec<Field> = sums.iter().map(|sum| sum.point.z.or(sum.point.z.zeros(), &Field::small(1))).collect();
    let mut product = Field::small(1);
    let mut inverses = Vec::with_capacity(zs.len());
    for z in &zs {
        inverses.push(product);
        product = product.times(z);
    }
    let mut left = product.inverse();
    for (z, before) in zs.iter().zip(&mut inverses).rev() {
        *before = before.times(&left);
        left = left.times(z);
    }
    inverses
}
