//! A whole state on its way to another node: cut into chunks here, put together there.
//!
//! ```text
//!  State::snapshot(N) ─▶ Reader ── chunk, chunk, … ──▶ Import ─▶ a directory that State::open takes
//!   flat records of the disk,                            flat records and trie nodes, a chunk a batch;
//!   what changed since N undone                          a state only once its root is the certified one
//! ```
//! The chunks of a block's state are the same wherever they are cut, so their hashes can be compared among peers before
//! anything is downloaded. A chunk has no proof of its own: trie nodes are stored by path and only of the block that was
//! flushed last, so there is nothing from which a proof for an older block could be read.

mod chunk;
mod import;
mod reader;

pub use chunk::Position;
pub use import::Import;
pub use reader::Reader;
