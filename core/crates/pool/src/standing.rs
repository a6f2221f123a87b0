//! What the pool remembers of a sender's account, so that admission reads the state once a sender and block.

use alloy_primitives::{Address, KECCAK256_EMPTY};
use zg_types::{Account, StateView, ViewError};

/// EIP-7702: code that delegates is this and an address, 23 bytes.
const DELEGATION_PREFIX: [u8; 3] = [0xef, 0x01, 0x00];
const DELEGATION_BYTES: usize = 23;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No code.
    Plain,
    /// EIP-7702: a key's account that runs another's code.
    Delegated,
    /// EIP-3607: code of its own; it can send nothing.
    Contract { code_bytes: usize },
}

/// An account as of the last finalised block that touched it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) account: Account,
    pub(crate) kind: Kind,
}

impl Standing {
    /// Read the account; its code only when that differs from `before`.
    pub(crate) fn read(view: &dyn StateView, address: &Address, before: Option<&Self>) -> Result<Self, ViewError> {
        let account = view.account(address)?.unwrap_or_default();
        let kind = match before {
            _ if account.code_hash == KECCAK256_EMPTY => Kind::Plain,
            Some(before) if before.account.code_hash == account.code_hash => before.kind,
            _ => {
                let code = view.code(&account.code_hash)?;
                if code.len() == DELEGATION_BYTES && code.starts_with(&DELEGATION_PREFIX) {
                    Kind::Delegated
                } else {
                    Kind::Contract { code_bytes: code.len() }
                }
            }
        };
        Ok(Self { account, kind })
    }
}
