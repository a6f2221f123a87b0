//! The vector path against big integers and against libsecp256k1.

mod field;
mod point;
mod recovery;
mod scalar;

use alloy_primitives::{U256, keccak256};

/// Run `check`, which needs the features, or say that this processor cannot.
fn on_vector(check: unsafe fn()) {
    if super::Vector::detect().is_some() {
        // SAFETY: the processor has the features.
        unsafe { check() }
    } else {
        eprintln!("not tested: this processor has no AVX-512 IFMA");
    }
}

/// Numbers that look random and are the same in every run.
fn noise(seed: &str, index: usize) -> U256 {
    U256::from_be_bytes(keccak256(format!("{seed} {index}")).0)
}

/// Numbers around which carries and reductions go wrong, for a modulus: none above 2^256 − 1.
fn edges(modulus: U256) -> Vec<U256> {
    let small = (0..4).map(U256::from);
    let near = (0..3).flat_map(|step| [modulus - U256::from(step), modulus + U256::from(step)]);
    let large = (0..3).map(|step| U256::MAX - U256::from(step));
    let bits = (0..256).step_by(4).map(|bit| U256::ONE << bit);
    let ones = (0..256).step_by(13).map(|bit| U256::MAX >> bit);
    small.chain(near).chain(large).chain(bits).chain(ones).collect()
}
