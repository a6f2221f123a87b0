//! The revm instance that blocks, calls and fixtures run on, and transactions in its terms.

use crate::deadline::Deadline;
use crate::env::BlockEnv;
use crate::state::BlockState;
use alloy_consensus::Transaction as _;
use alloy_eips::Typed2718;
use revm::context::either::Either;
use revm::context::transaction::{RecoveredAuthority, RecoveredAuthorization, SignedAuthorization};
use revm::context::{CfgEnv, Context, Evm, FrameStack, Journal, JournalTr, LocalContext, TxEnv};
use revm::handler::instructions::EthInstructions;
use revm::handler::{EthFrame, EthPrecompiles};
use revm::interpreter::interpreter::EthInterpreter;
use zg_chain::Transaction;

pub(crate) type Ctx<'a> =
    Context<revm::context::BlockEnv, TxEnv, CfgEnv, BlockState<'a>, Journal<BlockState<'a>>, Deadline>;

/// `I` is an inspector, `P` provides precompiles.
pub(crate) type Vm<'a, I = (), P = EthPrecompiles> =
    Evm<Ctx<'a>, I, EthInstructions<EthInterpreter, Ctx<'a>>, P, EthFrame<EthInterpreter>>;

/// A machine for blocks: mainnet's instructions and precompiles, no inspector, no deadline.
pub(crate) fn machine<'a>(env: &BlockEnv, state: BlockState<'a>) -> Vm<'a> {
    let spec = env.fork.spec;
    Evm {
        ctx: context(env.revm_block(), env.revm_cfg(), state, Deadline::NEVER),
        inspector: (),
        instruction: EthInstructions::new_mainnet_with_spec(spec),
        precompiles: EthPrecompiles::new(spec),
        frame_stack: FrameStack::new_prealloc(8),
    }
}

pub(crate) fn context<'a>(
    block: revm::context::BlockEnv,
    cfg: CfgEnv,
    state: BlockState<'a>,
    deadline: Deadline,
) -> Ctx<'a> {
    let mut journaled_state = Journal::new(state);
    journaled_state.set_spec_id(cfg.spec);
    Context {
        tx: TxEnv::default(),
        block,
        cfg,
        journaled_state,
        local: LocalContext::default(),
        chain: deadline,
        error: Ok(()),
    }
}

/// A signed transaction as revm takes it. The input is shared, not copied.
pub(crate) fn tx_env(tx: &Transaction) -> TxEnv {
    let envelope = &tx.envelope;
    TxEnv {
        tx_type: envelope.ty(),
        caller: tx.sender,
        gas_limit: envelope.gas_limit(),
        gas_price: envelope.max_fee_per_gas(),
        kind: envelope.kind(),
        value: envelope.value(),
        data: envelope.input().clone(),
        nonce: envelope.nonce(),
        chain_id: envelope.chain_id(),
        access_list: envelope.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: envelope.max_priority_fee_per_gas(),
        blob_hashes: envelope.blob_versioned_hashes().map(<[_]>::to_vec).unwrap_or_default(),
        max_fee_per_blob_gas: envelope.max_fee_per_blob_gas().unwrap_or_default(),
        authorization_list: authorizations(envelope.authorization_list().unwrap_or_default(), &tx.authorities),
    }
}

/// EIP-7702 entries with the signers that the codec recovered; an entry nobody signed stays and has no effect.
fn authorizations(
    list: &[SignedAuthorization],
    authorities: &[Option<alloy_primitives::Address>],
) -> Vec<Either<SignedAuthorization, RecoveredAuthorization>> {
    list.iter()
        .zip(authorities)
        .map(|(entry, signer)| {
            let authority = signer.map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid);
            Either::Right(RecoveredAuthorization::new_unchecked(entry.inner().clone(), authority))
        })
        .collect()
}
