//! Keccak-f[1600] over several states at once (FIPS 202 §3), one state a vector lane.
//!
//! The round is written once; the macro instantiates it for 8 lanes of AVX-512 and 4 lanes of AVX2.

use super::RATE;
use core::arch::x86_64::*;

const ROUND_CONSTANTS: [u64; 24] = [
    0x0000000000000001,
    0x0000000000008082,
    0x800000000000808a,
    0x8000000080008000,
    0x000000000000808b,
    0x0000000080000001,
    0x8000000080008081,
    0x8000000000008009,
    0x000000000000008a,
    0x0000000000000088,
    0x0000000080008009,
    0x000000008000000a,
    0x000000008000808b,
    0x800000000000008b,
    0x8000000000008089,
    0x8000000000008003,
    0x8000000000008002,
    0x8000000000000080,
    0x000000000000800a,
    0x800000008000000a,
    0x8000000080008081,
    0x8000000000008080,
    0x0000000080000001,
    0x8000000080008008,
];

/// Defines `$digest(messages, blocks)`: the digests of `$lanes` padded messages of `blocks` rate-sized blocks each.
macro_rules! sponge {
    ($digest:ident, $permute:ident, $feature:literal, $lanes:literal, $vector:ty,
     $zero:ident, $splat:ident, $gather:ident, $scatter:ident, $xor:ident, $xor3:ident, $chi:ident, $rotate:ident) => {
        #[target_feature(enable = $feature)]
        fn $permute(s: &mut [$vector; 25]) {
            for round_constant in ROUND_CONSTANTS {
                // θ
                let c: [$vector; 5] =
                    core::array::from_fn(|x| $xor3($xor3(s[x], s[x + 5], s[x + 10]), s[x + 15], s[x + 20]));
                let d: [$vector; 5] = core::array::from_fn(|x| $xor(c[(x + 4) % 5], $rotate::<1>(c[(x + 1) % 5])));
                // ρ and π, in the order in which χ reads them
                let b: [$vector; 25] = [
                    $xor(s[0], d[0]),
                    $rotate::<44>($xor(s[6], d[1])),
                    $rotate::<43>($xor(s[12], d[2])),
                    $rotate::<21>($xor(s[18], d[3])),
                    $rotate::<14>($xor(s[24], d[4])),
                    $rotate::<28>($xor(s[3], d[3])),
                    $rotate::<20>($xor(s[9], d[4])),
                    $rotate::<3>($xor(s[10], d[0])),
                    $rotate::<45>($xor(s[16], d[1])),
                    $rotate::<61>($xor(s[22], d[2])),
                    $rotate::<1>($xor(s[1], d[1])),
                    $rotate::<6>($xor(s[7], d[2])),
                    $rotate::<25>($xor(s[13], d[3])),
                    $rotate::<8>($xor(s[19], d[4])),
                    $rotate::<18>($xor(s[20], d[0])),
                    $rotate::<27>($xor(s[4], d[4])),
                    $rotate::<36>($xor(s[5], d[0])),
                    $rotate::<10>($xor(s[11], d[1])),
                    $rotate::<15>($xor(s[17], d[2])),
                    $rotate::<56>($xor(s[23], d[3])),
                    $rotate::<62>($xor(s[2], d[2])),
                    $rotate::<55>($xor(s[8], d[3])),
                    $rotate::<39>($xor(s[14], d[4])),
                    $rotate::<41>($xor(s[15], d[0])),
                    $rotate::<2>($xor(s[21], d[1])),
                ];
                // χ and ι
                for row in 0..5 {
                    for x in 0..5 {
                        s[5 * row + x] = $chi(b[5 * row + x], b[5 * row + (x + 1) % 5], b[5 * row + (x + 2) % 5]);
                    }
                }
                s[0] = $xor(s[0], $splat(round_constant as i64));
            }
        }

        #[target_feature(enable = $feature)]
        pub(super) fn $digest<const SIZE: usize>(
            messages: &[[u8; SIZE]; $lanes],
            blocks: usize,
            digests: &mut [[u8; 32]; $lanes],
        ) {
            let mut state = [$zero(); 25];
            for block in 0..blocks {
                for (i, word) in state[..RATE / 8].iter_mut().enumerate() {
                    let at = block * RATE + 8 * i;
                    *word = $xor(*word, $gather(core::array::from_fn(|lane| word_at(&messages[lane], at))));
                }
                $permute(&mut state);
            }
            for i in 0..4 {
                for (digest, word) in digests.iter_mut().zip($scatter(state[i])) {
                    digest[8 * i..8 * i + 8].copy_from_slice(&word.to_le_bytes());
                }
            }
        }
    };
}

sponge!(
    digest_eight,
    permute_eight,
    "avx512f",
    8,
    __m512i,
    _mm512_setzero_si512,
    _mm512_set1_epi64,
    gather_eight,
    scatter_eight,
    _mm512_xor_si512,
    xor3_eight,
    chi_eight,
    _mm512_rol_epi64
);

sponge!(
    digest_four,
    permute_four,
    "avx2",
    4,
    __m256i,
    _mm256_setzero_si256,
    _mm256_set1_epi64x,
    gather_four,
    scatter_four,
    _mm256_xor_si256,
    xor3_four,
    chi_four,
    rotate_four
);

#[inline]
fn word_at(message: &[u8], at: usize) -> i64 {
    let mut word = [0; 8];
    word.copy_from_slice(&message[at..at + 8]);
    i64::from_le_bytes(word)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn gather_eight(w: [i64; 8]) -> __m512i {
    _mm512_set_epi64(w[7], w[6], w[5], w[4], w[3], w[2], w[1], w[0])
}

#[inline]
#[target_feature(enable = "avx512f")]
fn scatter_eight(v: __m512i) -> [u64; 8] {
    // SAFETY: both are 64 bytes without invalid values, and a vector's first lane is its lowest address.
    unsafe { core::mem::transmute(v) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3_eight(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

/// a ^ (!b & c)
#[inline]
#[target_feature(enable = "avx512f")]
fn chi_eight(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0xd2>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx2")]
fn gather_four(w: [i64; 4]) -> __m256i {
    _mm256_set_epi64x(w[3], w[2], w[1], w[0])
}

#[inline]
#[target_feature(enable = "avx2")]
fn scatter_four(v: __m256i) -> [u64; 4] {
    // SAFETY: both are 32 bytes without invalid values, and a vector's first lane is its lowest address.
    unsafe { core::mem::transmute(v) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3_four(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

/// a ^ (!b & c)
#[inline]
#[target_feature(enable = "avx2")]
fn chi_four(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(a, _mm256_andnot_si256(b, c))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_four<const N: i32>(v: __m256i) -> __m256i {
    let (left, right) = (_mm_cvtsi32_si128(N), _mm_cvtsi32_si128(64 - N));
    _mm256_or_si256(_mm256_sll_epi64(v, left), _mm256_srl_epi64(v, right))
}
