//! Lookups and proofs.

use crate::load::Loader;
use crate::node::{Child, Node, Tree, branch_child};
use crate::path::nibble;
use crate::rlp::Scratch;
use crate::value::Value;
use alloy_primitives::{B256, Bytes};
use zg_types::ViewError;

/// The value at `key` in `tree`. `proof` gets the RLP of every node on the way that is not embedded in another: they show
/// the value, or that there is none. What is loaded is not kept.
pub(crate) fn find<V: Value>(
    loader: Loader<'_>,
    tree: &Tree<V>,
    key: &B256,
    mut proof: Option<&mut Vec<Bytes>>,
) -> Result<Option<V>, ViewError> {
    let mut next = (!tree.is_empty()).then(|| Child::Hashed { hash: tree.hash, node: tree.node.clone() });
    let mut depth = 0;
    while let Some(child) = next {
        let node = match child {
            Child::Embedded(node) => node,
            Child::Hashed { node: Some(node), .. } => {
                if let Some(proof) = &mut proof {
                    proof.push(Bytes::copy_from_slice(Scratch::new().encode(&node)));
                }
                node
            }
            Child::Hashed { hash, node: None } => {
                let rlp = loader.rlp(&hash, key, depth)?;
                let node = loader.parse(&rlp, key, depth)?;
                if let Some(proof) = &mut proof {
                    proof.push(rlp.into());
                }
                node
            }
        };
        node.marks().touch(loader.generation);
        next = match node {
            Node::Leaf(leaf) => return Ok((leaf.key == *key).then(|| leaf.value.clone())),
            Node::Ext(ext) => {
                depth = ext.end as usize;
                ext.covers(key).then(|| ext.child.clone())
            }
            Node::Branch(branch) => {
                depth += 1;
                branch_child(&branch, nibble(key, depth - 1)).cloned()
            }
        };
    }
    Ok(None)
}
