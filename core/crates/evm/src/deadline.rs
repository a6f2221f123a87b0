//! Stopping a call that runs for too long, without an inspector.
//!
//! Calls run with an instruction table in which JUMPDEST, CALL and CREATE (and their kin) first look at the time. Code
//! between two of them is straight and short, so nothing runs for long past the deadline. The clock is read once in
//! [`CHECK_INTERVAL`] of them: the price is a counter, and blocks, which use the ordinary table, pay nothing.

use crate::vm::Ctx;
use revm::bytecode::opcode;
use revm::context_interface::context::ContextError;
use revm::handler::instructions::EthInstructions;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::{
    Instruction, InstructionContext, InstructionExecResult, InstructionResult,
    instructions::{contract, control},
};
use std::time::{Duration, Instant};

/// Checked instructions from one look at the clock to the next.
const CHECK_INTERVAL: u32 = 64;

/// The error text by which a stopped call is told from other failures of the machine.
pub(crate) const STOPPED: &str = "deadline passed";

/// The time at which execution stops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    until_check: u32,
}

impl Default for Deadline {
    fn default() -> Self {
        Self::NEVER
    }
}

impl Deadline {
    pub(crate) const NEVER: Self = Self { at: None, until_check: 0 };

    /// The end of `timeout`, which begins now; never when the clock does not reach that far.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self { at: Instant::now().checked_add(timeout), until_check: 0 }
    }

    /// Whether the time is over, by a clock read now and then.
    fn passed(&mut self) -> bool {
        if self.until_check > 0 {
            self.until_check -= 1;
            return false;
        }
        self.until_check = CHECK_INTERVAL;
        self.at.is_some_and(|at| Instant::now() >= at)
    }
}

type Step<'c, 'a> = InstructionContext<'c, Ctx<'a>, EthInterpreter>;

fn check(step: &mut Step<'_, '_>) -> InstructionExecResult {
    if step.host.chain.passed() {
        step.host.error = Err(ContextError::Custom(STOPPED.into()));
        return Err(InstructionResult::FatalExternalError);
    }
    Ok(())
}

fn jumpdest(mut step: Step<'_, '_>) -> InstructionExecResult {
    check(&mut step)?;
    control::jumpdest(step)
}

fn call<const KIND: u8>(mut step: Step<'_, '_>) -> InstructionExecResult {
    check(&mut step)?;
    contract::call::<KIND, _, _>(step)
}

fn create<const IS_CREATE2: bool>(mut step: Step<'_, '_>) -> InstructionExecResult {
    check(&mut step)?;
    contract::create::<IS_CREATE2, _, _>(step)
}

/// Put the checking versions of the instructions that every long execution passes into `instructions`.
pub(crate) fn install<'a>(instructions: &mut EthInstructions<EthInterpreter, Ctx<'a>>) {
    let table = instructions.instruction_table_mut();
    table[opcode::JUMPDEST as usize] = Instruction::new(jumpdest);
    table[opcode::CALL as usize] = Instruction::new(call::<{ opcode::CALL }>);
    table[opcode::CALLCODE as usize] = Instruction::new(call::<{ opcode::CALLCODE }>);
    table[opcode::DELEGATECALL as usize] = Instruction::new(call::<{ opcode::DELEGATECALL }>);
    table[opcode::STATICCALL as usize] = Instruction::new(call::<{ opcode::STATICCALL }>);
    table[opcode::CREATE as usize] = Instruction::new(create::<false>);
    table[opcode::CREATE2 as usize] = Instruction::new(create::<true>);
}
