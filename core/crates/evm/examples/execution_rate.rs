//! How long a transaction takes to execute: medians over blocks on a state in memory.
//!
//! Prints µs a transaction for plain and ERC-20 transfers, to existing and to new receivers, `execute` and `build`, and µs
//! a message for `call` and `estimate_gas`. Transactions are signed and recovered beforehand; roots are not computed.

#[path = "../tests/support/mod.rs"]
mod support;

use alloy_primitives::{Address, U256};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{account, env, rich, signed, token, transfer};
use zg_chain::{CallFields, StateOverrides, Transaction};
use zg_evm::memory::MemoryState;
use zg_evm::{CallLimits, Engine, Limits, Skip, TransactionSource};

const SENDERS: u64 = 1000;
const TXS_PER_SENDER: u64 = 10;
const ROUNDS: usize = 15;
const TOKEN: Address = Address::repeat_byte(0x70);

/// Hands out a prepared list in order.
struct Prepared(VecDeque<Arc<Transaction>>);

impl TransactionSource for Prepared {
    fn next(&mut self) -> Option<Arc<Transaction>> {
        self.0.pop_front()
    }

    fn included(&mut self, _: &Transaction) {}

    fn skipped(&mut self, tx: &Transaction, why: Skip) {
        panic!("{} skipped: {why:?}", tx.hash);
    }
}

fn state() -> MemoryState {
    let mut state = rich(SENDERS);
    let balances = (0..SENDERS).map(|number| (token::balance_slot(account(number)), U256::from(1_000_000)));
    state.insert(TOKEN, 1, U256::ZERO, token::code(), balances);
    state
}

/// Receiver of transaction `n`: an account with coins and tokens, or one that nobody has seen.
fn receiver(n: u64, new: bool) -> Address {
    if new { Address::from_word(U256::from(0xdead_0000 + n).into()) } else { account((n * 7 + 3) % SENDERS) }
}

fn plain(new: bool) -> Vec<Arc<Transaction>> {
    (0..SENDERS * TXS_PER_SENDER).map(|n| transfer(n % SENDERS, n / SENDERS, receiver(n, new), 1)).collect()
}

fn erc20(new: bool) -> Vec<Arc<Transaction>> {
    let fields = |n| CallFields {
        to: Some(TOKEN),
        gas: Some(100_000),
        input: Some(token::transfer_input(receiver(n, new), 1)),
        ..CallFields::default()
    };
    (0..SENDERS * TXS_PER_SENDER).map(|n| signed(n % SENDERS, n / SENDERS, fields(n))).collect()
}

/// Median and spread over the rounds of the µs that each of `count` took.
fn measure(name: &str, count: usize, mut round: impl FnMut() -> usize) {
    let mut micros: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(round(), count);
            start.elapsed().as_secs_f64() * 1e6 / count as f64
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    println!("{name:40} {:6.2} µs   ({:.2} to {:.2})", micros[ROUNDS / 2], micros[0], micros[ROUNDS - 1]);
}

fn main() {
    let (engine, state, env) = (Engine::new(), state(), zg_evm::BlockEnv { gas_limit: 5_000_000_000, ..env() });
    for (name, txs) in [
        ("transfer, existing receivers", plain(false)),
        ("transfer, new receivers", plain(true)),
        ("ERC-20, existing receivers", erc20(false)),
        ("ERC-20, new receivers", erc20(true)),
    ] {
        measure(&format!("execute {name}"), txs.len(), || {
            let outcome = engine.execute(&state, &env, &txs).expect("valid");
            outcome.receipts.iter().filter(|receipt| receipt.success).count()
        });
        measure(&format!("build   {name}"), txs.len(), || {
            let limits = Limits { gas_budget: u64::MAX, max_body_bytes: usize::MAX, deadline: None };
            let mut source = Prepared(txs.iter().cloned().collect());
            engine.build(&state, &env, &mut source, limits).expect("valid").receipts.len()
        });
    }
    let message = CallFields {
        from: Some(account(0)),
        to: Some(TOKEN),
        input: Some(token::transfer_input(account(1), 1)),
        ..CallFields::default()
    };
    let limits = CallLimits { gas_cap: 50_000_000, timeout: Duration::from_secs(5) };
    let overrides = StateOverrides::default();
    measure("call ERC-20", 1000, || {
        (0..1000).filter(|_| engine.call(&state, &env, &message, &overrides, limits).is_ok()).count()
    });
    measure("estimate ERC-20", 1000, || {
        (0..1000).filter(|_| engine.estimate_gas(&state, &env, &message, &overrides, limits).is_ok()).count()
    });
}
