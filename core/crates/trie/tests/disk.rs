//! The disk holds exactly the nodes of the version that was flushed, however it came about.

mod world;

use alloy_primitives::{B256, U256, keccak256};
use world::{Disk, Nodes, Place, Random, World, step};
use zg_trie::{AccountChange, StateTrie};
use zg_types::{Account, ViewError};

/// Runs random batches; `next` picks the version that the following batch is applied to.
fn run(seeds: std::ops::Range<u64>, next: impl Fn(&mut Random, StateTrie) -> StateTrie) {
    for seed in seeds {
        let (mut random, disk) = (Random(seed), Disk::default());
        let (mut trie, mut world) = (StateTrie::empty(), World::default());
        let (variety, size) = ([8, 30, 200][seed as usize % 3], [3, 12, 80][seed as usize / 3 % 3]);
        for _ in 0..30 {
            let size = 1 + random.below(size);
            let changes = world.batch(&mut random, size, variety);
            trie = step(&trie, &disk, &mut world, changes);
            assert_eq!(disk.read(trie.root()), world, "seed {seed}");
            trie = next(&mut random, trie);
        }
    }
}

#[test]
fn every_flush_leaves_exactly_the_reachable_nodes() {
    run(0..36, |_, trie| trie);
}

#[test]
fn a_trie_opened_from_disk_goes_on_as_the_one_in_memory() {
    run(100..136, |_, trie| StateTrie::open(trie.root()));
}

#[test]
fn a_pruned_trie_goes_on_as_the_whole_one() {
    run(200..218, |_, trie| {
        let pruned = trie.prune(0);
        assert_eq!(pruned.memory_bytes(), 0);
        pruned
    });
    run(300..336, |random, trie| {
        let budget = random.below(trie.memory_bytes() as u64 + 1) as usize;
        let pruned = trie.prune(budget);
        assert!(pruned.memory_bytes() <= budget);
        pruned
    });
}

#[test]
fn several_updates_may_share_a_flush() {
    for seed in 400..430 {
        let (mut random, disk) = (Random(seed), Disk::default());
        let (mut trie, mut world) = (StateTrie::empty(), World::default());
        for _ in 0..12 {
            let mut lot: Option<zg_trie::Update> = None;
            for _ in 0..1 + random.below(4) {
                let changes = world.batch(&mut random, 10, 30);
                world.apply(&changes);
                let mut update = trie.update(&disk, changes).unwrap();
                trie = update.trie.clone();
                if let Some(earlier) = lot {
                    update.removed.extend(earlier.removed);
                    update.wiped.extend(earlier.wiped);
                }
                lot = Some(update);
            }
            disk.flush(&lot.unwrap());
            assert_eq!(disk.read(trie.root()), world, "seed {seed}");
            trie = if random.one_in(2) { trie.prune(2_000) } else { trie };
        }
    }
}

#[test]
fn nothing_is_collected_twice_and_unsaved_nodes_survive_pruning() {
    let (mut random, disk) = (Random(7), Disk::default());
    let mut world = World::default();
    let changes = world.batch(&mut random, 200, 200);
    world.apply(&changes);
    let update = StateTrie::empty().update(&disk, changes).unwrap();
    let unsaved = update.trie.prune(0);
    assert_eq!(unsaved.memory_bytes(), update.trie.memory_bytes());
    disk.flush(&update);
    assert_eq!(disk.read(update.trie.root()), world);
    unsaved.collect_unsaved(&mut |_, path, _| panic!("collected again at {path:?}"));
    assert_eq!(unsaved.prune(0).memory_bytes(), 0);
}

#[test]
fn memory_is_accounted_for_exactly() {
    let (mut random, disk) = (Random(8), Disk::default());
    let (mut trie, mut world) = (StateTrie::empty(), World::default());
    for _ in 0..60 {
        let changes = world.batch(&mut random, 30, 60);
        trie = step(&trie, &disk, &mut world, changes);
        // A prune that drops nothing counts again.
        assert_eq!(trie.prune(usize::MAX).memory_bytes(), trie.memory_bytes());
        let budget = trie.memory_bytes() / 2;
        trie = if random.one_in(2) { trie.prune(budget) } else { trie };
    }
}

#[test]
fn pruning_keeps_what_was_touched_last() {
    let disk = Disk::default();
    let change = |i: u32, nonce| AccountChange {
        key: keccak256(i.to_le_bytes()),
        account: Some(Account { nonce, ..Account::default() }),
        wiped: false,
        storage: vec![],
    };
    let update = StateTrie::empty().update(&disk, (0..2000).map(|i| change(i, 1)).collect()).unwrap();
    disk.flush(&update);
    let update = update.trie.update(&disk, (0..20).map(|i| change(i, 2)).collect()).unwrap();
    disk.flush(&update);
    let read = keccak256(500u32.to_le_bytes());
    update.trie.account(&disk, &read).unwrap();
    let pruned = update.trie.prune(update.trie.memory_bytes() / 10);
    assert!(pruned.memory_bytes() > 0);
    let nowhere = Disk::default();
    for i in 0..20u32 {
        let (account, _) = pruned.account(&nowhere, &keccak256(i.to_le_bytes())).unwrap().unwrap();
        assert_eq!(account.nonce, 2);
    }
    assert!(pruned.account(&nowhere, &read).unwrap().is_some());
    assert!((600..2000u32).all(|i| pruned.account(&nowhere, &keccak256(i.to_le_bytes())).is_err()));
}

fn flushed() -> (StateTrie, Disk, B256) {
    let (disk, owner) = (Disk::default(), keccak256("owner"));
    let mut changes: Vec<_> = (0..40u32)
        .map(|i| AccountChange {
            key: keccak256(i.to_le_bytes()),
            account: Some(Account { nonce: 1, ..Account::default() }),
            wiped: false,
            storage: vec![],
        })
        .collect();
    let storage = (0..40u32).map(|i| (keccak256(i.to_le_bytes()), U256::from(i + 1000))).collect();
    changes.push(AccountChange { key: owner, account: Some(Account::default()), wiped: false, storage });
    let update = StateTrie::empty().update(&disk, changes).unwrap();
    disk.flush(&update);
    (StateTrie::open(update.trie.root()), disk, owner)
}

/// Touches every node of the state in one way or another.
fn visit(trie: &StateTrie, disk: &Disk, owner: B256) -> Result<(), ViewError> {
    let nodes: Vec<_> = (0..40u32).map(|i| keccak256(i.to_le_bytes())).collect();
    nodes.iter().try_for_each(|key| trie.account(disk, key).map(drop))?;
    trie.prove(disk, &owner, &nodes).map(drop)
}

#[test]
fn an_absent_node_is_corruption_with_its_place() {
    let (trie, disk, owner) = flushed();
    visit(&trie, &disk, owner).unwrap();
    let nodes = disk.0.lock().unwrap().clone();
    for place in nodes.keys() {
        let mut broken = nodes.clone();
        broken.remove(place);
        expect_corrupt(&trie, broken, place, owner);
    }
}

#[test]
fn a_foreign_node_is_corruption_with_its_place() {
    let (trie, disk, owner) = flushed();
    let nodes = disk.0.lock().unwrap().clone();
    for (place, rlp) in &nodes {
        for bad in [vec![], rlp[1..].to_vec(), [&rlp[..], &[0]].concat(), vec![0xc0], vec![0xff; 40]] {
            let mut broken = nodes.clone();
            broken.insert(place.clone(), bad);
            expect_corrupt(&trie, broken, place, owner);
        }
    }
}

fn expect_corrupt(trie: &StateTrie, broken: Nodes, (node_owner, path): &Place, owner: B256) {
    let disk = Disk(broken.into());
    let Err(ViewError::Corrupt(why)) = visit(trie, &disk, owner) else {
        panic!("{node_owner:?} {path:?} was accepted")
    };
    let path: String = path.iter().map(|n| format!("{n:x}")).collect();
    assert!(why.contains(&format!("'{path}'")), "{why}");
    assert_eq!(why.contains("storage trie"), node_owner.is_some(), "{why}");
    assert!(node_owner.is_none_or(|owner| why.contains(&owner.to_string())), "{why}");
}

#[test]
fn well_hashed_garbage_is_corruption_and_not_a_crash() {
    let mut random = Random(9);
    let (trie, disk, owner) = flushed();
    visit(&trie, &disk, owner).unwrap();
    let nodes: Vec<_> = disk.0.lock().unwrap().values().cloned().collect();
    for _ in 0..20_000 {
        let mut rlp = nodes[random.below(nodes.len() as u64) as usize].clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(rlp.len() as u64) as usize;
            rlp[at] = random.next() as u8;
        }
        let (root, disk) = (keccak256(&rlp), Disk::default());
        disk.0.lock().unwrap().insert((None, vec![]), rlp);
        let trie = StateTrie::open(root);
        let change = AccountChange { key: random.key(40), account: None, wiped: false, storage: vec![] };
        // Either is right: what matters is that it answers.
        let _ = (trie.account(&disk, &random.key(40)), trie.update(&disk, vec![change]));
    }
}
