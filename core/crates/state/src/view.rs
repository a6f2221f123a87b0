//! Reading the state as of one block.
//!
//! ```text
//! unfinalised overlays ▸ active buffer ▸ frozen buffer ▸ (history, for a block older than the disk) ▸ disk
//! ```
//! A view keeps the layers that it began with, so finalising and flushing never change its answers.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use zg_types::{Account, StateView, ViewError};

use crate::buffer::Buffer;
use crate::disk::Disk;
use crate::overlay::Overlay;

/// The layers below a block.
pub(crate) struct Layers {
    pub(crate) number: u64,
    pub(crate) root: B256,
    /// Not finalised, newest first.
    pub(crate) overlays: Vec<Arc<Overlay>>,
    /// Finalised and not flushed, newest first; read up to block `limit`.
    pub(crate) buffers: Vec<Arc<Buffer>>,
    pub(crate) limit: u64,
    pub(crate) disk: Arc<Disk>,
}

/// A consistent, shareable view of one block's state.
#[derive(Clone)]
pub struct View(Arc<Layers>);

impl View {
    pub(crate) fn new(layers: Layers) -> Self {
        Self(Arc::new(layers))
    }

    /// The block's number.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// The state root after the block.
    pub fn root(&self) -> B256 {
        self.0.root
    }
}

impl Layers {
    /// The block that history has to be asked for, when the disk has moved past it.
    fn past(&self) -> Option<u64> {
        (self.limit < self.disk.flushed().number).then_some(self.limit)
    }

    /// With the root from disk, if it was not at hand.
    pub(crate) fn with_root(self) -> Result<Self, ViewError> {
        let root = if self.root.is_zero() { self.disk.block(self.number)?.root } else { self.root };
        Ok(Self { root, ..self })
    }
}

impl StateView for View {
    fn account(&self, address: &Address) -> Result<Option<Account>, ViewError> {
        let layers = &*self.0;
        if let Some(account) = layers.overlays.iter().find_map(|overlay| overlay.account(address)) {
            return Ok(account);
        }
        if let Some(number) = layers.past() {
            return layers.disk.past_account(number, address);
        }
        match layers.buffers.iter().find_map(|buffer| buffer.account(address, layers.limit)) {
            Some(account) => Ok(account),
            None => layers.disk.account(address),
        }
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ViewError> {
        let layers = &*self.0;
        if let Some(word) = layers.overlays.iter().find_map(|overlay| overlay.word(address, slot)) {
            return Ok(word);
        }
        if let Some(number) = layers.past() {
            return layers.disk.past_word(number, address, slot);
        }
        match layers.buffers.iter().find_map(|buffer| buffer.word(address, slot, layers.limit)) {
            Some(word) => Ok(word),
            None => layers.disk.word(address, slot),
        }
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, ViewError> {
        if *code_hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        let layers = &*self.0;
        if let Some(code) = layers.overlays.iter().find_map(|overlay| overlay.code(code_hash)) {
            return Ok(code.clone());
        }
        match layers.buffers.iter().find_map(|buffer| buffer.code(code_hash)) {
            Some(code) => Ok(code),
            None => layers.disk.code(code_hash),
        }
    }
}
