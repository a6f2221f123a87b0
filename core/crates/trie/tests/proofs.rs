//! Proofs verify with alloy's verifier, for what is there and for what is not.

mod world;

use alloy_primitives::{B256, U256, keccak256};
use alloy_trie::{Nibbles, proof::verify_proof};
use world::{Disk, Random, World, step};
use zg_trie::{EMPTY_ROOT_HASH, Proof, StateTrie};

fn verify(trie: &StateTrie, world: &World, disk: &Disk, key: B256, slots: &[B256]) -> Proof {
    let proof = trie.prove(disk, &key, slots).unwrap();
    let (account, words) = world.0.get(&key).cloned().unzip();
    assert_eq!(proof.account, account);
    assert_eq!(proof.storage_root, world.storage_root(&key));
    verify_proof(trie.root(), Nibbles::unpack(key), world.leaf(&key), &proof.account_proof).unwrap();
    assert_eq!(proof.slots.len(), slots.len());
    for (slot, proven) in slots.iter().zip(&proof.slots) {
        let word = words.as_ref().and_then(|words| words.get(slot)).copied();
        assert_eq!(proven.value, word.unwrap_or_default());
        if proven.proof.first().is_some_and(|root| root.len() < 32) {
            // The verifier cannot start from a root this small; its only node says it all.
            assert_eq!((keccak256(&proven.proof[0]), proven.proof.len()), (proof.storage_root, 1));
            continue;
        }
        let expected = word.map(alloy_rlp::encode);
        verify_proof(proof.storage_root, Nibbles::unpack(slot), expected, &proven.proof).unwrap();
    }
    proof
}

#[test]
fn proofs_of_presence_and_absence_verify() {
    let (mut random, disk) = (Random(11), Disk::default());
    let (mut trie, mut world) = (StateTrie::empty(), World::default());
    for round in 0..25 {
        let changes = world.batch(&mut random, 40, 60);
        trie = step(&trie, &disk, &mut world, changes);
        let reopened = StateTrie::open(trie.root());
        let half = trie.prune(trie.memory_bytes() / 2);
        for _ in 0..30 {
            let (key, slots) = (random.key(60), [random.key(40), random.key(40), random.key(1000)]);
            let proof = verify(&trie, &world, &disk, key, &slots);
            assert_eq!(verify(&reopened, &world, &disk, key, &slots), proof, "round {round}");
            assert_eq!(verify(&half, &world, &disk, key, &slots), proof, "round {round}");
        }
    }
}

#[test]
fn an_empty_trie_proves_absence_with_nothing() {
    let proof = StateTrie::empty().prove(&Disk::default(), &keccak256("a"), &[keccak256("b")]).unwrap();
    assert_eq!((proof.account, proof.storage_root), (None, EMPTY_ROOT_HASH));
    assert!(proof.account_proof.is_empty() && proof.slots[0].proof.is_empty());
    assert_eq!(proof.slots[0].value, U256::ZERO);
}

#[test]
fn accounts_read_back_as_written() {
    let (mut random, disk) = (Random(12), Disk::default());
    let (mut trie, mut world) = (StateTrie::empty(), World::default());
    for _ in 0..10 {
        let changes = world.batch(&mut random, 60, 80);
        trie = step(&trie, &disk, &mut world, changes);
    }
    for trie in [StateTrie::open(trie.root()), trie] {
        for _ in 0..200 {
            let key = random.key(120);
            let expected = world.0.get(&key).map(|(account, _)| (*account, world.storage_root(&key)));
            assert_eq!(trie.account(&disk, &key).unwrap(), expected);
        }
    }
}
