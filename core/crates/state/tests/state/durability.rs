//! What a restart finds.

use crate::model::{Directory, Random, execute, extend, genesis, hash, head_view, open, options};
use zg_state::{At, State, StateError};

#[test]
fn a_flushed_state_is_there_after_a_restart() {
    let directory = Directory::new();
    let mut random = Random(1);
    let state = open(&directory, None);
    let mut model = genesis(&state, &mut random);
    for _ in 0..50 {
        extend(&state, &mut model, &mut random);
    }
    let (number, block, root) = state.head();
    assert_eq!(state.flush().expect("flushes"), (number, block));
    drop(state);
    let state = open(&directory, None);
    assert_eq!((state.head(), state.flushed()), ((number, block, root), (number, block)));
    assert!(!state.is_empty());
    model.check(&head_view(&state), "reopened");
    assert_eq!(state.verify().expect("consistent").2, model.root());
    extend(&state, &mut model, &mut random);
}

#[test]
fn unflushed_blocks_are_lost_and_come_back_from_their_diffs() {
    let directory = Directory::new();
    let mut random = Random(2);
    let state = open(&directory, None);
    let mut model = genesis(&state, &mut random);
    let diffs: Vec<_> = (0..80)
        .map(|block| {
            let diff = extend(&state, &mut model, &mut random);
            if block == 29 {
                state.flush().expect("flushes");
            }
            diff
        })
        .collect();
    let head = state.head();
    assert!(state.pending_bytes() > 0);
    drop(state);
    let state = open(&directory, None);
    assert_eq!(state.flushed().0, 30);
    assert_eq!(state.head().0, 30);
    for (number, diff) in (1u64..).zip(&diffs).skip(30) {
        execute(&state, state.head().1, hash(number, 0), diff);
        state.finalise(hash(number, 0)).expect("finalises");
    }
    assert_eq!(state.head(), head);
    model.check(&head_view(&state), "replayed");
}

#[test]
fn genesis_alone_is_durable() {
    let directory = Directory::new();
    let model = genesis(&open(&directory, None), &mut Random(3));
    let state = open(&directory, None);
    assert_eq!(state.head(), (0, hash(0, 0), model.root()));
    model.check(&state.view(At::Number(0)).expect("genesis"), "reopened genesis");
}

#[test]
fn a_second_handle_on_one_directory_is_refused() {
    let directory = Directory::new();
    let first = open(&directory, None);
    assert!(matches!(State::open(directory.path(), options(None)), Err(StateError::Locked(_))));
    drop(first);
    open(&directory, None);
}

#[test]
fn a_flush_with_nothing_to_write_answers_with_the_last() {
    let directory = Directory::new();
    let state = open(&directory, None);
    genesis(&state, &mut Random(6));
    assert_eq!(state.flush(), Ok((0, hash(0, 0))));
    assert_eq!(state.pending_bytes(), 0);
}

#[test]
fn blocks_that_change_nothing_are_blocks() {
    let directory = Directory::new();
    let state = open(&directory, Some(4));
    let model = genesis(&state, &mut Random(6));
    for number in 1..=70 {
        execute(&state, hash(number - 1, 0), hash(number, 0), &Default::default());
        state.finalise(hash(number, 0)).expect("finalises");
    }
    state.flush().expect("flushes");
    drop(state);
    let state = open(&directory, Some(4));
    assert_eq!(state.head(), (70, hash(70, 0), model.root()));
    model.check(&state.view(At::Number(66)).expect("kept"), "an empty block");
}
