//! Fixed points: multiples of the generator for every digit, and where a sum starts.
//!
//! A sum starts at a fixed point S instead of at nothing, and ends by taking 2^128·S away again, so that no addition of it
//! has to look for the point at infinity.

use super::field::limbs;
use super::scalar::GENERATOR_BITS;
use secp256k1::{PublicKey, SECP256K1, Scalar, SecretKey};
use std::sync::LazyLock;

/// S is this number times G; any other would do.
pub(super) const START: [u8; 32] = *b"zg-recovery: where a sum starts.";
const MULTIPLES: usize = 1 << (GENERATOR_BITS - 1);

/// x and y in limbs.
pub(super) type Coordinates = [[u64; 5]; 2];

#[derive(Debug)]
pub(super) struct Generator {
    /// k·G and k·2^128·G at k − 1.
    multiples: [Vec<Coordinates>; 2],
    /// S.
    pub(super) start: Coordinates,
    /// −2^128·S.
    pub(super) finish: Coordinates,
}

/// Built on first use; None if libsecp256k1 refuses a step, which it has no reason to.
static GENERATOR: LazyLock<Option<Generator>> = LazyLock::new(|| Generator::new().ok());

fn coordinates(key: &PublicKey) -> Coordinates {
    let bytes = key.serialize_uncompressed();
    [1, 33].map(|start| limbs(&core::array::from_fn(|index| bytes[start + index])))
}

/// k·`point` for k from 1 to [`MULTIPLES`].
fn multiples(point: &PublicKey) -> Result<Vec<Coordinates>, secp256k1::Error> {
    let mut sum = *point;
    let mut table = Vec::with_capacity(MULTIPLES);
    table.push(coordinates(&sum));
    for _ in 1..MULTIPLES {
        sum = sum.combine(point)?;
        table.push(coordinates(&sum));
    }
    Ok(table)
}

impl Generator {
    fn new() -> Result<Self, secp256k1::Error> {
        let mut number = [0; 32];
        number[31] = 1;
        let one = SecretKey::from_byte_array(&number)?.public_key(SECP256K1);
        number.swap(31, 15);
        let shift = SecretKey::from_byte_array(&number)?;
        let start = SecretKey::from_byte_array(&START)?.public_key(SECP256K1);
        let finish = start.mul_tweak(SECP256K1, &Scalar::from(shift))?.negate(SECP256K1);
        Ok(Self {
            multiples: [multiples(&one)?, multiples(&shift.public_key(SECP256K1))?],
            start: coordinates(&start),
            finish: coordinates(&finish),
        })
    }

    pub(super) fn get() -> Option<&'static Self> {
        GENERATOR.as_ref()
    }

    /// |`digit`|·G, or |`digit`|·2^128·G for `half` 1; any point for digit 0.
    pub(super) fn multiple(&self, half: usize, digit: i16) -> &Coordinates {
        &self.multiples[half][usize::from(digit.unsigned_abs()).saturating_sub(1)]
    }
}
