//! Build a large state, then load it with transfers between random accounts; prints rates, memory and disk use.
//!
//! ```text
//! cargo run --release -p zg-state --example large_state -- [accounts] [cache MB] [seconds] [directory]
//! ```
//! Blocks of 2,000 transfers: each reads two random accounts through a view of the parent and writes them back. A second
//! thread flushes whenever half the cache's size is pending, as a node does.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256};
use zg_state::{At, Options, State, StateError};
use zg_types::{Account, AccountDiff, StateDiff, StateView};

const NEW_PER_BLOCK: u64 = 10_000;
const TRANSFERS: u64 = 2_000;
const FUNDS: u64 = 1_000_000_000;

fn main() -> Result<(), StateError> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (accounts, cache_mb, seconds) = (number(1_000_000), number(64), number(20));
    let given = arguments.next().map(PathBuf::from);
    let path =
        given.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("large-state-{}", std::process::id())));
    let options = Options { cache_bytes: (cache_mb as usize) << 20, history_blocks: Some(10_000) };
    let state = State::open(&path, options)?;
    println!("{accounts} accounts, cache {cache_mb} MB, {}", path.display());
    if state.is_empty() {
        build(&state, accounts, options.cache_bytes / 2, &path)?;
    }
    load(&state, accounts, options.cache_bytes / 2, Duration::from_secs(seconds), &path)?;
    let start = Mark::now();
    let (found, _, root) = state.verify()?;
    println!("         root {root}");
    report("verify", start, found, "accounts", &path);
    drop(state);
    if given.is_none() {
        std::fs::remove_dir_all(&path).map_err(|e| StateError::Io(e.to_string()))?;
    }
    Ok(())
}

/// Create all accounts, `NEW_PER_BLOCK` a block.
fn build(state: &State, accounts: u64, flush_at: usize, path: &Path) -> Result<(), StateError> {
    let start = Mark::now();
    state.init_genesis(B256::ZERO, &StateDiff::default())?;
    let funded = Account { balance: U256::from(FUNDS), ..Account::default() };
    for first in (0..accounts).step_by(NEW_PER_BLOCK as usize) {
        let numbers = first..accounts.min(first + NEW_PER_BLOCK);
        append(state, numbers.map(|number| (address(number), None, Some(funded))).collect())?;
        if state.pending_bytes() > flush_at {
            state.flush()?;
        }
    }
    state.flush()?;
    report("build", start, accounts, "accounts", path);
    Ok(())
}

/// Transfers between random accounts for `time`, flushing on another thread.
fn load(state: &State, accounts: u64, flush_at: usize, time: Duration, path: &Path) -> Result<(), StateError> {
    let done = AtomicBool::new(false);
    let mut random = 1u64;
    let (mut transfers, mut reading, mut writing) = (0, Duration::ZERO, Duration::ZERO);
    let start = Mark::now();
    std::thread::scope(|scope| {
        let flusher = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if state.pending_bytes() > flush_at {
                    state.flush()?;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            state.flush()
        });
        while start.at.elapsed() < time {
            let begin = Instant::now();
            let view = state.view(At::Hash(state.head().1))?;
            let mut changed = alloy_primitives::map::HashMap::<Address, (Account, Account)>::default();
            for _ in 0..2 * TRANSFERS {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let address = address((random >> 33) % accounts);
                let before = view.account(&address)?.unwrap_or_default();
                let after = &mut changed.entry(address).or_insert((before, before)).1;
                after.nonce += 1;
                after.balance += U256::from(1);
            }
            let read = Instant::now();
            append(state, changed.into_iter().map(|(address, (old, new))| (address, Some(old), Some(new))).collect())?;
            reading += read - begin;
            writing += read.elapsed();
            transfers += TRANSFERS;
        }
        done.store(true, Ordering::Relaxed);
        flusher.join().expect("the flusher does not panic").map(|_| ())
    })?;
    report("load", start, transfers, "transfers", path);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / transfers as f64;
    println!("         {:.1} µs reading, {:.1} µs writing a transfer", each(reading), each(writing));
    println!("         {:?}", state.stats());
    Ok(())
}

/// Apply and finalise one block on the head.
fn append(state: &State, mut changes: Vec<(Address, Option<Account>, Option<Account>)>) -> Result<(), StateError> {
    changes.sort_unstable_by_key(|change| change.0);
    changes.dedup_by_key(|change| change.0);
    let entry = |(address, before, after)| AccountDiff { address, before, after, wiped: false, storage: Vec::new() };
    let diff = StateDiff { accounts: changes.into_iter().map(entry).collect(), codes: Vec::new() };
    let (number, parent, _) = state.head();
    let hash = B256::from(U256::from(number + 1));
    state.insert(hash, state.prepare(parent, diff, false)?)?;
    state.finalise(hash)
}

/// 20 bytes that look random, from a number.
fn address(number: u64) -> Address {
    let mut bytes = [0; 20];
    for (place, chunk) in bytes.chunks_mut(8).enumerate() {
        let mut z = number.wrapping_add((place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
    }
    Address::new(bytes)
}

/// A point in time, and the processor time used up to it.
struct Mark {
    at: Instant,
    processor: f64,
}

impl Mark {
    fn now() -> Self {
        // Fields 14 and 15 of proc_pid_stat(5): user and system time in hundredths of a second.
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let ticks = stat.split_whitespace().skip(13).take(2).filter_map(|field| field.parse::<f64>().ok());
        Self { at: Instant::now(), processor: ticks.sum::<f64>() / 100.0 }
    }
}

fn report(what: &str, start: Mark, count: u64, unit: &str, path: &Path) {
    let seconds = start.at.elapsed().as_secs_f64();
    let rate = count as f64 / seconds;
    let each = (Mark::now().processor - start.processor) * 1e6 / count as f64;
    println!("{what:8} {count} {unit} in {seconds:.1} s: {rate:.0}/s, {each:.1} µs CPU each");
    println!("         {}, disk {} MB", memory(), disk_bytes(path) >> 20);
}

/// Resident memory now and at its highest.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let megabytes = |name| field(name).map_or("?".into(), |kilobytes| (kilobytes >> 10).to_string());
    format!("RSS {} MB (highest {} MB)", megabytes("VmRSS"), megabytes("VmHWM"))
}

fn disk_bytes(path: &Path) -> u64 {
    let files = std::fs::read_dir(path).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}
