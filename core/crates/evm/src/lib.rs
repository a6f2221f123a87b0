//! Execution: transactions over a read-only view of state become receipts and a diff. Built on revm.
//!
//! ```text
//!   StateView + BlockEnv + transactions ──Engine::execute, Engine::build──▶ Outcome { receipts, gas, StateDiff }
//!   StateView + BlockEnv + CallFields   ──Engine::call, ::estimate_gas, ::access_list──▶ output, gas, list
//! ```
//! Nothing here does I/O beyond asking the view, and nothing is kept between blocks but analysed code.

mod access_list;
mod block;
mod build;
mod call;
mod codes;
mod deadline;
mod env;
mod estimate;
mod failure;
mod fault;
mod fork;
mod genesis;
pub mod memory;
mod overrides;
mod revert;
mod state;
pub mod statetest;
mod system;
mod vm;

pub use access_list::Accesses;
pub use block::{BlockError, Engine, Invalid, Outcome};
pub use build::{Limits, Skip, TransactionSource};
pub use call::{CallLimits, Output};
pub use env::BlockEnv;
pub use failure::CallFailure;
pub use fork::{BlobSchedule, Fork};
pub use state::HISTORY_SERVE_WINDOW;
pub use system::{BEACON_ROOTS, CLOSING_GAS_MAX, HISTORY_STORAGE, SystemCall};
