//! Clean copies of flat records in front of LevelDB, bounded in bytes.
//!
//! The cache belongs to the newest disk layer. A flush first moves the generation on, which locks out readers of the
//! older layer, then brings the changed keys up to date, then publishes the new layer; a reader whose generation is not
//! the cache's goes straight to its own snapshot and leaves nothing behind.

use std::hash::{BuildHasher, Hash};
use std::mem::size_of;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::map::{DefaultHashBuilder, HashMap};
use alloy_primitives::{Address, B256, Bytes, U256};
use parking_lot::Mutex;
use zg_types::Account;

const SHARDS: usize = 16;

/// Two halves: entries enter the young one, which becomes the old one when it is full and the old one is forgotten. An
/// entry that is read while old is young again.
struct Shard<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    young_bytes: usize,
}

struct Table<K, V> {
    shards: Vec<Mutex<Shard<K, V>>>,
    hasher: DefaultHashBuilder,
    /// Limit of one half of one shard.
    half_bytes: usize,
    weigh: fn(&V) -> usize,
}

impl<K: Hash + Eq + Copy, V: Clone> Table<K, V> {
    fn new(bytes: usize, weigh: fn(&V) -> usize) -> Self {
        let shard = || Mutex::new(Shard { young: HashMap::default(), old: HashMap::default(), young_bytes: 0 });
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        Self { shards, hasher: DefaultHashBuilder::default(), half_bytes: bytes / SHARDS / 2, weigh }
    }

    fn shard(&self, key: &K) -> &Mutex<Shard<K, V>> {
        &self.shards[(self.hasher.hash_one(key) >> 48) as usize % SHARDS]
    }

    /// Memory of one entry, with the free room of its hash table.
    fn entry_bytes(&self, value: &V) -> usize {
        size_of::<(K, V)>() * 3 / 2 + (self.weigh)(value)
    }

    /// Look `key` up, if `allowed` says so under the shard's lock.
    fn get(&self, key: &K, allowed: impl FnOnce() -> bool) -> Option<V> {
        let mut shard = self.shard(key).lock();
        if !allowed() {
            return None;
        }
        if let Some(value) = shard.young.get(key) {
            return Some(value.clone());
        }
        let value = shard.old.get(key)?.clone();
        self.place(&mut shard, *key, value.clone());
        Some(value)
    }

    fn put(&self, key: K, value: V, allowed: impl FnOnce() -> bool) {
        let mut shard = self.shard(&key).lock();
        if allowed() {
            self.place(&mut shard, key, value);
        }
    }

    fn place(&self, shard: &mut Shard<K, V>, key: K, value: V) {
        let bytes = self.entry_bytes(&value);
        if bytes > self.half_bytes {
            shard.young.remove(&key);
            shard.old.remove(&key);
            return;
        }
        if shard.young_bytes + bytes > self.half_bytes {
            let Shard { young, old, young_bytes } = shard;
            std::mem::swap(young, old);
            young.clear();
            *young_bytes = 0;
        }
        if shard.young.insert(key, value).is_none() {
            shard.young_bytes += bytes;
        }
    }

    /// Forget the entries that `keep` refuses.
    fn retain(&self, keep: impl Fn(&K) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.young.retain(|key, _| keep(key));
            shard.old.retain(|key, _| keep(key));
        }
    }
}

/// Accounts (absent ones too), storage words and codes.
pub(crate) struct Cache {
    generation: AtomicU64,
    accounts: Table<Address, Option<Account>>,
    words: Table<(Address, U256), U256>,
    codes: Table<B256, Bytes>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Cache {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            generation: AtomicU64::new(0),
            accounts: Table::new(bytes * 3 / 8, |_| 0),
            words: Table::new(bytes * 3 / 8, |_| 0),
            codes: Table::new(bytes / 4, |code: &Bytes| code.len()),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Reads that the cache answered and that it did not.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    fn is(&self, generation: u64) -> bool {
        self.generation.load(Ordering::SeqCst) == generation
    }

    fn counted<V>(&self, found: Option<V>) -> Option<V> {
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(crate) fn account(&self, generation: u64, address: &Address) -> Option<Option<Account>> {
        self.counted(self.accounts.get(address, || self.is(generation)))
    }

    pub(crate) fn put_account(&self, generation: u64, address: Address, account: Option<Account>) {
        self.accounts.put(address, account, || self.is(generation));
    }

    pub(crate) fn word(&self, generation: u64, address: &Address, slot: &U256) -> Option<U256> {
        self.counted(self.words.get(&(*address, *slot), || self.is(generation)))
    }

    pub(crate) fn put_word(&self, generation: u64, address: Address, slot: U256, word: U256) {
        self.words.put((address, slot), word, || self.is(generation));
    }

    /// Code is addressed by its hash: every generation agrees on it.
    pub(crate) fn code(&self, hash: &B256) -> Option<Bytes> {
        self.counted(self.codes.get(hash, || true))
    }

    pub(crate) fn put_code(&self, hash: B256, code: Bytes) {
        self.codes.put(hash, code, || true);
    }

    /// Lock out the readers of the older layers; returns the generation of the layer to come.
    pub(crate) fn advance(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Forget all words of these accounts.
    pub(crate) fn forget_words(&self, wiped: &[Address]) {
        if !wiped.is_empty() {
            let wiped: alloy_primitives::map::HashSet<&Address> = wiped.iter().collect();
            self.words.retain(|(address, _)| !wiped.contains(address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_generation_neither_reads_nor_writes() {
        let cache = Cache::new(1 << 20);
        let address = Address::repeat_byte(1);
        cache.put_account(0, address, None);
        assert_eq!(cache.account(0, &address), Some(None));
        let generation = cache.advance();
        cache.put_account(0, address, Some(Account::default()));
        assert_eq!(cache.account(0, &address), None);
        assert_eq!(cache.account(generation, &address), Some(None));
    }

    #[test]
    fn the_size_is_bounded_and_recent_entries_stay() {
        let cache = Cache::new(1 << 16);
        let hot = (Address::repeat_byte(9), U256::ZERO);
        cache.put_word(0, hot.0, hot.1, U256::from(5));
        for slot in 0..100_000u64 {
            cache.put_word(0, Address::ZERO, U256::from(slot), U256::from(slot));
            assert_eq!(cache.word(0, &hot.0, &hot.1), Some(U256::from(5)));
        }
        let held: usize = cache.words.shards.iter().map(|s| s.lock()).map(|s| s.young.len() + s.old.len()).sum();
        assert!(held * size_of::<((Address, U256), U256)>() <= (1 << 16) * 3 / 8, "{held} entries");
    }

    #[test]
    fn wiped_accounts_lose_their_words_only() {
        let cache = Cache::new(1 << 20);
        let (gone, kept) = (Address::repeat_byte(1), Address::repeat_byte(2));
        for address in [gone, kept] {
            cache.put_word(0, address, U256::from(1), U256::from(7));
        }
        cache.forget_words(&[gone]);
        assert_eq!(cache.word(0, &gone, &U256::from(1)), None);
        assert_eq!(cache.word(0, &kept, &U256::from(1)), Some(U256::from(7)));
    }
}
