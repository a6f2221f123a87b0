//! Microseconds a recovery on one thread, in batches and one by one: median and best of several runs.
//!
//! `cargo run --release -p zg-recovery --example recovery_rate`
//!
//! Expected with AVX-512 IFMA: 8 to 12 µs from batches of 8 on, against 45 to 47 µs by libsecp256k1.

use secp256k1::{Message, SECP256K1, SecretKey};
use std::hint::black_box;
use std::time::Instant;
use zg_recovery::{Request, is_vectorised, recover, recover_one};

const RUNS: usize = 15;
/// Recoveries that a run makes, at least.
const RECOVERIES_MIN: usize = 400;
const BATCHES: [usize; 8] = [1, 2, 4, 8, 12, 64, 100, 1000];

fn request(number: usize) -> Request {
    let key = SecretKey::from_byte_array(&[1 + (number % 250) as u8; 32]).expect("a small number is a key");
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    let signature = SECP256K1.sign_ecdsa_recoverable(&Message::from_digest(hash), &key);
    let (parity, compact) = signature.serialize_compact();
    let half = |start: usize| core::array::from_fn(|index| compact[start + index]);
    Request { hash, r: half(0), s: half(32), odd: i32::from(parity) & 1 == 1 }
}

/// The median and the best time of `run`, which recovers `count` keys.
fn rate<T>(count: usize, mut run: impl FnMut() -> T) -> (f64, f64) {
    let rounds = RECOVERIES_MIN.div_ceil(count);
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            (0..rounds).for_each(|_| drop(black_box(run())));
            start.elapsed().as_secs_f64() * 1e6 / (rounds * count) as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[RUNS / 2], times[0])
}

fn main() {
    println!("the vector path is {}", if is_vectorised() { "on" } else { "off" });
    println!("{:>6} {:>20} {:>22} {:>6}", "batch", "batched (best)", "libsecp256k1 (best)", "ratio");
    for count in BATCHES {
        let requests: Vec<Request> = (0..count).map(request).collect();
        let batched = rate(count, || recover(&requests));
        let single = rate(count, || requests.iter().map(recover_one).collect::<Vec<_>>());
        println!(
            "{count:>6} {:>8.2} µs ({:>6.2}) {:>10.2} µs ({:>6.2}) {:>6.2}",
            batched.0,
            batched.1,
            single.0,
            single.1,
            single.1 / batched.1
        );
    }
}
