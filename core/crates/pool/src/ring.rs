//! Hashes that wait to be collected.

use alloy_primitives::B256;
use std::collections::VecDeque;

/// Hashes that a ring keeps at most: 2 MiB.
const RING_HASHES_MAX: usize = 65_536;

/// A bounded list that forgets its oldest when nobody collects it.
#[derive(Default)]
pub(crate) struct Ring {
    hashes: VecDeque<B256>,
}

impl Ring {
    pub(crate) fn push(&mut self, hash: B256) {
        if self.hashes.len() == RING_HASHES_MAX {
            self.hashes.pop_front();
        }
        self.hashes.push_back(hash);
    }

    pub(crate) fn take(&mut self) -> Vec<B256> {
        std::mem::take(&mut self.hashes).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_forgets_the_oldest() {
        let mut ring = Ring::default();
        let hash = |n: usize| B256::left_padding_from(&n.to_be_bytes());
        (0..RING_HASHES_MAX + 2).for_each(|n| ring.push(hash(n)));
        let taken = ring.take();
        assert_eq!(taken.len(), RING_HASHES_MAX);
        assert_eq!(taken[0], hash(2));
        assert!(ring.take().is_empty());
    }
}
