//! Contract code after jump analysis, shared by all blocks and calls of an engine.
//!
//! Two generations: what is asked for lands in the young one, and when that is full it becomes the old one and the former
//! old one is dropped. So code in use stays, and at most twice [`GENERATION_MAX_BYTES`] of code is held.

use alloy_primitives::B256;
use alloy_primitives::map::B256Map;
use revm::bytecode::Bytecode;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Code bytes in one generation.
pub(crate) const GENERATION_MAX_BYTES: usize = 32 * 1024 * 1024;

#[derive(Debug, Default)]
struct Generations {
    young: B256Map<Bytecode>,
    young_bytes: usize,
    old: B256Map<Bytecode>,
}

/// Analysed code by its keccak hash.
#[derive(Debug)]
pub(crate) struct CodeCache {
    generations: Mutex<Generations>,
    generation_max_bytes: usize,
}

impl Default for CodeCache {
    fn default() -> Self {
        Self::bounded(GENERATION_MAX_BYTES)
    }
}

impl CodeCache {
    /// A cache whose generations hold `generation_max_bytes` of code each.
    pub(crate) fn bounded(generation_max_bytes: usize) -> Self {
        Self { generations: Mutex::default(), generation_max_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        // A panic elsewhere cannot leave the maps inconsistent: entries are immutable and complete.
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The code with this hash when it is held.
    pub(crate) fn get(&self, hash: &B256) -> Option<Bytecode> {
        let mut generations = self.lock();
        if let Some(code) = generations.young.get(hash) {
            return Some(code.clone());
        }
        let code = generations.old.remove(hash)?;
        self.put(&mut generations, *hash, code.clone());
        Some(code)
    }

    /// Hold `code`, which must have this hash.
    pub(crate) fn insert(&self, hash: B256, code: Bytecode) {
        self.put(&mut self.lock(), hash, code);
    }

    fn put(&self, generations: &mut Generations, hash: B256, code: Bytecode) {
        let size = code.len();
        if generations.young_bytes + size > self.generation_max_bytes {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_bytes = 0;
        }
        if generations.young.insert(hash, code).is_none() {
            generations.young_bytes += size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Bytes, keccak256};

    fn code(seed: u8) -> (B256, Bytecode) {
        let bytes = Bytes::from(vec![seed; 100]);
        (keccak256(&bytes), Bytecode::new_raw(bytes))
    }

    #[test]
    fn code_that_is_used_outlives_code_that_is_not() {
        let cache = CodeCache::bounded(300);
        let (used, _) = code(0);
        for seed in 0..20 {
            let (hash, bytecode) = code(seed);
            cache.insert(hash, bytecode);
            assert!(cache.get(&used).is_some(), "lost after {seed}");
            let generations = cache.lock();
            assert!(generations.young.len() <= 3 && generations.old.len() <= 3);
        }
        assert!(cache.get(&code(1).0).is_none());
    }
}
