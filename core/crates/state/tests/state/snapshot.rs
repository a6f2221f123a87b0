//! A state on its way to another directory.

use crate::model::{Directory, Model, Random, extend, genesis, open};
use alloy_primitives::B256;
use zg_state::{At, Import, Position, Reader, State, StateError};

const CACHE: usize = 1 << 16;

/// A chain of `blocks` random blocks, flushed at random, with its models.
fn chain(state: &State, seed: u64, blocks: u64) -> Vec<Model> {
    let random = &mut Random(seed);
    let mut models = vec![genesis(state, random)];
    for _ in 0..blocks {
        let mut next = models.last().expect("genesis").clone();
        extend(state, &mut next, random);
        models.push(next);
        if random.below(9) == 0 {
            state.flush().expect("flushes");
        }
    }
    models
}

/// All chunks, with where each ends.
fn chunks(reader: &Reader) -> Vec<Vec<u8>> {
    let (mut out, mut after): (_, Option<Position>) = (Vec::new(), None);
    loop {
        let (bytes, end) = reader.chunk(after).expect("reads");
        out.push(bytes);
        match end {
            Some(end) => after = Some(end),
            None => return out,
        }
    }
}

fn import(directory: &Directory, reader: &Reader) -> Import {
    let (number, hash, root) = reader.block();
    Import::open(directory.path(), CACHE, number, hash, root).expect("opens")
}

#[test]
fn the_state_of_every_kept_block_arrives_whole_in_another_directory() {
    let source = Directory::new();
    let state = open(&source, None);
    let models = chain(&state, 3, 90);
    for (number, model) in models.iter().enumerate().step_by(13) {
        for chunk_bytes in [1, 300, 1 << 20] {
            let reader = state.snapshot(number as u64, chunk_bytes).expect("kept");
            let target = Directory::new();
            let mut import = import(&target, &reader);
            for (index, chunk) in chunks(&reader).iter().enumerate() {
                import.add(index as u32, chunk).expect("sound");
            }
            import.finish().expect("the root is right");
            let copy = open(&target, None);
            assert_eq!(copy.head(), reader.block());
            assert_eq!(copy.verify().expect("sound").2, model.root());
            model.check(&copy.view(At::Number(number as u64)).expect("kept"), &format!("block {number}"));
        }
    }
}

#[test]
fn chunks_are_the_same_whenever_they_are_cut() {
    let source = Directory::new();
    let state = open(&source, None);
    let mut model = chain(&state, 4, 40).pop().expect("the head");
    let early = state.snapshot(40, 400).expect("the head");
    let before = chunks(&early);
    let random = &mut Random(99);
    (0..30).for_each(|_| drop(extend(&state, &mut model, random)));
    let late = state.snapshot(40, 400).expect("kept");
    assert_eq!(chunks(&late), before, "changes that are still in memory are not seen");
    state.flush().expect("flushes");
    assert_eq!(chunks(&early), before, "a reader is not disturbed by later blocks");
    assert_eq!(chunks(&state.snapshot(40, 400).expect("kept")), before, "what was flushed is undone");
    assert!(before.len() > 5, "several chunks");
}

#[test]
fn an_import_goes_on_after_every_interruption_and_is_no_state_before_its_end() {
    let source = Directory::new();
    let state = open(&source, None);
    chain(&state, 5, 30);
    let reader = state.snapshot(30, 200).expect("the head");
    let chunks = chunks(&reader);
    let target = Directory::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let mut opened = import(&target, &reader);
        assert_eq!(opened.next(), index as u32);
        opened.add(index as u32, chunk).expect("sound");
        drop(opened);
        let half = State::open(target.path(), crate::model::options(None)).err();
        assert!(matches!(half, Some(StateError::Corrupt(text)) if text.contains("never finished")));
    }
    let whole = import(&target, &reader);
    let (accounts, slots) = whole.counts();
    whole.finish().expect("the root is right");
    let copy = open(&target, None);
    assert_eq!(copy.verify(), Ok((accounts, slots, reader.block().2)));
    drop(copy);
    let (number, hash, root) = reader.block();
    assert_eq!(Import::open(target.path(), CACHE, number, hash, root).err(), Some(StateError::NotEmpty));
}

#[test]
fn a_copied_state_goes_on_with_the_chain() {
    let source = Directory::new();
    let state = open(&source, None);
    let mut model = chain(&state, 6, 20).pop().expect("the head");
    let reader = state.snapshot(20, 500).expect("the head");
    let target = Directory::new();
    let mut import = import(&target, &reader);
    for (index, chunk) in chunks(&reader).iter().enumerate() {
        import.add(index as u32, chunk).expect("sound");
    }
    import.finish().expect("the root is right");
    let copy = open(&target, Some(16));
    let random = &mut Random(8);
    for number in 0..150 {
        extend(&copy, &mut model, random);
        if number % 11 == 0 {
            copy.flush().expect("flushes");
        }
    }
    copy.flush().expect("flushes");
    assert_eq!(copy.verify().expect("sound").2, model.root());
    drop(copy);
    model.check(&crate::model::head_view(&open(&target, Some(16))), "reopened");
}

#[test]
fn false_chunks_never_become_a_state() {
    let source = Directory::new();
    let state = open(&source, None);
    let mut model = chain(&state, 7, 12).pop().expect("the head");
    let honest = state.snapshot(12, 400).expect("the head");
    let chunks = chunks(&honest);
    extend(&state, &mut model, &mut Random(1));
    let (bytes, _) = state.snapshot(13, 400).expect("the head").chunk(None).expect("reads");

    let target = Directory::new();
    let mut opened = import(&target, &honest);
    assert!(matches!(opened.add(1, &chunks[1]), Err(StateError::Chunk(_))), "not the first");
    opened.add(0, &chunks[0]).expect("sound");
    assert!(matches!(opened.add(1, &chunks[0]), Err(StateError::Chunk(_))), "the same accounts again");
    opened.add(1, &chunks[1]).expect("a refused chunk has changed nothing");
    assert!(matches!(opened.finish(), Err(StateError::Mismatch(_))), "not all of it");

    let other = Directory::new();
    let mut opened = import(&other, &honest);
    opened.add(0, &bytes).expect("it parses");
    assert!(matches!(opened.finish(), Err(StateError::Mismatch(_))), "another state");
    let (number, hash, _) = honest.block();
    let again = Import::open(other.path(), CACHE, number + 1, hash, B256::ZERO).err();
    assert!(matches!(again, Some(StateError::Mismatch(text)) if text.contains("block 12")), "another block's import");
}

#[test]
fn states_that_are_not_kept_are_refused() {
    let source = Directory::new();
    let state = open(&source, Some(10));
    chain(&state, 9, 40);
    state.flush().expect("flushes");
    assert!(matches!(state.snapshot(41, 400).err(), Some(StateError::UnknownBlock(_))));
    assert!(matches!(state.snapshot(29, 400).err(), Some(StateError::Missing(_))));
    assert!(state.snapshot(30, 400).is_ok());
}
