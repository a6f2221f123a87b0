//! The instruction at which a call's outermost code stopped, for the error texts that name it.

use crate::vm::Ctx;
use revm::Inspector;
use revm::bytecode::opcode::OpCode;
use revm::context_interface::result::HaltReason;
use revm::handler::FrameResult;
use revm::interpreter::interpreter_types::Jumps;
use revm::interpreter::{FrameInput, Interpreter};

/// Deepest stack.
const STACK_MAX: usize = 1024;

/// Remembers the last instruction of the outermost frame.
#[derive(Default)]
pub(crate) struct LastStep {
    frames: usize,
    opcode: u8,
    stack: usize,
}

impl<'a> Inspector<Ctx<'a>> for LastStep {
    fn step(&mut self, interpreter: &mut Interpreter, _: &mut Ctx<'a>) {
        if self.frames == 1 {
            self.opcode = interpreter.bytecode.opcode();
            self.stack = interpreter.stack.len();
        }
    }

    fn frame_start(&mut self, _: &mut Ctx<'a>, _: &mut FrameInput) -> Option<FrameResult> {
        self.frames += 1;
        None
    }

    fn frame_end(&mut self, _: &mut Ctx<'a>, _: &FrameInput, _: &mut FrameResult) {
        self.frames = self.frames.saturating_sub(1);
    }
}

/// Whether the text of `reason` names the instruction.
pub(crate) fn names_instruction(reason: &HaltReason) -> bool {
    matches!(
        reason,
        HaltReason::OpcodeNotFound
            | HaltReason::InvalidFEOpcode
            | HaltReason::NotActivated
            | HaltReason::StackUnderflow
            | HaltReason::StackOverflow
    )
}

impl LastStep {
    /// geth's text for a halt that [`names_instruction`].
    pub(crate) fn text(&self, reason: &HaltReason) -> String {
        let info = OpCode::new(self.opcode);
        let (inputs, outputs) =
            info.map_or((0, 0), |opcode| (usize::from(opcode.inputs()), usize::from(opcode.outputs())));
        match reason {
            HaltReason::StackUnderflow => format!("stack underflow ({} <=> {inputs})", self.stack),
            HaltReason::StackOverflow => {
                format!("stack limit reached {} ({})", self.stack, STACK_MAX + inputs - outputs)
            }
            _ => match info {
                Some(opcode) => format!("invalid opcode: {}", opcode.as_str()),
                None => format!("invalid opcode: opcode {:#x} not defined", self.opcode),
            },
        }
    }
}
