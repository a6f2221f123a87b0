//! What a batch of updates costs, hashing included, with the whole trie in memory.
//!
//! `cargo run --release -p zg-trie --example update_rate [COUNT …]` builds a state of COUNT plain accounts, then one of a single
//! contract with COUNT storage words, and updates random ones. The new version replaces the old one, whose release is timed
//! apart. Times are of the processor, on one core, so that what else the machine does counts little.

use alloy_primitives::{B256, U256, keccak256};
use zg_trie::{AccountChange, NodeSource, StateTrie};
use zg_types::{Account, ViewError};

const RUNS: usize = 15;
const BATCHES: [usize; 5] = [1, 200, 5_000, 20_000, 100_000];

struct Nowhere;

impl NodeSource for Nowhere {
    fn node(&self, _: Option<&B256>, _: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(None)
    }
}

/// A splitmix64 generator: fixed seed, good enough to pick accounts.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d049bb133111eb);
        (z ^ z >> 31) % bound
    }
}

/// A change of each item of a batch.
type Changes = fn(&[u64], u64) -> Vec<AccountChange>;

fn accounts(batch: &[u64], round: u64) -> Vec<AccountChange> {
    let balance = U256::from(1_000_000_000_000_000_000u64 + round);
    let account = Some(Account { nonce: round, balance, ..Account::default() });
    let change =
        |i: &u64| AccountChange { key: keccak256(i.to_le_bytes()), account, wiped: false, storage: Vec::new() };
    batch.iter().map(change).collect()
}

fn words(batch: &[u64], round: u64) -> Vec<AccountChange> {
    let word = U256::from(1_000_000_000_000_000_000u64 + round);
    let storage = batch.iter().map(|i| (keccak256(i.to_le_bytes()), word)).collect();
    let account = Some(Account { code_hash: B256::repeat_byte(1), ..Account::default() });
    vec![AccountChange { key: keccak256("contract"), account, wiped: false, storage }]
}

/// Processor time of this thread, µs.
fn cpu_us() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn resident_bytes() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|s| s.split(' ').nth(1)?.parse::<f64>().ok()).unwrap_or(0.0) * 4096.0
}

/// Median, least, greatest.
fn spread(mut times: Vec<f64>) -> (f64, f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0], times[times.len() - 1])
}

fn measure(name: &str, count: u64, changes: Changes) -> Result<(), ViewError> {
    let (resident, start) = (resident_bytes(), cpu_us());
    let mut trie = StateTrie::empty();
    for chunk in (0..count).collect::<Vec<_>>().chunks(50_000) {
        trie = trie.update(&Nowhere, changes(chunk, 1))?.trie;
    }
    let (each, count_f) = ((cpu_us() - start) / count as f64, count as f64);
    let (estimate, resident) = (trie.memory_bytes() as f64 / count_f, (resident_bytes() - resident) / count_f);
    println!("{count} {name}: built at {each:.2} µs each; {estimate:.0} bytes each ({resident:.0} resident)");

    let mut random = Random(count);
    for batch in BATCHES.into_iter().filter(|batch| *batch as u64 <= count) {
        let (mut updates, mut drops) = (Vec::new(), Vec::new());
        for run in 0..RUNS as u64 {
            let items: Vec<u64> = (0..batch).map(|_| random.below(count)).collect();
            let batch_changes = changes(&items, run + 2);
            let start = cpu_us();
            let next = trie.update(&Nowhere, batch_changes)?.trie;
            let updated = cpu_us();
            trie = next;
            drops.push((cpu_us() - updated) / batch as f64);
            updates.push((updated - start) / batch as f64);
        }
        let ((median, low, high), (dropping, ..)) = (spread(updates), spread(drops));
        println!(
            "  batch {batch:>6}: median {median:.2} µs an update ({low:.2} … {high:.2}), {:.0} updates/s; \
             dropping the old version {dropping:.2} µs",
            1e6 / median
        );
    }
    let start = cpu_us();
    let mut nodes = 0;
    trie.collect_unsaved(&mut |_, _, _| nodes += 1);
    let collecting = (cpu_us() - start) / nodes as f64;
    let start = cpu_us();
    let pruned = trie.prune(trie.memory_bytes() / 2);
    let (pruning, kept) = ((cpu_us() - start) / 1e3, pruned.memory_bytes() as f64 / trie.memory_bytes() as f64);
    println!(
        "  collected {nodes} nodes at {collecting:.2} µs each; pruned to {kept:.2} of the memory in {pruning:.0} ms"
    );
    Ok(())
}

fn main() -> Result<(), ViewError> {
    let counts: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    for count in if counts.is_empty() { vec![1_000_000] } else { counts } {
        measure("accounts", count, accounts)?;
        measure("words of one contract", count, words)?;
    }
    Ok(())
}
