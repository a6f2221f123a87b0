//! Block 0: an allocation, and what the predeployed contracts make of it when they are initialised.

use crate::block::{BlockError, Engine};
use crate::env::BlockEnv;
use crate::memory::MemoryState;
use zg_types::{StateDiff, ViewError};

impl Engine {
    /// The state, as a diff on nothing, that the closing calls of `env` leave of `allocation`, a diff on nothing too.
    pub fn initialise(&self, allocation: &StateDiff, env: &BlockEnv) -> Result<StateDiff, BlockError> {
        let misfit = |error: crate::memory::Mismatch| ViewError::Corrupt(error.to_string());
        let mut state = MemoryState::default();
        state.apply(allocation).map_err(misfit)?;
        let outcome = self.execute(&state, env, &[])?;
        state.apply(&outcome.diff).map_err(misfit)?;
        Ok(state.allocation())
    }
}
