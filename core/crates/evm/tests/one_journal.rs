//! A block of n transactions leaves the state that n blocks of one transaction each leave.
//!
//! The engine keeps one journal for a whole block. This drives it through seeded random mixtures of what a journal could
//! get wrong from one transaction to the next: reverts, refunds, creation at one address again and again, destruction,
//! delegation, slots written to and fro, accounts that come and go.

mod support;

use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, Bytes, U256, keccak256};
use std::sync::Arc;
use support::{CHAIN_ID, account, contracts, env, key, rich, signed, token};
use zg_chain::{CallFields, Receipt, Transaction, signature};
use zg_evm::Engine;
use zg_evm::memory::MemoryState;
use zg_types::StateView;

const ACCOUNTS: u64 = 6;
const PHOENIX: Address = Address::repeat_byte(0xd0);
const SETTER: Address = Address::repeat_byte(0xd1);
const TOKEN: Address = Address::repeat_byte(0xd2);
const REVERTER: Address = Address::repeat_byte(0xd3);

/// A reproducible sequence of numbers.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = u64::from_be_bytes(keccak256(self.0.to_be_bytes())[..8].try_into().expect("8 bytes"));
        self.0 % bound
    }
}

fn start() -> MemoryState {
    let mut state = rich(ACCOUNTS);
    state.insert(PHOENIX, 1, U256::from(1_000), contracts::phoenix(), []);
    state.insert(SETTER, 1, U256::ZERO, contracts::setter(), [(U256::from(1), U256::from(1))]);
    state.insert(REVERTER, 1, U256::ZERO, contracts::reverter(), []);
    let balances = (0..ACCOUNTS).map(|number| (token::balance_slot(account(number)), U256::from(2)));
    state.insert(TOKEN, 1, U256::ZERO, token::code(), balances);
    state
}

/// The next nonce of account `number`.
fn nonce(state: &MemoryState, number: u64) -> u64 {
    state.account(&account(number)).expect("in memory").expect("rich").nonce
}

/// A transaction that is valid on `state`.
fn random(seeded: &mut Seeded, state: &MemoryState) -> Arc<Transaction> {
    let number = seeded.below(ACCOUNTS);
    let other = account(seeded.below(ACCOUNTS));
    let call = |to: Address, gas: u64, input: Bytes| CallFields {
        to: Some(to),
        gas: Some(gas),
        input: Some(input),
        ..CallFields::default()
    };
    let pay = |to: Address, wei: u64| CallFields {
        to: Some(to),
        gas: Some(60_000),
        value: Some(U256::from(wei)),
        ..CallFields::default()
    };
    let fields = match seeded.below(9) {
        0 => call(PHOENIX, 500_000, Bytes::new()),
        1 => call(PHOENIX, 500_000, Bytes::from_static(b"x")),
        2 => call(PHOENIX, 40_000 + seeded.below(100_000), Bytes::from_static(b"x")),
        3 => pay(contracts::child(PHOENIX), seeded.below(2)),
        4 => {
            let words = [seeded.below(3), seeded.below(3)].map(|word| U256::from(word).to_be_bytes::<32>());
            call(if seeded.below(2) == 0 { SETTER } else { other }, 60_000, words.concat().into())
        }
        5 => call(TOKEN, 100_000, token::transfer_input(other, 1)),
        6 => call(REVERTER, 60_000, Bytes::new()),
        7 => {
            let signer = seeded.below(ACCOUNTS);
            // A sender's nonce has gone up by the time its own authorization is looked at.
            let nonce = nonce(state, signer) + u64::from(signer == number);
            let address = [SETTER, Address::ZERO, PHOENIX][seeded.below(3) as usize];
            let inner = Authorization { chain_id: U256::from(CHAIN_ID), address, nonce };
            let signature = signature::sign(&inner.signature_hash(), &key(signer)).expect("a key");
            let list = vec![inner.into_signed(signature)];
            CallFields { authorization_list: Some(list), ..call(other, 200_000, Bytes::new()) }
        }
        _ => pay(Address::with_last_byte(seeded.below(40) as u8), seeded.below(3)),
    };
    signed(number, nonce(state, number), fields)
}

#[test]
fn a_block_of_many_is_as_many_blocks_of_one() {
    let engine = Engine::new();
    let mut failed = 0;
    for seed in 0..60 {
        let mut seeded = Seeded(seed);
        let mut single = start();
        let (mut txs, mut receipts, mut gas_used) = (Vec::new(), Vec::new(), 0);
        for _ in 0..40 {
            txs.push(random(&mut seeded, &single));
            let one = engine.execute(&single, &env(), &txs[txs.len() - 1..]).unwrap();
            single.apply(&one.diff).unwrap();
            gas_used += one.gas_used;
            receipts.extend(one.receipts.into_iter().map(|one| Receipt { cumulative_gas_used: gas_used, ..one }));
        }
        failed += receipts.iter().filter(|receipt| !receipt.success).count();
        let mut whole = start();
        let outcome = engine.execute(&whole, &env(), &txs).unwrap();
        whole.apply(&outcome.diff).unwrap();
        assert_eq!(outcome.receipts, receipts, "seed {seed}");
        assert_eq!(whole.root(), single.root(), "seed {seed}");
        whole.revert(&outcome.diff).unwrap();
        assert_eq!(whole.root(), start().root(), "seed {seed}");
    }
    assert!(failed > 100, "the mixture must hold failures: {failed}");
}
