//! Roots against alloy's builder, which hashes the whole state from scratch.

mod world;

use alloy_primitives::{B256, U256, keccak256};
use world::{Disk, Random, World};
use zg_trie::{AccountChange, EMPTY_ROOT_HASH, StateTrie};
use zg_types::Account;

fn put(key: B256, nonce: u64, storage: Vec<(B256, U256)>) -> AccountChange {
    AccountChange { key, account: Some(Account { nonce, ..Account::default() }), wiped: false, storage }
}

fn delete(key: B256) -> AccountChange {
    AccountChange { key, account: None, wiped: true, storage: vec![] }
}

#[test]
fn random_batches_give_the_root_of_a_rebuild() {
    for (seed, variety, size) in [(1, 12, 4), (2, 60, 10), (3, 600, 150), (4, 5000, 1500)] {
        let (mut random, disk) = (Random(seed), Disk::default());
        let (mut trie, mut world) = (StateTrie::empty(), World::default());
        for round in 0..40 {
            let changes = world.batch(&mut random, size, variety);
            world.apply(&changes);
            trie = trie.update(&disk, changes).unwrap().trie;
            assert_eq!(trie.root(), world.root(), "seed {seed}, round {round}");
        }
    }
}

#[test]
fn the_order_and_the_cut_of_batches_do_not_matter() {
    let (mut random, disk) = (Random(5), Disk::default());
    let keys: Vec<B256> = (0..300u32).map(|i| keccak256(i.to_le_bytes())).collect();
    let mut changes: Vec<_> = keys.iter().map(|key| put(*key, 1, vec![(keys[0], U256::from(3))])).collect();
    let whole = StateTrie::empty().update(&disk, changes.clone()).unwrap().trie.root();
    for size in [1, 7, 100, 300] {
        random.shuffle(&mut changes);
        let trie = changes
            .chunks(size)
            .fold(StateTrie::empty(), |trie, chunk| trie.update(&disk, chunk.to_vec()).unwrap().trie);
        assert_eq!(trie.root(), whole, "in batches of {size}");
    }
}

#[test]
fn deleting_everything_gives_the_empty_root() {
    let disk = Disk::default();
    let keys: Vec<B256> = (0..500u32).map(|i| keccak256(i.to_le_bytes())).collect();
    let full = StateTrie::empty().update(&disk, keys.iter().map(|key| put(*key, 1, vec![])).collect()).unwrap().trie;
    let update = full.update(&disk, keys.iter().map(|key| delete(*key)).collect()).unwrap();
    assert_eq!(update.trie.root(), EMPTY_ROOT_HASH);
    assert_eq!(update.trie.memory_bytes(), 0);
    let gone = full.update(&disk, vec![]).unwrap().trie;
    assert_eq!(gone.root(), full.root());
}

#[test]
fn the_last_change_of_a_key_counts() {
    let disk = Disk::default();
    let key = keccak256("key");
    let twice = vec![(key, U256::from(1)), (key, U256::from(2))];
    let trie = StateTrie::empty().update(&disk, vec![put(key, 1, twice.clone()), delete(key), put(key, 2, twice)]);
    let once = StateTrie::empty().update(&disk, vec![put(key, 2, vec![(key, U256::from(2))])]);
    assert_eq!(trie.unwrap().trie.root(), once.unwrap().trie.root());
}

#[test]
fn a_change_to_the_same_value_changes_nothing() {
    let disk = Disk::default();
    let changes: Vec<_> =
        (0..50u32).map(|i| put(keccak256(i.to_le_bytes()), 1, vec![(B256::ZERO, U256::from(i + 1))])).collect();
    let trie = StateTrie::empty().update(&disk, changes.clone()).unwrap().trie;
    disk.flush(&trie.update(&disk, vec![]).unwrap());
    let again = trie.update(&disk, changes).unwrap();
    assert_eq!((again.trie.root(), again.removed, again.wiped), (trie.root(), vec![], vec![]));
    again.trie.collect_unsaved(&mut |_, path, _| panic!("unsaved node at {path:?}"));
}

#[test]
fn siblings_and_their_parent_do_not_affect_each_other() {
    let (mut random, disk) = (Random(6), Disk::default());
    let mut base = World::default();
    let changes = base.batch(&mut random, 400, 300);
    base.apply(&changes);
    let parent = StateTrie::empty().update(&disk, changes).unwrap().trie;
    let mut siblings = Vec::new();
    for _ in 0..8 {
        let changes = base.batch(&mut random, 200, 300);
        let mut world = base.clone();
        world.apply(&changes);
        siblings.push((parent.update(&disk, changes).unwrap().trie, world));
    }
    for (trie, mut world) in siblings {
        assert_eq!(trie.root(), world.root());
        let changes = world.batch(&mut random, 200, 300);
        world.apply(&changes);
        assert_eq!(trie.update(&disk, changes).unwrap().trie.root(), world.root());
    }
    let again = parent.update(&disk, vec![put(keccak256("late"), 1, vec![])]).unwrap();
    base.apply(&[put(keccak256("late"), 1, vec![])]);
    assert_eq!(again.trie.root(), base.root());
}

#[test]
fn the_roots_of_small_states_are_pinned() {
    let key = keccak256(B256::ZERO);
    let trie = StateTrie::empty().update(&Disk::default(), vec![put(key, 7, vec![(key, U256::from(9))])]).unwrap().trie;
    assert_eq!(trie.root().to_string(), "0x2ffe0ae0177527f3d9990adf8566eefb66a4c44d2b9cd8f69e69480150b3ef33");
    assert_eq!(StateTrie::empty().root(), keccak256([0x80]));
}

#[test]
fn versions_may_cross_threads() {
    let trie = StateTrie::empty().update(&Disk::default(), vec![put(B256::ZERO, 1, vec![])]).unwrap().trie;
    let updates: Vec<_> = std::thread::scope(|scope| {
        let trie = &trie;
        let update =
            move |nonce| trie.update(&Disk::default(), vec![put(B256::ZERO, nonce, vec![])]).unwrap().trie.root();
        let handles = [2, 3, 2].map(|nonce| scope.spawn(move || update(nonce)));
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    assert_eq!(updates[0], updates[2]);
    assert_ne!(updates[0], updates[1]);
}
