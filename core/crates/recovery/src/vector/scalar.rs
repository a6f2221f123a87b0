//! The numbers of a recovery, modulo the group order n: Q = (s/r)·R − (z/r)·G.
//!
//! One inversion serves a whole batch (Montgomery's trick). s/r is split by the curve's endomorphism, λP = (βx, y), into
//! k₁ + k₂·λ with halves below 2^128 in size; −z/r is split by its bits. All halves become windows of signed digits.

use crate::{LANES, Request};
use alloy_primitives::{U256, uint};

/// The order n of the group.
pub(super) const ORDER: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
/// −1/n modulo 2^64, and 2^512 modulo n: to and from Montgomery's form.
const ORDER_INVERSE: u64 = 0x4b0d_ff66_5588_b13f;
pub(super) const SQUARE: U256 = uint!(0x9d671cd581c69bc5e697f5e45bcd07c6741496c20e7cf878896cf21467d7d140_U256);

/// β, the cube root of 1 modulo p that belongs to λ.
pub(super) const BETA: U256 = uint!(0x7ae96a2b657c07106e64479eac3434e99cf0497512f58995c1396c28719501ee_U256);
/// The short vectors (A₁, −B₁) and (A₂, A₁) of the lattice of all (a, b) with a + b·λ = 0 modulo n.
const A1: U256 = uint!(0x3086d221a7d46bcde86c90e49284eb15_U256);
const B1: U256 = uint!(0xe4437ed6010e88286f547fa90abfe4c3_U256);
const A2: U256 = uint!(0x114ca50f7a8e2f3f657c1108d9d44cfd8_U256);
/// A₁ / n and B₁ / n, times 2^384, rounded.
const A1_OVER_ORDER: U256 = uint!(0x3086d221a7d46bcde86c90e49284eb153daa8a1471e8ca7fe893209a45dbb031_U256);
const B1_OVER_ORDER: U256 = uint!(0xe4437ed6010e88286f547fa90abfe4c4221208ac9df506c61571b4ae8ac47f71_U256);

/// Bits and number of the windows of a half of s/r.
pub(super) const POINT_BITS: u32 = 4;
pub(super) const POINT_WINDOWS: usize = 33;
/// Bits and number of the windows of a half of −z/r: a multiple of the other's bits, so that both share the doublings.
pub(super) const GENERATOR_BITS: u32 = 12;
pub(super) const GENERATOR_WINDOWS: usize = 11;

/// k₁ + k₂·λ, or None where a half does not fit 128 bits (no input is known to do that).
pub(super) struct Split {
    pub(super) negative: [bool; 2],
    pub(super) sizes: [u128; 2],
}

/// What one recovery multiplies by.
#[derive(Debug)]
pub(super) struct Multipliers {
    /// Of R and of λR: signed digits, lowest first.
    pub(super) point: [[i16; POINT_WINDOWS]; 2],
    /// Of G and of 2^128·G.
    generator: [[i16; GENERATOR_WINDOWS]; 2],
}

/// The digits of as many recoveries as there are lanes.
#[derive(Debug)]
pub(super) struct Digits {
    pub(super) point: [[[i16; LANES]; POINT_WINDOWS]; 2],
    pub(super) generator: [[[i16; LANES]; GENERATOR_WINDOWS]; 2],
}

impl Multipliers {
    /// Of `point` times R and `generator` times G, both below n.
    fn new(point: U256, generator: U256) -> Option<Self> {
        let Split { negative, sizes } = split(point)?;
        let signed = |half: usize| {
            let sign = if negative[half] { -1 } else { 1 };
            windows::<POINT_BITS, POINT_WINDOWS>(sizes[half]).map(|digit| sign * digit)
        };
        let [l0, l1, l2, l3] = *generator.as_limbs();
        let halves = [(l0, l1), (l2, l3)].map(|(low, high)| u128::from(low) | u128::from(high) << 64);
        Some(Self {
            point: [signed(0), signed(1)],
            generator: halves.map(windows::<GENERATOR_BITS, GENERATOR_WINDOWS>),
        })
    }
}

impl Digits {
    pub(super) fn gather(lanes: [&Multipliers; LANES]) -> Self {
        use core::array::from_fn;
        Self {
            point: from_fn(|half| from_fn(|window| lanes.map(|lane| lane.point[half][window]))),
            generator: from_fn(|half| from_fn(|window| lanes.map(|lane| lane.generator[half][window]))),
        }
    }
}

/// a·b / 2^256 modulo n.
pub(super) fn montgomery(a: U256, b: U256) -> U256 {
    a.mul_redc(b, ORDER, ORDER_INVERSE)
}

/// `number` modulo n.
fn reduced(number: U256) -> U256 {
    if number < ORDER { number } else { number - ORDER }
}

/// The inverses of `numbers` (1 to n − 1) in Montgomery's form.
pub(super) fn inverses(numbers: &[U256]) -> Option<Vec<U256>> {
    let numbers: Vec<U256> = numbers.iter().map(|number| montgomery(*number, SQUARE)).collect();
    let mut product = montgomery(U256::ONE, SQUARE);
    let mut inverses = Vec::with_capacity(numbers.len());
    for number in &numbers {
        inverses.push(product);
        product = montgomery(product, *number);
    }
    let mut left = montgomery(montgomery(product, U256::ONE).inv_mod(ORDER)?, SQUARE);
    for (number, before) in numbers.iter().zip(&mut inverses).rev() {
        *before = montgomery(left, *before);
        left = montgomery(left, *number);
    }
    Some(inverses)
}

/// The nearest whole number to a·b / 2^384.
fn scaled(a: U256, b: U256) -> U256 {
    let product = a.widening_mul::<256, 4, 512, 8>(b);
    let [.., l5, l6, l7] = *product.as_limbs();
    U256::from_limbs([l6, l7, 0, 0]) + U256::from(l5 >> 63)
}

/// Split `number`, below n. All arithmetic is of signed numbers far below 2^255, in two's complement.
pub(super) fn split(number: U256) -> Option<Split> {
    let (c1, c2) = (scaled(number, A1_OVER_ORDER), scaled(number, B1_OVER_ORDER));
    let k1 = number.wrapping_sub(c1.wrapping_mul(A1)).wrapping_sub(c2.wrapping_mul(A2));
    let k2 = c1.wrapping_mul(B1).wrapping_sub(c2.wrapping_mul(A1));
    let negative = [k1.bit(255), k2.bit(255)];
    let size = |k: U256| u128::try_from(if k.bit(255) { k.wrapping_neg() } else { k }).ok();
    Some(Split { negative, sizes: [size(k1)?, size(k2)?] })
}

/// `number` as the sum of digit·2^(`BITS`·index), digits from 1 − 2^(`BITS`−1) to 2^(`BITS`−1).
pub(super) fn windows<const BITS: u32, const COUNT: usize>(mut number: u128) -> [i16; COUNT] {
    let mut carry = 0;
    core::array::from_fn(|_| {
        let digit = (number & ((1 << BITS) - 1)) as i16 + carry;
        number >>= BITS;
        carry = i16::from(digit > 1 << (BITS - 1));
        digit - (carry << BITS)
    })
}

/// The multipliers of the requests whose r and s are from 1 to n − 1, with their positions.
pub(super) fn multipliers(requests: &[Request]) -> Vec<(usize, Multipliers)> {
    let number = |bytes: &[u8; 32]| {
        let number = U256::from_be_bytes(*bytes);
        (!number.is_zero() && number < ORDER).then_some(number)
    };
    let mut rs = Vec::with_capacity(requests.len());
    let mut others = Vec::with_capacity(requests.len());
    for (index, request) in requests.iter().enumerate() {
        if let (Some(r), Some(s)) = (number(&request.r), number(&request.s)) {
            rs.push(r);
            others.push((index, s, reduced(U256::from_be_bytes(request.hash))));
        }
    }
    let one = |((index, s, hash), inverse): ((usize, U256, U256), U256)| {
        Some((index, Multipliers::new(montgomery(inverse, s), reduced(ORDER - montgomery(inverse, hash)))?))
    };
    others.into_iter().zip(inverses(&rs).unwrap_or_default()).filter_map(one).collect()
}
