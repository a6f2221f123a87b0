//! What a batch of account updates costs, hashing included, with the whole trie in memory.
//!
//! `cargo run --release -p zg-trie --example update_rate [ACCOUNTS …]`: one core; random existing accounts change balance and
//! nonce. The new version replaces the old one, whose release is timed apart. Times are of the processor, so that what else
//! the machine does counts little.

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

fn change(account: u64, round: u64) -> AccountChange {
    let balance = U256::from(1_000_000_000_000_000_000u64 + round);
    AccountChange {
        key: keccak256(account.to_le_bytes()),
        account: Some(Account { nonce: round, balance, ..Account::default() }),
        wiped: false,
        storage: vec![],
    }
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|s| s.split(' ').nth(1)?.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// Processor time of this thread, µs.
fn cpu_us() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn spread(mut times: Vec<f64>) -> (f64, f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2], times[times.len() - 1])
}

fn main() -> Result<(), ViewError> {
    let sizes: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    for accounts in if sizes.is_empty() { vec![1_000_000] } else { sizes } {
        let before = resident_bytes();
        let start = cpu_us();
        let mut trie = StateTrie::empty();
        for chunk in (0..accounts).collect::<Vec<_>>().chunks(50_000) {
            trie = trie.update(&Nowhere, chunk.iter().map(|i| change(*i, 1)).collect())?.trie;
        }
        let each = (cpu_us() - start) / accounts as f64;
        let estimate = trie.memory_bytes() as f64 / accounts as f64;
        let resident = (resident_bytes() - before) as f64 / accounts as f64;
        println!("{accounts} accounts: built at {each:.2} µs each; {estimate:.0} bytes each ({resident:.0} resident)");

        let mut random = Random(accounts);
        for batch in BATCHES.into_iter().filter(|batch| *batch as u64 <= accounts) {
            let (mut updates, mut drops) = (Vec::new(), Vec::new());
            for run in 0..RUNS as u64 {
                let changes = (0..batch).map(|_| change(random.below(accounts), run + 2)).collect();
                let start = cpu_us();
                let next = trie.update(&Nowhere, changes)?.trie;
                let updated = cpu_us();
                trie = next;
                drops.push((cpu_us() - updated) / batch as f64);
                updates.push((updated - start) / batch as f64);
            }
            let ((low, median, high), (_, dropping, _)) = (spread(updates), spread(drops));
            println!(
                "  batch {batch:>6}: median {median:.2} µs an update ({low:.2} … {high:.2}), {:.0} updates/s; \
                 dropping the old version {dropping:.2} µs an update",
                1e6 / median
            );
        }
    }
    Ok(())
}
