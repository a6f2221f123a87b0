//! Nodes from a [`NodeSource`], each checked against the hash that refers to it.

use crate::NodeSource;
use crate::node::Node;
use crate::path::nibbles;
use crate::rlp::decode;
use crate::value::Value;
use alloy_primitives::{B256, hex, keccak256};
use zg_types::ViewError;

/// Reads the nodes of one trie.
#[derive(Clone, Copy)]
pub(crate) struct Loader<'a> {
    pub(crate) source: &'a dyn NodeSource,
    /// keccak(address) of the account whose storage trie this is, None for the account trie.
    pub(crate) owner: Option<B256>,
    /// Marks what is loaded.
    pub(crate) generation: u32,
}

impl Loader<'_> {
    /// The RLP of the node at the first `depth` nibbles of `prefix`; `Corrupt` when absent or not the one of `hash`.
    pub(crate) fn rlp(&self, hash: &B256, prefix: &B256, depth: usize) -> Result<Vec<u8>, ViewError> {
        let path = &nibbles(prefix)[..depth];
        let rlp = self.source.node(self.owner.as_ref(), path)?.ok_or_else(|| self.corrupt(path, "absent"))?;
        let found = keccak256(&rlp);
        if found != *hash {
            return Err(self.corrupt(path, &format!("hash {found}, expected {hash}")));
        }
        Ok(rlp)
    }

    /// The node at the first `depth` nibbles of `prefix`, without those below it.
    pub(crate) fn node<V: Value>(&self, hash: &B256, prefix: &B256, depth: usize) -> Result<Node<V>, ViewError> {
        self.parse(&self.rlp(hash, prefix, depth)?, prefix, depth)
    }

    /// The node that `rlp`, read by [`Self::rlp`], encodes.
    pub(crate) fn parse<V: Value>(&self, rlp: &[u8], prefix: &B256, depth: usize) -> Result<Node<V>, ViewError> {
        decode(rlp, prefix, depth, self.generation).map_err(|why| self.corrupt(&nibbles(prefix)[..depth], why))
    }

    fn corrupt(&self, path: &[u8], why: &str) -> ViewError {
        let path: String = path.iter().map(|n| char::from(b"0123456789abcdef"[*n as usize & 15])).collect();
        let trie = match &self.owner {
            Some(owner) => format!("storage trie of 0x{}", hex::encode(owner)),
            None => "account trie".into(),
        };
        ViewError::Corrupt(format!("{trie}, node at path '{path}': {why}"))
    }
}
