//! SHA-256, two equally long messages at a time where the processor has the instructions: their rounds depend on one
//! another within a message, so that one message alone leaves half of the machine idle.

use sha2::{Digest as _, Sha256};

#[cfg(target_arch = "x86_64")]
use crate::sha_ni;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// The digest of the parts joined.
pub(crate) fn of(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// The digest of `prefix ‖ message` for each of the messages of `size` bytes in a row; the last may be shorter. There are
/// as many digests as messages.
pub(crate) fn many(prefix: u8, messages: &[u8], size: usize, digests: &mut [Digest]) {
    debug_assert_eq!(messages.len().div_ceil(size), digests.len());
    let mut rest = messages.chunks(size).zip(digests);
    #[cfg(target_arch = "x86_64")]
    if let Some(lanes) = sha_ni::TwoLanes::detect().filter(|_| size >= sha_ni::MESSAGE_MIN_BYTES) {
        while let Some((first, digest)) = rest.next() {
            match rest.next() {
                Some((second, other)) if second.len() == first.len() => {
                    [*digest, *other] = lanes.digests(prefix, [first, second]);
                }
                last => {
                    *digest = of(&[&[prefix], first]);
                    if let Some((second, other)) = last {
                        *other = of(&[&[prefix], second]);
                    }
                }
            }
        }
        return;
    }
    rest.by_ref().for_each(|(message, digest)| *digest = of(&[&[prefix], message]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_have_the_digests_that_each_has_alone() {
        let bytes: Vec<u8> = (0..4096u32).map(|i| ((i * i) >> 3) as u8).collect();
        for size in [1, 16, 55, 62, 63, 64, 65, 118, 119, 120, 127, 128, 192, 1000, 1024] {
            for length in [size, 2 * size, 3 * size, 3 * size + size / 2 + 1] {
                let messages = &bytes[..length.min(bytes.len())];
                let mut digests = vec![[0; 32]; messages.len().div_ceil(size)];
                many(7, messages, size, &mut digests);
                let alone: Vec<Digest> = messages.chunks(size).map(|message| of(&[&[7], message])).collect();
                assert_eq!(digests, alone, "{size} {length}");
            }
        }
    }
}
