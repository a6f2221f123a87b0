//! The contract between execution and state: a read-only view goes in, a diff comes out.
//!
//! ```text
//!   zg-state ── StateView ──▶ zg-evm ── StateDiff ──▶ zg-state
//!   zg-pool  ◀─ PoolTransaction ── zg-evm::Transaction
//! ```
//! Nothing here does I/O. The diff's encoding is part of the log record, so it is a disk format: see [`diff`].

pub mod diff;
pub mod pool;
mod view;

pub use diff::{AccountDiff, DiffError, SlotDiff, StateDiff};
pub use pool::{Footprint, PoolTransaction};
pub use view::{Account, StateView, ViewError};
