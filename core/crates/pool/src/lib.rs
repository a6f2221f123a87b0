//! The mempool of one shard: which transactions may come next, and in which order.
//!
//! ```text
//!                 ┌ rules      what the transaction is by itself          ┐
//!  add(tx, view) ─┤ standing   nonce, balance, code of its sender         ├─▶ refused: PoolError
//!                 └ room       what has to go, when the pool is full      ┘
//!        │
//!        ▼                     gap filled, balance there
//!    queued (behind a gap) ─────────────────────────────▶ executable (contiguous from the account's nonce)
//!        ▲ └─ expire, evict    ◀─────────────────────────      │            │
//!                              balance gone, gap opened        │            │
//!  commit(block, view) ── drops what was included ◀────────────┘            ▼
//!                                                       best(view, base fee) ─▶ block builder
//! ```
//! A pure data structure: no clock, no I/O, no locks. The caller names the time and lends a view of the state, holds
//! whatever lock it needs, and has decoded the transaction and recovered its sender before. Accounts of senders with
//! pooled transactions are remembered, so that the state is read once for a new sender and once for each block that
//! touched it. Nothing here grows without a bound from [`Limits`].
//!
//! The usual refusals: [`PoolError::NonceTooLow`], [`PoolError::ReplacementUnderpriced`],
//! [`PoolError::InsufficientFunds`], [`PoolError::AlreadyKnown`].

mod admit;
mod best;
mod commit;
mod content;
mod entry;
mod error;
mod evict;
mod limits;
mod order;
mod pool;
mod ring;
mod rules;
mod sender;
mod standing;

pub use admit::Added;
pub use best::Best;
pub use content::SenderContent;
pub use error::PoolError;
pub use limits::{Env, Limits};
pub use pool::{Pool, Stats};
