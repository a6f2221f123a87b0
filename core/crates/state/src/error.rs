//! What can go wrong with the state database, and whose fault it is.

use alloy_primitives::B256;
use zg_types::ViewError;

/// ```text
/// StateError
///  ├─ Locked, NotEmpty            the operator's: another process, or a directory already in use
///  ├─ UnknownBlock, NotChild,     the caller's: a block that is not where it was said to be, too many of them,
///  │  TooManyOverlays, Mismatch   or a diff that does not fit its parent
///  ├─ Missing                     the block is older than the kept history
///  ├─ Chunk                       a peer's: a piece of a snapshot that does not parse, or does not follow
///  └─ Corrupt, Io                 the disk's: stop the node
/// ```
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum StateError {
    /// Another process, or another handle of this one, holds the directory.
    #[error("the state directory is in use by another process: {0}")]
    Locked(String),
    /// Genesis was written before.
    #[error("the state directory already holds a chain")]
    NotEmpty,
    /// Neither the head, nor an overlay, nor a finalised block that is remembered.
    #[error("unknown block {0}")]
    UnknownBlock(String),
    /// Only a child of the finalised head can be finalised.
    #[error("block {hash} is not a child of the finalised head {head}")]
    NotChild { hash: B256, head: B256 },
    /// Finality is too far behind execution.
    #[error("{0} blocks wait to be finalised, no more are taken")]
    TooManyOverlays(usize),
    /// The diff does not fit the parent that it was applied to, or is not in canonical order.
    #[error("the state diff does not fit its parent: {0}")]
    Mismatch(String),
    /// The block is outside the kept history.
    #[error("missing trie node {0}")]
    Missing(String),
    /// A piece of another node's state that no honest node sends.
    #[error("snapshot chunk: {0}")]
    Chunk(String),
    /// The database contradicts itself.
    #[error("corrupt state: {0}")]
    Corrupt(String),
    /// The operating system refused; after a failed write nothing more is written.
    #[error("state database: {0}")]
    Io(String),
}

impl From<ViewError> for StateError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Missing(text) => Self::Missing(text),
            ViewError::Corrupt(text) => Self::Corrupt(text),
            ViewError::Io(text) => Self::Io(text),
        }
    }
}
