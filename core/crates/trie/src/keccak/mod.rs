//! Keccak-256 of many short messages at a time.
//!
//! Independent messages with the same number of blocks are hashed side by side in vector lanes: eight with AVX-512, four
//! with AVX2, else one by one. A trie level gives plenty of them: all its changed nodes wait only for the level below.

#[cfg(target_arch = "x86_64")]
mod permutation;

use alloy_primitives::{B256, keccak256};

/// Bytes that one permutation absorbs.
const RATE: usize = 136;
/// Blocks of the longest message that is batched; a full branch node (532 bytes) takes four.
const BLOCKS_MAX: usize = 4;
const LANES: usize = 8;

type Message = [u8; RATE * BLOCKS_MAX];

/// Messages of one length in blocks, waiting for a full batch.
struct Group {
    /// Padded, `[LANES, RATE * BLOCKS_MAX] bytes`.
    messages: [Message; LANES],
    lengths: [usize; LANES],
    tags: [u32; LANES],
    count: usize,
}

/// A batch hasher: push messages with a tag, get (tag, digest) back in any order, the last ones on [`Batch::flush`].
pub(crate) struct Batch {
    groups: Box<[Group; BLOCKS_MAX]>,
    width: Width,
}

/// The Keccak-256 digests of `messages`, in their order; several times faster than one by one where they are many and short.
pub fn keccak256_batch<M: AsRef<[u8]>>(messages: &[M]) -> Vec<B256> {
    let mut digests = vec![B256::ZERO; messages.len()];
    let mut batch = Batch::new();
    let mut done = |tag: u32, digest| digests[tag as usize] = digest;
    for (tag, message) in messages.iter().enumerate() {
        batch.push(tag as u32, message.as_ref(), &mut done);
    }
    batch.flush(&mut done);
    digests
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    #[cfg(target_arch = "x86_64")]
    Eight,
    #[cfg(target_arch = "x86_64")]
    Four,
    One,
}

impl Width {
    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Eight;
            }
            if is_x86_feature_detected!("avx2") {
                return Self::Four;
            }
        }
        Self::One
    }
}

impl Batch {
    pub(crate) fn new() -> Self {
        let group =
            || Group { messages: [[0; RATE * BLOCKS_MAX]; LANES], lengths: [0; LANES], tags: [0; LANES], count: 0 };
        Self { groups: Box::new(std::array::from_fn(|_| group())), width: Width::detect() }
    }

    /// Hash `message`, at once or with later ones; `done` gets the tag and digest of each message that was hashed.
    pub(crate) fn push(&mut self, tag: u32, message: &[u8], done: &mut impl FnMut(u32, B256)) {
        let blocks = message.len() / RATE + 1;
        if blocks > BLOCKS_MAX {
            return done(tag, keccak256(message));
        }
        let group = &mut self.groups[blocks - 1];
        let lane = &mut group.messages[group.count];
        lane[..message.len()].copy_from_slice(message);
        lane[message.len()..blocks * RATE].fill(0);
        lane[message.len()] = 0x01;
        lane[blocks * RATE - 1] |= 0x80;
        group.lengths[group.count] = message.len();
        group.tags[group.count] = tag;
        group.count += 1;
        if group.count == LANES {
            group.hash(blocks, self.width, done);
        }
    }

    /// Hash what still waits.
    pub(crate) fn flush(&mut self, done: &mut impl FnMut(u32, B256)) {
        for (i, group) in self.groups.iter_mut().enumerate() {
            group.hash(i + 1, self.width, done);
        }
    }
}

impl Group {
    /// Idle lanes hash what an earlier batch left there; their digests are ignored.
    fn hash(&mut self, blocks: usize, width: Width, done: &mut impl FnMut(u32, B256)) {
        let mut digests = [[0; 32]; LANES];
        if self.count < 2 || width == Width::One {
            for (lane, digest) in digests.iter_mut().enumerate().take(self.count) {
                *digest = keccak256(&self.messages[lane][..self.lengths[lane]]).0;
            }
        } else {
            self.hash_lanes(blocks, width, &mut digests);
        }
        for (tag, digest) in self.tags.iter().zip(digests).take(self.count) {
            done(*tag, B256::new(digest));
        }
        self.count = 0;
    }

    #[cfg(target_arch = "x86_64")]
    fn hash_lanes(&self, blocks: usize, width: Width, digests: &mut [[u8; 32]; LANES]) {
        if width == Width::Eight {
            // SAFETY: `Width::Eight` is only made where the processor has avx512f.
            return unsafe { permutation::digest_eight(&self.messages, blocks, digests) };
        }
        let (messages, digests) = (self.messages.as_chunks().0, digests.as_chunks_mut().0);
        for half in 0..self.count.div_ceil(4) {
            // SAFETY: `Width::Four` is only made where the processor has avx2.
            unsafe { permutation::digest_four(&messages[half], blocks, &mut digests[half]) };
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn hash_lanes(&self, _: usize, _: Width, _: &mut [[u8; 32]; LANES]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(width: Width) {
        let mut batch = Batch { width, ..Batch::new() };
        let messages: Vec<Vec<u8>> = (0..700).map(|n| (0..n).map(|i| (i * 31 + n) as u8).collect()).collect();
        let mut digests = vec![None; messages.len()];
        let mut done = |tag: u32, digest| assert_eq!(digests[tag as usize].replace(digest), None);
        for (tag, message) in messages.iter().enumerate() {
            batch.push(tag as u32, message, &mut done);
        }
        batch.flush(&mut done);
        batch.flush(&mut done);
        for (message, digest) in messages.iter().zip(digests) {
            assert_eq!(digest, Some(keccak256(message)), "{width:?}, {} bytes", message.len());
        }
    }

    #[test]
    fn a_batch_of_keys_hashes_in_order() {
        let keys: Vec<[u8; 20]> = (0..77).map(|i| [i; 20]).collect();
        let expected: Vec<B256> = keys.iter().map(keccak256).collect();
        assert_eq!(keccak256_batch(&keys), expected);
        assert!(keccak256_batch::<[u8; 20]>(&[]).is_empty());
    }

    #[test]
    fn every_length_hashes_as_one_by_one() {
        check(Width::One);
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                check(Width::Four);
            }
            if is_x86_feature_detected!("avx512f") {
                check(Width::Eight);
            }
        }
    }
}
