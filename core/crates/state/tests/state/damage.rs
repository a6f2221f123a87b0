//! Damaged directories are refused in words, never with a panic and never with wrong answers.

use std::path::PathBuf;

use crate::model::{Directory, Model, Random, extend, genesis, open, options};
use zg_state::{At, State, StateError};
use zg_types::ViewError;

/// A compacted directory with some blocks, and its model.
fn written(seed: u64) -> (Directory, Model) {
    let directory = Directory::new();
    let state = open(&directory, None);
    let mut random = Random(seed);
    let mut model = genesis(&state, &mut random);
    for _ in 0..70 {
        extend(&state, &mut model, &mut random);
    }
    state.flush().expect("flushes");
    state.compact();
    drop(state);
    (directory, model)
}

fn files(directory: &Directory, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory.path()).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

#[test]
fn a_flipped_byte_in_a_table_is_an_error_or_changes_nothing() {
    let (directory, model) = written(1);
    let table = files(&directory, "ldb").pop().expect("a table");
    let sound = std::fs::read(&table).expect("readable");
    let mut random = Random(77);
    let mut caught = 0;
    for _ in 0..40 {
        let mut bytes = sound.clone();
        let place = random.below(bytes.len() as u64) as usize;
        bytes[place] ^= 1 << random.below(8);
        std::fs::write(&table, &bytes).expect("writable");
        let verified = State::open(directory.path(), options(None)).and_then(|state| state.verify());
        match verified {
            Ok((_, _, root)) => assert_eq!(root, model.root(), "byte {place}"),
            Err(StateError::Corrupt(text)) => {
                assert!(!text.is_empty());
                caught += 1;
            }
            Err(other) => panic!("byte {place}: {other}"),
        }
    }
    assert!(caught > 10, "only {caught} of 40 flips were noticed");
}

#[test]
fn reads_of_a_damaged_table_say_corrupt() {
    let (directory, _) = written(2);
    for table in files(&directory, "ldb") {
        let mut bytes = std::fs::read(&table).expect("readable");
        let data = bytes.len() / 2;
        bytes[..data].iter_mut().step_by(64).for_each(|byte| *byte ^= 0x10);
        std::fs::write(&table, &bytes).expect("writable");
    }
    let outcome = State::open(directory.path(), options(None)).and_then(|state| {
        let view = state.view(At::Number(70))?;
        for number in 0..crate::model::ADDRESSES {
            zg_types::StateView::account(&view, &crate::model::address(number)).map_err(StateError::from)?;
        }
        Ok(())
    });
    assert!(matches!(outcome, Err(StateError::Corrupt(_))), "{outcome:?}");
    assert_eq!(StateError::from(ViewError::Corrupt("x".into())), StateError::Corrupt("x".into()));
}

#[test]
fn a_missing_table_is_refused() {
    let (directory, _) = written(3);
    std::fs::remove_file(files(&directory, "ldb").pop().expect("a table")).expect("removable");
    assert!(matches!(State::open(directory.path(), options(None)), Err(StateError::Corrupt(_))));
}

#[test]
fn a_torn_tail_of_the_write_ahead_log_loses_the_last_flush_only() {
    let directory = Directory::new();
    let state = open(&directory, None);
    let mut random = Random(4);
    let mut model = genesis(&state, &mut random);
    extend(&state, &mut model, &mut random);
    state.flush().expect("flushes");
    let before = model.clone();
    let whole = |directory: &Directory| std::fs::metadata(&files(directory, "log")[0]).expect("metadata").len();
    let length = whole(&directory);
    extend(&state, &mut model, &mut random);
    state.flush().expect("flushes");
    drop(state);
    let log = files(&directory, "log").pop().expect("a log");
    let sound = std::fs::read(&log).expect("readable");
    let mut torn = sound.clone();
    torn[length as usize + 40..].fill(0xa5);
    std::fs::write(&log, &torn).expect("writable");
    let state = open(&directory, None);
    assert_eq!(state.flushed().0, 1);
    before.check(&crate::model::head_view(&state), "before the torn flush");
    assert_eq!(state.verify().expect("consistent").2, before.root());
}

#[test]
fn a_batch_lost_between_two_others_is_noticed() {
    let directory = Directory::new();
    let state = open(&directory, None);
    let mut random = Random(4);
    let mut model = genesis(&state, &mut random);
    let size = |directory: &Directory| std::fs::metadata(&files(directory, "log")[0]).expect("metadata").len() as usize;
    let mut ends = vec![size(&directory)];
    while ends.last().is_some_and(|end| *end < 200_000) {
        for _ in 0..30 {
            extend(&state, &mut model, &mut random);
        }
        state.flush().expect("flushes");
        ends.push(size(&directory));
    }
    drop(state);
    let log = files(&directory, "log").pop().expect("a log");
    let mut bytes = std::fs::read(&log).expect("readable");
    let middle = ends.len() / 2;
    bytes[(ends[middle] + ends[middle + 1]) / 2] ^= 1;
    std::fs::write(&log, &bytes).expect("writable");
    let Err(StateError::Corrupt(text)) = State::open(directory.path(), options(None)) else {
        panic!("the hole went unnoticed");
    };
    assert!(text.contains("missing"), "{text}");
}

#[test]
fn a_directory_of_something_else_is_refused() {
    let directory = Directory::new();
    drop(open(&directory, None));
    let manifest = std::fs::read_dir(directory.path()).expect("a directory").map(|e| e.expect("an entry").path());
    let mut manifest = manifest;
    let manifest = manifest.find(|path| path.to_string_lossy().contains("MANIFEST")).expect("a manifest");
    std::fs::write(&manifest, b"not a manifest").expect("writable");
    assert!(matches!(State::open(directory.path(), options(None)), Err(StateError::Corrupt(_))));
}

#[test]
fn after_a_failed_write_nothing_more_is_written_and_reads_go_on() {
    unsafe extern "C" {
        fn dup2(from: i32, to: i32) -> i32;
    }
    let directory = Directory::new();
    let state = open(&directory, None);
    let mut random = Random(9);
    let mut model = genesis(&state, &mut random);
    extend(&state, &mut model, &mut random);
    let log = files(&directory, "log").pop().expect("a log");
    let descriptors =
        std::fs::read_dir("/proc/self/fd").expect("descriptors").map(|entry| entry.expect("an entry").path());
    let held =
        descriptors.filter(|path| std::fs::read_link(path).is_ok_and(|target| target == log)).last().expect("held");
    let number: i32 =
        held.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()).expect("a number");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full device");
    // SAFETY: both descriptors are open; LevelDB's now writes to a device without space.
    assert_eq!(unsafe { dup2(std::os::fd::AsRawFd::as_raw_fd(&full), number) }, number);
    let Err(StateError::Io(text)) = state.flush() else { panic!("the write did not fail") };
    assert!(text.contains("write failed") && text.contains("No space left"), "{text}");
    assert!(matches!(state.flush(), Err(StateError::Io(text)) if text.contains("earlier failure")));
    model.check(&crate::model::head_view(&state), "after the failure");
    let (number, head, _) = state.head();
    crate::model::execute(&state, head, crate::model::hash(number + 1, 0), &Default::default());
    assert!(matches!(state.finalise(crate::model::hash(number + 1, 0)), Err(StateError::Io(_))));
    drop(state);
    assert_eq!(open(&directory, None).flushed().0, 0);
}

#[test]
fn a_path_that_cannot_be_made_is_an_io_error() {
    let directory = Directory::new();
    let file = directory.path().join("file");
    std::fs::write(&file, b"").expect("writable");
    assert!(matches!(State::open(&file.join("state"), options(None)), Err(StateError::Io(_))));
}
