//! Blocks that are not final: siblings, chains, and what finality does to them.

use crate::model::{Directory, Model, Random, address, execute, extend, genesis, hash, head_view, open};
use alloy_primitives::{B256, U256};
use zg_state::{At, StateError};
use zg_types::{Account, AccountDiff, SlotDiff, StateDiff, StateView};

#[test]
fn either_of_two_siblings_can_be_finalised() {
    for chosen in 0..2u64 {
        let directory = Directory::new();
        let state = open(&directory, None);
        let mut random = Random(7 + chosen);
        let base = genesis(&state, &mut random);
        let mut models = [base.clone(), base.clone()];
        for (fork, model) in models.iter_mut().enumerate() {
            let diff = model.random_block(&mut random);
            assert_eq!(execute(&state, hash(0, 0), hash(1, fork as u64), &diff), model.root());
        }
        for (fork, model) in models.iter().enumerate() {
            model.check(&state.view(At::Hash(hash(1, fork as u64))).expect("overlay"), "sibling");
        }
        base.check(&head_view(&state), "head below the siblings");
        state.finalise(hash(1, chosen)).expect("finalises");
        let model = &models[chosen as usize];
        assert_eq!(state.head(), (1, hash(1, chosen), model.root()));
        model.check(&head_view(&state), "finalised sibling");
        let lost = hash(1, 1 - chosen);
        assert_eq!(state.view(At::Hash(lost)).err(), Some(StateError::UnknownBlock(lost.to_string())));
        state.flush().expect("flushes");
        assert_eq!(state.verify().expect("consistent").2, model.root());
        model.check(&head_view(&state), "flushed sibling");
    }
}

#[test]
fn descendants_of_a_dropped_sibling_go_with_it_and_those_of_the_chosen_one_stay() {
    let directory = Directory::new();
    let state = open(&directory, None);
    let mut random = Random(3);
    let base = genesis(&state, &mut random);
    let mut tips: Vec<Model> = Vec::new();
    for fork in 0..2 {
        let mut model = base.clone();
        let mut parent = hash(0, 0);
        for number in 1..=3 {
            let diff = model.random_block(&mut random);
            assert_eq!(execute(&state, parent, hash(number, fork), &diff), model.root());
            parent = hash(number, fork);
        }
        tips.push(model);
    }
    assert!(matches!(state.finalise(hash(2, 1)), Err(StateError::NotChild { .. })));
    state.finalise(hash(1, 1)).expect("finalises");
    for number in 1..=3 {
        assert!(state.view(At::Hash(hash(number, 0))).is_err(), "block {number} of the dropped branch");
    }
    tips[1].check(&state.view(At::Hash(hash(3, 1))).expect("overlay"), "tip of the chosen branch");
    state.flush().expect("flushes");
    tips[1].check(&state.view(At::Hash(hash(3, 1))).expect("overlay"), "tip above the flushed head");
    state.finalise(hash(2, 1)).expect("finalises");
    state.finalise(hash(3, 1)).expect("finalises");
    tips[1].check(&head_view(&state), "finalised tip");
    assert_eq!(state.head().2, tips[1].root());
}

#[test]
fn a_block_prepared_on_a_parent_that_was_dropped_is_refused() {
    let directory = Directory::new();
    let state = open(&directory, None);
    let mut random = Random(4);
    let base = genesis(&state, &mut random);
    for fork in 0..2 {
        execute(&state, hash(0, 0), hash(1, fork), &base.clone().random_block(&mut random));
    }
    let late = state.prepare(hash(1, 1), StateDiff::default(), false).expect("prepares");
    state.finalise(hash(1, 0)).expect("finalises");
    assert_eq!(state.insert(hash(2, 1), late), Err(StateError::UnknownBlock(hash(1, 1).to_string())));
    assert!(matches!(state.prepare(hash(1, 1), StateDiff::default(), false), Err(StateError::UnknownBlock(_))));
    assert!(matches!(state.prepare(hash(0, 0), StateDiff::default(), false), Err(StateError::UnknownBlock(_))));
}

#[test]
fn blocks_that_wait_for_finality_are_bounded() {
    let directory = Directory::new();
    let state = open(&directory, None);
    state.init_genesis(hash(0, 0), &StateDiff::default()).expect("genesis");
    let add = |fork| state.insert(hash(1, fork), state.prepare(hash(0, 0), StateDiff::default(), false)?);
    (0..1024).for_each(|fork| add(fork).expect("inserts"));
    assert_eq!(add(1024), Err(StateError::TooManyOverlays(1024)));
    state.finalise(hash(1, 5)).expect("finalises");
    let next = state.prepare(hash(1, 5), StateDiff::default(), false).expect("prepares");
    assert_eq!(state.insert(hash(2, 0), next), Ok(()));
}

#[test]
fn wrong_before_values_are_named_when_they_are_checked() {
    let directory = Directory::new();
    let state = open(&directory, None);
    let account = Account { nonce: 1, balance: U256::from(5), ..Account::default() };
    let entry = |before, slot_before: u64| StateDiff {
        accounts: vec![AccountDiff {
            address: address(0),
            before,
            after: Some(account),
            wiped: false,
            storage: vec![SlotDiff { slot: U256::from(3), before: U256::from(slot_before), after: U256::from(8) }],
        }],
        codes: vec![],
    };
    state.init_genesis(hash(0, 0), &entry(None, 0)).expect("genesis");
    assert!(state.prepare(hash(0, 0), entry(Some(account), 8), true).is_ok());
    for wrong in [entry(None, 8), entry(Some(account), 7), entry(Some(Account { nonce: 2, ..account }), 8)] {
        assert!(matches!(state.prepare(hash(0, 0), wrong, true), Err(StateError::Mismatch(_))));
    }
}

#[test]
fn diffs_in_disorder_are_refused() {
    let directory = Directory::new();
    let state = open(&directory, None);
    state.init_genesis(hash(0, 0), &StateDiff::default()).expect("genesis");
    let create = |number| AccountDiff {
        address: address(number),
        before: None,
        after: Some(Account::default()),
        wiped: false,
        storage: vec![],
    };
    let diff = StateDiff { accounts: vec![create(2), create(1)], codes: vec![] };
    assert!(matches!(state.prepare(hash(0, 0), diff, false), Err(StateError::Mismatch(_))));
}

#[test]
fn nothing_can_be_asked_before_genesis_and_genesis_is_written_once() {
    let directory = Directory::new();
    let state = open(&directory, None);
    assert!(state.is_empty() && state.head().1 == B256::ZERO);
    assert!(matches!(state.view(At::Number(0)), Err(StateError::UnknownBlock(_))));
    assert!(matches!(state.prepare(B256::ZERO, StateDiff::default(), true), Err(StateError::UnknownBlock(_))));
    state.init_genesis(hash(0, 0), &StateDiff::default()).expect("genesis");
    assert_eq!(state.init_genesis(hash(0, 0), &StateDiff::default()), Err(StateError::NotEmpty));
}

#[test]
fn views_keep_their_answers_whatever_happens_after_them() {
    let directory = Directory::new();
    let state = open(&directory, Some(5));
    let mut random = Random(11);
    let mut model = genesis(&state, &mut random);
    let mut kept = vec![(model.clone(), head_view(&state))];
    for number in 1..=60u64 {
        let mut next = model.clone();
        let diff = next.random_block(&mut random);
        execute(&state, state.head().1, hash(number, 0), &diff);
        kept.push((next.clone(), state.view(At::Hash(hash(number, 0))).expect("overlay")));
        state.finalise(hash(number, 0)).expect("finalises");
        model = next;
        if number % 7 == 0 {
            state.flush().expect("flushes");
        }
        if number % 20 == 0 {
            state.compact();
        }
    }
    for (number, (model, view)) in kept.iter().enumerate() {
        assert_eq!(view.root(), model.root());
        model.check(view, &format!("view of block {number}"));
    }
}

#[test]
fn readers_on_other_threads_see_one_block_each_while_blocks_are_finalised_and_flushed() {
    let directory = Directory::new();
    let state = open(&directory, Some(20));
    let total = U256::from(1_000_000u64);
    let mut random = Random(5);
    let rich = |balance| Some(Account { nonce: 0, balance, ..Account::default() });
    let mut balances = vec![total / U256::from(20); 20];
    let create = |(number, balance): (u64, &U256)| AccountDiff {
        address: address(number),
        before: None,
        after: rich(*balance),
        wiped: false,
        storage: vec![],
    };
    let accounts = (0..).zip(&balances).map(create).collect();
    state.init_genesis(hash(0, 0), &StateDiff { accounts, codes: vec![] }).expect("genesis");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = || {
            let mut reads = 0u64;
            while !done.load(std::sync::atomic::Ordering::Relaxed) || reads == 0 {
                let view = match state.view(At::Hash(state.head().1)) {
                    Err(StateError::Missing(_)) => continue, // twenty blocks came between the two calls
                    view => view.expect("the head"),
                };
                let balance = |number| view.account(&address(number)).expect("reads").expect("exists").balance;
                let sum = (0..20).map(balance).fold(U256::ZERO, |sum, balance| sum + balance);
                assert_eq!(sum, total, "block {}", view.number());
                reads += 1;
            }
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        let flusher = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                state.flush().expect("flushes");
            }
        });
        for number in 1..=400u64 {
            let (from, to) = (random.below(20) as usize, random.below(20) as usize);
            if from == to {
                execute(&state, state.head().1, hash(number, 0), &StateDiff::default());
                state.finalise(hash(number, 0)).expect("finalises");
                continue;
            }
            let amount = balances[from] / U256::from(3);
            let mut change = |place: usize, after: U256| {
                let before = std::mem::replace(&mut balances[place], after);
                AccountDiff {
                    address: address(place as u64),
                    before: rich(before),
                    after: rich(after),
                    wiped: false,
                    storage: vec![],
                }
            };
            let (less, more) = (change(from, U256::ZERO), change(to, U256::ZERO));
            let (less_after, more_after) =
                (less.before.expect("rich").balance - amount, more.before.expect("rich").balance + amount);
            let mut accounts =
                vec![AccountDiff { after: rich(less_after), ..less }, AccountDiff { after: rich(more_after), ..more }];
            (balances[from], balances[to]) = (less_after, more_after);
            accounts.sort_by_key(|account| account.address);
            execute(&state, state.head().1, hash(number, 0), &StateDiff { accounts, codes: vec![] });
            state.finalise(hash(number, 0)).expect("finalises");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for thread in readers {
            thread.join().expect("a consistent reader");
        }
        flusher.join().expect("the flusher");
    });
    assert_eq!(extend_and_verify(&state), state.head().2);
}

/// The root that `verify` finds after everything is flushed.
fn extend_and_verify(state: &zg_state::State) -> B256 {
    state.flush().expect("flushes");
    state.verify().expect("consistent").2
}

#[test]
fn a_long_random_chain_agrees_with_the_model_through_flushes_and_prunings() {
    let directory = Directory::new();
    let state = open(&directory, Some(30));
    let mut random = Random(99);
    let mut model = genesis(&state, &mut random);
    for number in 1..=600u64 {
        extend(&state, &mut model, &mut random);
        if random.below(9) == 0 {
            state.flush().expect("flushes");
        }
        if number % 60 == 0 {
            model.check(&head_view(&state), &format!("head {number}"));
        }
    }
    state.flush().expect("flushes");
    let (accounts, slots, root) = state.verify().expect("consistent");
    assert_eq!(root, model.root());
    assert_eq!(accounts, model.accounts.len() as u64);
    assert_eq!(slots, model.accounts.values().map(|entry| entry.1.len() as u64).sum::<u64>());
}
