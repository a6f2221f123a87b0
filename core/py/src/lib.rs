//! `zg_node._core`: the Rust crates as Python sees them. See zg_node/_core.pyi for the documentation.
//!
//! Each call crosses once for a block or a batch, copies its arguments' slices only where the work outlives them, and runs
//! with the GIL released.

mod bls;
mod call;
mod codec;
mod content;
mod convert;
mod engine;
mod erasure;
mod error;
mod executed;
mod pool;
mod signature;
mod snapshot;
mod stages;
mod state;
mod vrf;

/// Blocks and tries are made of many small, short-lived allocations across threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The module.
#[pyo3::pymodule]
mod _core {
    #[pymodule_export]
    use super::bls::{bls_is_public_key, bls_key_from_seed, bls_possession_proof, bls_public_key};
    #[pymodule_export]
    use super::call::{CallError, CallRequest};
    #[pymodule_export]
    use super::codec::{
        LogFilter, block_json, body_hashes, check_block, check_body, decode_transaction_json, draft_header,
        fee_history, header_json, keccak256, receipt_json, receipts_json, run_state_test, sign_transaction_json,
        transaction_json,
    };
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::erasure::{
        BundleIndex, Encoding, RowVerifier, bundle_blobs, check_namespace, erasure_shape, refused_cells, row_cells,
        rsema1d_commitment,
    };
    #[pymodule_export]
    use super::executed::Executed;
    #[pymodule_export]
    use super::pool::Pool;
    #[pymodule_export]
    use super::signature::recover_addresses;
    #[pymodule_export]
    use super::snapshot::{Snapshot, SnapshotImport};
    #[pymodule_export]
    use super::state::State;
    #[pymodule_export]
    use super::vrf::{vrf_output, vrf_prove, vrf_verify};
}
