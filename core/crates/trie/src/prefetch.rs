//! Hints that hide memory latency: the nodes of a large trie are scattered, and a branch's sixteen children are visited one
//! after the other.

use crate::node::{Child, Node};
use triomphe::Arc;

impl<V> Child<V> {
    /// Start fetching the node's first cache lines, if it is in memory.
    #[inline]
    pub(crate) fn prefetch(&self) {
        match self.node() {
            Some(Node::Leaf(leaf)) => prefetch(Arc::as_ptr(leaf).cast()),
            Some(Node::Ext(ext)) => prefetch(Arc::as_ptr(ext).cast()),
            Some(Node::Branch(branch)) => prefetch(branch.ptr().cast()),
            None => {}
        }
    }
}

#[inline]
fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that the program could see and does not fault, whatever the address.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
