//! Arithmetic modulo p against 512-bit integers.

use super::{edges, noise, on_vector};
use crate::LANES;
use crate::vector::field::{Field, Loose, limbs};
use alloy_primitives::{U256, U512, uint};

const P: U256 = uint!(0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f_U256);

/// Every edge and some noise, in vectors, in two orders that pair edges with each other and with noise.
fn pairs() -> Vec<([U256; LANES], [U256; LANES])> {
    let mut numbers = edges(P);
    numbers.extend((0..64).map(|index| noise("field", index)));
    let pick = |start: usize, step: usize| core::array::from_fn(|lane| numbers[(start + step * lane) % numbers.len()]);
    (0..numbers.len())
        .flat_map(|start| [(pick(start, 1), pick(7 * start, 11)), (pick(start, 1), pick(start, 1))])
        .collect()
}

#[target_feature(enable = "avx512f")]
fn load(numbers: &[U256; LANES]) -> Field {
    let lanes = numbers.map(|number| limbs(&number.to_be_bytes()));
    Field::gather(lanes.each_ref())
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn stored(field: &Field) -> [U256; LANES] {
    field.to_bytes().map(U256::from_be_bytes)
}

fn reduced(number: U512) -> U256 {
    U256::from(number % U512::from(P))
}

fn product(a: U256, b: U256) -> U256 {
    reduced(a.widening_mul::<256, 4, 512, 8>(b))
}

fn difference(a: U256, b: U256) -> U256 {
    reduced(U512::from(a) + U512::from(P) + U512::from(P) - U512::from(b))
}

fn zip(a: [U256; LANES], b: [U256; LANES], f: fn(U256, U256) -> U256) -> [U256; LANES] {
    core::array::from_fn(|lane| f(a[lane], b[lane]))
}

#[test]
fn products_squares_sums_and_differences_are_those_of_big_integers() {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn check() {
        for (a, b) in pairs() {
            let (x, y) = (load(&a), load(&b));
            assert_eq!(stored(&x), a.map(|a| reduced(U512::from(a))), "{a:x?}");
            assert_eq!(stored(&x.times(&y)), zip(a, b, product), "{a:x?} {b:x?}");
            assert_eq!(stored(&x.square()), a.map(|a| product(a, a)), "{a:x?}");
            let sum = x.loose().plus(y.loose()).tidy();
            assert_eq!(stored(&sum), zip(a, b, |a, b| reduced(U512::from(a) + U512::from(b))), "{a:x?} {b:x?}");
            let less = x.loose().plus(y.negated()).tidy();
            assert_eq!(stored(&less), zip(a, b, difference), "{a:x?} {b:x?}");
            let two = Field::two_products(&x, &y, &sum, &less).tidy();
            let expected = zip(a, b, |a, b| {
                let second = product(reduced(U512::from(a) + U512::from(b)), difference(a, b));
                reduced(U512::from(product(a, b)) + U512::from(second))
            });
            assert_eq!(stored(&two), expected, "{a:x?} {b:x?}");
        }
    }
    on_vector(check);
}

#[test]
fn zeros_odds_and_choices_are_by_lane() {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn check() {
        for (a, b) in pairs() {
            let (x, y) = (load(&a), load(&b));
            for (lane, number) in a.iter().enumerate() {
                let number = reduced(U512::from(*number));
                assert_eq!(x.zeros() >> lane & 1 == 1, number.is_zero(), "{number:x}");
                assert_eq!(x.odds() >> lane & 1 == 1, number.bit(0), "{number:x}");
            }
            let chosen = stored(&x.or(0b1010_0110, &y));
            for lane in 0..LANES {
                let number = if 0b1010_0110 >> lane & 1 == 1 { b[lane] } else { a[lane] };
                assert_eq!(chosen[lane], reduced(U512::from(number)));
            }
        }
    }
    on_vector(check);
}

#[test]
fn inverses_and_roots_undo_products_and_squares() {
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn check() {
        for (a, _) in pairs() {
            let x = load(&a);
            let expected = a.map(|a| U256::from(u8::from(!reduced(U512::from(a)).is_zero())));
            assert_eq!(stored(&x.times(&x.inverse())), expected, "{a:x?}");
            let square = x.square();
            assert_eq!(stored(&square.root().square()), stored(&square), "{a:x?}");
        }
    }
    on_vector(check);
}

#[test]
fn the_largest_limbs_that_the_types_allow_do_not_overflow() {
    const LIMB: u64 = (1 << 52) - 1;
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn check() {
        let value = |limbs: [u64; 5]| {
            limbs.iter().rev().fold(U512::ZERO, |sum, limb| (sum << 52) + U512::from(*limb)) % U512::from(P)
        };
        let top = (1 << 48) + (1 << 16) - 1;
        let largest = [LIMB, LIMB, LIMB, LIMB, top];
        let x = Field::load(largest.map(|limb| [limb; LANES]));
        let number = U256::from(value(largest));
        assert_eq!(stored(&x), [number; LANES]);
        assert_eq!(stored(&x.times(&x)), [product(number, number); LANES]);
        assert_eq!(stored(&x.square()), [product(number, number); LANES]);
        assert_eq!(stored(&x.negated().tidy()), [difference(U256::ZERO, number); LANES]);
        let twice = reduced(U512::from(product(number, number)) << 1);
        assert_eq!(stored(&Field::two_products(&x, &x, &x, &x).tidy()), [twice; LANES]);

        let bare = [(1 << 63) - 1; 5];
        let mut loose: Loose = Field::load([[(1 << 62) - 1; LANES]; 5]).loose().shift::<1>();
        loose = loose.plus(Field::load([[1; LANES]; 5]).loose());
        assert_eq!(stored(&loose.tidy()), [U256::from(value(bare)); LANES]);
    }
    on_vector(check);
}
