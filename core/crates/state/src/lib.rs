//! The state database of one shard: what every account and slot holds, as of any kept block, durably.
//!
//! ```text
//!  diff ─▶ prepare ─▶ insert ─▶ finalise ─▶ flush
//!           root      overlay    buffer      LevelDB
//! ```
//! - An *overlay* is a block that is not final: siblings and chains of them share the finalised state below.
//! - The *buffer* holds finalised blocks in memory, every value with its block number.
//! - The *disk* holds flat records keyed by hash, trie nodes keyed by path, and reverse diffs for the past; a flush
//!   moves the buffer there in one synced batch of whole blocks. What was not flushed is lost with the process and
//!   comes back by applying the same diffs again from `flushed()` on.
//!
//! A [`Reader`] cuts the state after a past block into chunks for other nodes; an [`Import`] makes a directory of them.
//! A [`View`] reads one block's state through all layers and is not disturbed by what happens to them later.
//! Errors: [`StateError`]; `Corrupt` and `Io` mean that the node must stop.

mod buffer;
mod cache;
mod chain;
mod change;
mod disk;
mod error;
mod flush;
mod history;
mod key;
mod leveldb;
mod overlay;
mod proof;
mod record;
mod snapshot;
mod state;
mod verify;
mod view;

pub use error::StateError;
pub use snapshot::{Import, Position, Reader};
pub use state::{At, Options, Prepared, State};
pub use view::View;
pub use zg_trie::{Proof, SlotProof};
