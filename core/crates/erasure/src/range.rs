//! Proofs that these are all of a namespace's blobs in a bundle, or that there is none.
//!
//! ```text
//! proof = first place u32 ‖ count u32 ‖ count × entry ‖ digests          (numbers big-endian)
//! ```
//!
//! The entries are neighbours in the index: the namespace's own, and on either side the next one of another namespace,
//! unless the index ends there. As entries are sorted, none of the namespace can be elsewhere. The digests are the roots of
//! the subtrees outside, from left to right.

use std::ops::Range;

use crate::bundle::{ENTRY_BYTES, Entry, Index, IndexRoot, Namespace};
use crate::error::ErasureError;
use crate::hash::{self, Digest};
use crate::merkle::{self, LEAF};

const HEAD_BYTES: usize = 8;

impl Index {
    /// Prove which entries a namespace has.
    pub fn prove(&self, namespace: &Namespace) -> Vec<u8> {
        let own = self.range(namespace);
        let shown = own.start.saturating_sub(1)..self.entries.len().min(own.end + 1);
        let mut proof = Vec::new();
        proof.extend_from_slice(&(shown.start as u32).to_be_bytes());
        proof.extend_from_slice(&(shown.len() as u32).to_be_bytes());
        self.entries[shown.clone()].iter().for_each(|entry| proof.extend_from_slice(&entry.to_bytes()));
        self.outside(&shown, 0..self.entries.len(), &mut proof);
        proof
    }

    /// Append the roots of the subtrees of `span` that have no part in `shown`.
    fn outside(&self, shown: &Range<usize>, span: Range<usize>, proof: &mut Vec<u8>) {
        if disjoint(shown, &span) {
            proof.extend_from_slice(self.tree.subtree(&span));
        } else if span.len() > 1 {
            let split = split(&span);
            self.outside(shown, span.start..split, proof);
            self.outside(shown, split..span.end, proof);
        }
    }
}

impl IndexRoot {
    /// The entries of a namespace, all of them, as the proof shows. The proof may come from anyone.
    pub fn check(&self, namespace: &Namespace, proof: &[u8]) -> Result<Vec<Entry>, ErasureError> {
        let refuse = ErasureError::RangeProof;
        let (head, rest) = proof.split_at_checked(HEAD_BYTES).ok_or(refuse("it is too short"))?;
        let number = |from: usize| head[from..from + 4].iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        let shown = number(0)..number(0) + number(4);
        if shown.is_empty() || shown.end > self.count {
            return Err(refuse("it shows entries that the index does not have"));
        }
        let (entries, digests) = rest.split_at_checked(shown.len() * ENTRY_BYTES).ok_or(refuse("it is too short"))?;
        let entries = entries.as_chunks::<ENTRY_BYTES>().0;
        let (digests, odd) = digests.as_chunks::<32>();
        let mut walk = Walk { shown: &shown, entries, digests: digests.iter() };
        let root = walk.root(0..self.count);
        if root != Some(self.digest) || walk.digests.next().is_some() || !odd.is_empty() {
            return Err(refuse("it leads to another root"));
        }
        let entries: Vec<Entry> = entries.iter().map(Entry::parse).collect();
        let (first, last) = (entries[0].namespace, entries[entries.len() - 1].namespace);
        let complete = (shown.start == 0 || first < *namespace) && (shown.end == self.count || last > *namespace);
        if !complete || !entries.is_sorted_by_key(|entry| entry.namespace) {
            return Err(refuse("it does not show that these are all"));
        }
        Ok(entries.into_iter().filter(|entry| entry.namespace == *namespace).collect())
    }
}

/// The way over the tree that uses up the proof.
struct Walk<'a> {
    shown: &'a Range<usize>,
    entries: &'a [[u8; ENTRY_BYTES]],
    digests: std::slice::Iter<'a, Digest>,
}

impl Walk<'_> {
    fn root(&mut self, span: Range<usize>) -> Option<Digest> {
        if disjoint(self.shown, &span) {
            self.digests.next().copied()
        } else if span.len() == 1 {
            Some(hash::of(&[&[LEAF], &self.entries[span.start - self.shown.start]]))
        } else {
            let split = split(&span);
            let left = self.root(span.start..split)?;
            Some(merkle::node(&left, &self.root(split..span.end)?))
        }
    }
}

fn disjoint(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.end <= b.start || b.end <= a.start
}

/// Where RFC 6962 splits a span of more than one leaf.
fn split(span: &Range<usize>) -> usize {
    span.start + span.len().next_power_of_two() / 2
}
