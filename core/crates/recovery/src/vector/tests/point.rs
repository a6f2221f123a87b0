//! Sums of points, the exceptional ones above all.

use super::on_vector;
use crate::LANES;
use crate::vector::field::{Field, limbs};
use crate::vector::point::{Affine, Jacobian, MULTIPLES, Multiples};
use crate::vector::scalar::BETA;
use secp256k1::{PublicKey, SECP256K1, SecretKey};

/// `number` times G, x and y.
fn multiple(number: u64) -> [[u8; 32]; 2] {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&number.to_be_bytes());
    halves(&SecretKey::from_byte_array(&bytes).unwrap().public_key(SECP256K1))
}

fn halves(key: &PublicKey) -> [[u8; 32]; 2] {
    let bytes = key.serialize_uncompressed();
    [1, 33].map(|start| core::array::from_fn(|index| bytes[start + index]))
}

/// Multiples of G, one a lane.
#[target_feature(enable = "avx512f")]
fn points(numbers: [u64; LANES]) -> Affine {
    let lanes = numbers.map(multiple);
    let load = |half: usize| {
        let limbs = lanes.map(|lane| limbs(&lane[half]));
        Field::gather(limbs.each_ref())
    };
    Affine { x: load(0), y: load(1) }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn stored(point: &Jacobian) -> [[[u8; 32]; 2]; LANES] {
    let inverse = point.z.inverse();
    let square = inverse.square();
    let (x, y) = (point.x.times(&square).to_bytes(), point.y.times(&square.times(&inverse)).to_bytes());
    core::array::from_fn(|lane| [x[lane], y[lane]])
}

const NUMBERS: [u64; LANES] = [1, 2, 3, 5, 8, 1_000_003, 77, u64::MAX];

#[test]
fn sums_and_doubles_are_those_of_libsecp256k1() {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn check() {
        let point = points(NUMBERS.map(|number| number / 4 + 1));
        let double = point.jacobian().double();
        assert_eq!(stored(&double), NUMBERS.map(|number| multiple(2 * (number / 4 + 1))));
        assert_eq!(stored(&double.add(&point)), NUMBERS.map(|number| multiple(3 * (number / 4 + 1))));
        let some = stored(&double.add_where(0b0101_0101, &point));
        let expected = |lane: usize| multiple((2 + u64::from(lane.is_multiple_of(2))) * (NUMBERS[lane] / 4 + 1));
        assert_eq!(some, core::array::from_fn(expected));
    }
    on_vector(check);
}

#[test]
fn an_exceptional_sum_leaves_a_zero_that_stays() {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn check() {
        let base = NUMBERS.map(|number| number / 4 + 1);
        let sum = points(base).jacobian().double();
        // Lanes 0 to 3: a point and itself, a point and its opposite; the others add a different point.
        let other = points(core::array::from_fn(|lane| if lane < 4 { 2 * base[lane] } else { base[lane] }));
        let mut sum = sum.add(&other.opposite_where(0b1100));
        assert_eq!(sum.z.zeros(), 0b1111);
        for _ in 0..3 {
            sum = sum.double().add(&points(NUMBERS.map(|number| number / 8 + 3)));
            assert_eq!(sum.z.zeros(), 0b1111);
        }
    }
    on_vector(check);
}

#[test]
fn a_table_holds_every_multiple_and_its_image() {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn check() {
        let base = NUMBERS.map(|number| number / 16 + 1);
        let beta_limbs = limbs(&BETA.to_be_bytes());
        let beta = Field::gather([&beta_limbs; LANES]);
        let table = Multiples::of(&points(base), &beta);
        for digit in 1..=MULTIPLES as i16 {
            for sign in [1, -1] {
                // Every lane another digit, so that a lane cannot be served with its neighbour's.
                let digits: [i16; LANES] = core::array::from_fn(|lane| sign * ((digit - 1 + lane as i16) % 8 + 1));
                let (point, there) = table.pick(0, digits);
                assert_eq!(there, 0xff);
                let moved = Jacobian { z: table.scale, ..point.jacobian() };
                let expected = points(core::array::from_fn(|lane| base[lane] * u64::from(digits[lane].unsigned_abs())));
                let expected = expected.opposite_where(if sign < 0 { 0xff } else { 0 });
                assert_eq!(stored(&moved), stored(&expected.jacobian()));

                let (image, _) = table.pick(1, digits);
                let image = Jacobian { z: table.scale, ..image.jacobian() };
                let expected = Affine { x: expected.x.times(&beta), ..expected };
                assert_eq!(stored(&image), stored(&expected.jacobian()));
            }
        }
        assert_eq!(table.pick(0, [0, 1, 0, -1, 0, 8, 0, -7]).1, 0b1010_1010);
    }
    on_vector(check);
}

#[test]
fn a_lift_finds_the_point_of_the_asked_parity_or_none() {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn check() {
        let point = points(NUMBERS);
        let (lifted, on_curve) = Affine::lift(point.x, point.y.odds());
        assert_eq!((on_curve, stored(&lifted.jacobian())), (0xff, NUMBERS.map(multiple)));
        let (other, _) = Affine::lift(point.x, !point.y.odds());
        assert_eq!(stored(&other.opposite_where(0xff).jacobian()), NUMBERS.map(multiple));
        // 1 and 2 are an x of the curve, 0 and 5 are not.
        let mut xs = [0; LANES];
        xs[1..4].copy_from_slice(&[1, 2, 5]);
        let (_, on_curve) = Affine::lift(Field::load([xs, [0; LANES], [0; LANES], [0; LANES], [0; LANES]]), 0);
        assert_eq!(on_curve & 0b1111, 0b0110);
    }
    on_vector(check);
}
