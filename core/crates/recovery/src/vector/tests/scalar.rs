//! Numbers modulo n, against the slow and plain way.

use super::{edges, noise};
use crate::vector::scalar::{self, ORDER};
use alloy_primitives::{U256, uint};

const LAMBDA: U256 = uint!(0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72_U256);

fn numbers() -> Vec<U256> {
    let edges = edges(ORDER).into_iter().chain([LAMBDA, ORDER - LAMBDA, ORDER >> 1, (ORDER >> 1) + U256::ONE]);
    edges.chain((0..2000).map(|index| noise("scalar", index))).map(|number| number % ORDER).collect()
}

#[test]
fn a_batch_of_inverses_inverts_each() {
    let numbers: Vec<U256> = numbers().into_iter().filter(|number| !number.is_zero()).collect();
    for batch in [&numbers[..], &numbers[..1], &numbers[5..8]] {
        let inverses = scalar::inverses(batch).unwrap();
        assert_eq!(inverses.len(), batch.len());
        for (number, inverse) in batch.iter().zip(inverses) {
            assert_eq!(scalar::montgomery(inverse, *number), U256::ONE, "{number:x}");
        }
    }
}

#[test]
fn montgomery_products_with_the_square_of_the_radix_are_plain_products() {
    let numbers = numbers();
    for (a, b) in numbers.iter().zip(numbers.iter().rev()) {
        let product = scalar::montgomery(scalar::montgomery(*a, scalar::SQUARE), *b);
        assert_eq!(product, a.mul_mod(*b, ORDER), "{a:x} {b:x}");
    }
}

#[test]
fn the_halves_of_every_number_are_short_and_add_up_to_it() {
    for number in numbers() {
        let split = scalar::split(number).expect("both halves fit 128 bits");
        let signed = |half: usize| {
            let size = U256::from(split.sizes[half]);
            if split.negative[half] && !size.is_zero() { ORDER - size } else { size }
        };
        assert_eq!(signed(0).add_mod(signed(1).mul_mod(LAMBDA, ORDER), ORDER), number, "{number:x}");
    }
}

#[test]
fn digits_are_within_their_bounds_and_add_up_to_the_number() {
    fn check<const BITS: u32, const COUNT: usize>(number: u128) {
        let digits = scalar::windows::<BITS, COUNT>(number);
        let bound = 1 << (BITS - 1);
        assert!(digits.iter().all(|digit| (1 - bound..=bound).contains(digit)), "{number:x}: {digits:?}");
        let digit = |digit: i16| if digit < 0 { U256::from(-digit).wrapping_neg() } else { U256::from(digit) };
        let sum = digits.iter().rev().fold(U256::ZERO, |sum, d| (sum << BITS as usize).wrapping_add(digit(*d)));
        assert_eq!(sum, U256::from(number), "{digits:?}");
    }
    for number in numbers() {
        let [l0, l1, l2, l3] = *number.as_limbs();
        for (low, high) in [(l0, l1), (l2, l3), (l3, l0)] {
            let half = u128::from(low) | u128::from(high) << 64;
            check::<{ scalar::POINT_BITS }, { scalar::POINT_WINDOWS }>(half);
            check::<{ scalar::GENERATOR_BITS }, { scalar::GENERATOR_WINDOWS }>(half);
        }
    }
    check::<{ scalar::POINT_BITS }, { scalar::POINT_WINDOWS }>(u128::MAX);
    check::<{ scalar::GENERATOR_BITS }, { scalar::GENERATOR_WINDOWS }>(u128::MAX);
}
