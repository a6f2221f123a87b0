//! EIP-7610: nothing is created where there is storage.
//!
//! Only fixtures need the rule. On a chain whose genesis gives storage to contracts alone, an account without nonce and code
//! never has any, so the engine itself does not look.

use crate::vm::Ctx;
use alloy_primitives::{Address, Bytes};
use revm::Inspector;
use revm::context::{ContextTr, JournalTr};
use revm::context_interface::journaled_state::account::JournaledAccountTr;
use revm::interpreter::{CreateInputs, CreateOutcome, Gas, InstructionResult, InterpreterResult};
use std::collections::HashSet;

/// Deepest call (EIP-150).
const CALL_DEPTH_MAX: usize = 1024;

/// Makes creations at the given addresses collide.
pub(super) struct Collisions(pub(super) HashSet<Address>);

impl<'a> Inspector<Ctx<'a>> for Collisions {
    fn create(&mut self, context: &mut Ctx<'a>, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let journal = context.journal_mut();
        let depth = journal.depth();
        // A failed load shows up again, and is reported, when revm makes the frame.
        let mut caller = journal.load_account_mut(inputs.caller()).ok()?.data;
        let address = inputs.created_address(caller.nonce());
        let reached = depth <= CALL_DEPTH_MAX && *caller.balance() >= inputs.value();
        if !reached || !self.0.contains(&address) || !caller.bump_nonce() {
            return None;
        }
        journal.load_account(address).ok()?;
        let result = InterpreterResult {
            result: InstructionResult::CreateCollision,
            output: Bytes::new(),
            gas: Gas::new(inputs.gas_limit()),
        };
        Some(CreateOutcome::new(result, None))
    }
}
