//! Two SHA-256 digests side by side with the SHA extensions of x86-64 (FIPS 180-4).

use std::arch::x86_64::*;
use std::array;

use crate::hash::Digest;

/// The shortest message: with its prefix it fills a block.
pub(crate) const MESSAGE_MIN_BYTES: usize = 63;
const BLOCK_BYTES: usize = 64;
/// What a last block holds beside 0x80 and the length.
const TAIL_MAX_BYTES: usize = 55;

const INITIAL: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

#[rustfmt::skip]
const ROUND: [[u32; 4]; 16] = [
    [0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5], [0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5],
    [0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3], [0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174],
    [0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc], [0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da],
    [0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7], [0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967],
    [0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13], [0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85],
    [0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3], [0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070],
    [0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5], [0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3],
    [0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208], [0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2],
];

/// Proof that the processor has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct TwoLanes(());

impl TwoLanes {
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1");
        has.then_some(Self(()))
    }

    /// The digests of `prefix ‖ message`; both messages are as long, and at least [`MESSAGE_MIN_BYTES`].
    pub(crate) fn digests(self, prefix: u8, messages: [&[u8]; 2]) -> [Digest; 2] {
        assert!(messages[0].len() == messages[1].len() && messages[0].len() >= MESSAGE_MIN_BYTES);
        // SAFETY: `self` exists only where the processor has the features.
        unsafe { digests(prefix, messages) }
    }
}

#[target_feature(enable = "sha,sse4.1")]
fn digests(prefix: u8, messages: [&[u8]; 2]) -> [Digest; 2] {
    let mut lanes = Lanes::new();
    let (heads, bodies) = split(prefix, messages);
    lanes.compress([&heads[0], &heads[1]]);
    let [(first, first_rest), (second, second_rest)] = bodies.map(|body| body.as_chunks::<BLOCK_BYTES>());
    for (a, b) in first.iter().zip(second) {
        lanes.compress([a, b]);
    }
    let tails = [first_rest, second_rest].map(|rest| tail(rest, messages[0].len() + 1));
    if first_rest.len() > TAIL_MAX_BYTES {
        lanes.compress([&tails[0][0], &tails[1][0]]);
    }
    lanes.compress([&tails[0][1], &tails[1][1]]);
    lanes.finish()
}

/// The first block of each message, with the prefix, and what follows it.
fn split(prefix: u8, messages: [&[u8]; 2]) -> ([[u8; BLOCK_BYTES]; 2], [&[u8]; 2]) {
    let head = |message: &[u8]| {
        let mut block = [prefix; BLOCK_BYTES];
        block[1..].copy_from_slice(&message[..BLOCK_BYTES - 1]);
        block
    };
    (messages.map(head), messages.map(|message| &message[BLOCK_BYTES - 1..]))
}

/// The padded end of a message of `length` bytes; its first block counts only when `rest` does not fit into the second.
fn tail(rest: &[u8], length: usize) -> [[u8; BLOCK_BYTES]; 2] {
    let mut blocks = [[0; BLOCK_BYTES]; 2];
    let start = if rest.len() > TAIL_MAX_BYTES { 0 } else { BLOCK_BYTES };
    let bytes = blocks.as_flattened_mut();
    bytes[start..start + rest.len()].copy_from_slice(rest);
    bytes[start + rest.len()] = 0x80;
    bytes[2 * BLOCK_BYTES - 8..].copy_from_slice(&(8 * length as u64).to_be_bytes());
    blocks
}

/// The state words of both lanes in the order that the instructions want.
struct Lanes {
    abef: [__m128i; 2],
    cdgh: [__m128i; 2],
}

impl Lanes {
    #[target_feature(enable = "sha,sse4.1")]
    fn new() -> Self {
        let [a, b, c, d, e, f, g, h] = INITIAL.map(u32::cast_signed);
        Self { abef: [_mm_set_epi32(a, b, e, f); 2], cdgh: [_mm_set_epi32(c, d, g, h); 2] }
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1")]
    fn compress(&mut self, blocks: [&[u8; BLOCK_BYTES]; 2]) {
        let (abef, cdgh) = (self.abef, self.cdgh);
        let mut words = [load(blocks[0]), load(blocks[1])];
        for (quarter, rounds) in ROUND.as_chunks::<4>().0.iter().enumerate() {
            for (group, constants) in rounds.iter().enumerate() {
                let [k0, k1, k2, k3] = constants.map(u32::cast_signed);
                let constants = _mm_set_epi32(k3, k2, k1, k0);
                for (lane, w) in words.iter_mut().enumerate() {
                    if quarter > 0 {
                        w[group] = schedule(w, group);
                    }
                    let sum = _mm_add_epi32(w[group], constants);
                    self.cdgh[lane] = _mm_sha256rnds2_epu32(self.cdgh[lane], self.abef[lane], sum);
                    let sum = _mm_shuffle_epi32::<0x0e>(sum);
                    self.abef[lane] = _mm_sha256rnds2_epu32(self.abef[lane], self.cdgh[lane], sum);
                }
            }
        }
        for lane in 0..2 {
            self.abef[lane] = _mm_add_epi32(self.abef[lane], abef[lane]);
            self.cdgh[lane] = _mm_add_epi32(self.cdgh[lane], cdgh[lane]);
        }
    }

    #[target_feature(enable = "sha,sse4.1")]
    fn finish(&self) -> [Digest; 2] {
        array::from_fn(|lane| {
            let abef = words_of(self.abef[lane]);
            let cdgh = words_of(self.cdgh[lane]);
            let state = [abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]];
            let mut digest = [0; 32];
            for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
                bytes.copy_from_slice(&word.to_be_bytes());
            }
            digest
        })
    }
}

/// The next four words of a message's schedule.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn schedule(w: &[__m128i; 4], group: usize) -> __m128i {
    let [w0, w1, w2, w3] = array::from_fn(|i| w[(group + i) % 4]);
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8::<4>(w3, w2));
    _mm_sha256msg2_epu32(sum, w3)
}

/// A block as sixteen big-endian words.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn load(block: &[u8; BLOCK_BYTES]) -> [__m128i; 4] {
    let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let (quarters, _) = block.as_chunks::<16>();
    array::from_fn(|i| {
        // SAFETY: a quarter is the 16 bytes that are read; the load needs no alignment.
        let words = unsafe { _mm_loadu_si128(quarters[i].as_ptr().cast()) };
        _mm_shuffle_epi8(words, order)
    })
}

/// The four words of a register, lowest first.
#[target_feature(enable = "sse4.1")]
fn words_of(register: __m128i) -> [u32; 4] {
    let mut words = [0u32; 4];
    // SAFETY: the array is the 16 bytes that are written; the store needs no alignment.
    unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), register) };
    words
}
