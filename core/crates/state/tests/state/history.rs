//! Reading the past.

use crate::model::{Directory, Model, Random, SLOTS, address, extend, genesis, open};
use alloy_primitives::{B256, U256, keccak256};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use zg_state::{At, State, StateError};

/// A chain of `blocks` random blocks with a model for each, flushed at random.
fn chain(state: &State, random: &mut Random, blocks: u64) -> Vec<Model> {
    let mut models = vec![genesis(state, random)];
    for _ in 0..blocks {
        let mut next = models.last().expect("genesis").clone();
        extend(state, &mut next, random);
        models.push(next);
        if random.below(12) == 0 {
            state.flush().expect("flushes");
        }
    }
    models
}

#[test]
fn an_archive_answers_as_of_every_block() {
    let directory = Directory::new();
    let state = open(&directory, None);
    let models = chain(&state, &mut Random(21), 260);
    let check = |state: &State, what: &str| {
        for (number, model) in models.iter().enumerate() {
            let view = state.view(At::Number(number as u64)).expect("kept");
            assert_eq!(view.root(), model.root(), "{what}: root of block {number}");
            model.check(&view, &format!("{what}: block {number}"));
        }
    };
    assert!(state.flushed().0 < 260, "some blocks are still in memory");
    check(&state, "partly flushed");
    state.flush().expect("flushes");
    check(&state, "flushed");
    drop(state);
    check(&open(&directory, None), "reopened");
}

#[test]
fn chunks_are_found_whether_blocks_are_flushed_one_by_one_or_all_together() {
    for flush_each in [true, false] {
        let directory = Directory::new();
        let state = open(&directory, None);
        let mut random = Random(5);
        let mut models = vec![genesis(&state, &mut random)];
        for _ in 0..200 {
            let mut next = models.last().expect("genesis").clone();
            extend(&state, &mut next, &mut random);
            models.push(next);
            if flush_each {
                state.flush().expect("flushes");
            }
        }
        state.flush().expect("flushes");
        for number in [0, 1, 62, 63, 64, 65, 127, 128, 190, 191, 192, 199, 200] {
            let view = state.view(At::Number(number)).expect("kept");
            models[number as usize].check(&view, &format!("block {number}, one by one: {flush_each}"));
        }
    }
}

#[test]
fn pruned_blocks_are_missing_and_the_last_ones_are_exact() {
    let keep = 100;
    let directory = Directory::new();
    let state = open(&directory, Some(keep));
    let models = chain(&state, &mut Random(8), 330);
    for flushed in [false, true] {
        if flushed {
            state.flush().expect("flushes");
        }
        for (number, model) in (0..).zip(&models) {
            let view = state.view(At::Number(number));
            if number < 330 - keep {
                let Err(StateError::Missing(text)) = view else { panic!("block {number} is not missing") };
                assert!(text.contains("(path )"), "{text}");
            } else {
                model.check(&view.expect("kept"), &format!("block {number}"));
            }
        }
    }
    assert!(matches!(state.view(At::Number(331)), Err(StateError::UnknownBlock(_))));
}

#[test]
fn a_chain_flushed_far_past_its_history_keeps_only_the_end() {
    let directory = Directory::new();
    let state = open(&directory, Some(3));
    let mut random = Random(17);
    let mut models = vec![genesis(&state, &mut random)];
    for _ in 0..150 {
        let mut next = models.last().expect("genesis").clone();
        extend(&state, &mut next, &mut random);
        models.push(next);
    }
    state.flush().expect("flushes");
    drop(state);
    let state = open(&directory, None);
    assert!(matches!(state.view(At::Number(146)), Err(StateError::Missing(_))), "gone, whatever is promised now");
    for number in 147..=150 {
        models[number as usize].check(&state.view(At::Number(number)).expect("kept"), "the end");
    }
}

/// Check a proof of every account and slot against the root with another implementation's verifier.
fn check_proofs(state: &State, at: At, model: &Model) {
    for number in (0..crate::model::ADDRESSES).step_by(5) {
        let address = address(number);
        let slots: Vec<U256> = (0..SLOTS).map(U256::from).collect();
        let proof = state.prove(at, address, &slots).expect("a proof");
        let entry = model.accounts.get(&address);
        assert_eq!(proof.account, entry.map(|entry| entry.0));
        let leaf = proof.account.map(|account| {
            alloy_rlp::encode(TrieAccount::new(account.nonce, account.balance, proof.storage_root, account.code_hash))
        });
        verify_proof(model.root(), Nibbles::unpack(keccak256(address)), leaf, &proof.account_proof).expect("verifies");
        for (slot, found) in slots.iter().zip(&proof.slots) {
            let word = entry.and_then(|entry| entry.1.get(slot)).copied().unwrap_or_default();
            assert_eq!(found.value, word);
            let leaf = (!word.is_zero()).then(|| alloy_rlp::encode(word));
            let key = keccak256(slot.to_be_bytes::<32>());
            verify_proof(proof.storage_root, Nibbles::unpack(key), leaf, &found.proof).expect("verifies");
        }
    }
}

#[test]
fn proofs_verify_at_overlays_at_the_head_and_in_the_past() {
    let directory = Directory::new();
    let state = open(&directory, None);
    let mut random = Random(34);
    let models = chain(&state, &mut random, 90);
    for number in [90, 89, 70, 33, 1, 0] {
        check_proofs(&state, At::Number(number), &models[number as usize]);
    }
    let mut above = models[90].clone();
    let diff = above.random_block(&mut random);
    let block = B256::repeat_byte(9);
    crate::model::execute(&state, state.head().1, block, &diff);
    check_proofs(&state, At::Hash(block), &above);
    state.flush().expect("flushes");
    drop(state);
    let state = open(&directory, None);
    for number in [90, 64, 0] {
        check_proofs(&state, At::Number(number), &models[number as usize]);
    }
}

#[test]
fn proofs_reach_256_blocks_back() {
    let directory = Directory::new();
    let state = open(&directory, None);
    let models = chain(&state, &mut Random(55), 260);
    check_proofs(&state, At::Number(4), &models[4]);
    assert!(matches!(state.prove(At::Number(3), address(0), &[]), Err(StateError::Missing(_))));
}
