//! Forks: rows of data. What an opcode costs and does at each of them is revm's to know.
//!
//! | name | blobs, target / max a block | blobs a transaction | price update fraction |
//! |---|---|---|---|
//! | cancun | 3 / 6 | 6 | 3,338,477 |
//! | prague | 6 / 9 | 9 | 5,007,716 |
//! | osaka (BPO2 schedule) | 14 / 21 | 6 (EIP-7594) | 11,684,671 |

use revm::primitives::hardfork::SpecId;

/// EIP-7840: how many blobs a block aims at and may hold, and how fast their price moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobSchedule {
    pub target: u64,
    pub max: u64,
    /// EIP-4844's BLOB_BASE_FEE_UPDATE_FRACTION.
    pub update_fraction: u64,
}

/// The rules that a block is executed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Lower case, as in a genesis file.
    pub name: &'static str,
    pub spec: SpecId,
    pub blobs: BlobSchedule,
    /// Most blobs that one transaction may carry.
    pub blobs_per_tx_max: u64,
}

impl Fork {
    pub const CANCUN: Self = Self {
        name: "cancun",
        spec: SpecId::CANCUN,
        blobs: BlobSchedule { target: 3, max: 6, update_fraction: 3_338_477 },
        blobs_per_tx_max: 6,
    };
    pub const PRAGUE: Self = Self {
        name: "prague",
        spec: SpecId::PRAGUE,
        blobs: BlobSchedule { target: 6, max: 9, update_fraction: 5_007_716 },
        blobs_per_tx_max: 9,
    };
    pub const OSAKA: Self = Self {
        name: "osaka",
        spec: SpecId::OSAKA,
        blobs: BlobSchedule { target: 14, max: 21, update_fraction: 11_684_671 },
        blobs_per_tx_max: 6,
    };

    /// The fork of this name in any case; None when it is not one that the engine runs.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::CANCUN, Self::PRAGUE, Self::OSAKA].into_iter().find(|fork| fork.name.eq_ignore_ascii_case(name))
    }

    /// Whether the parent's hash is kept in state (EIP-2935).
    pub fn keeps_block_hashes(&self) -> bool {
        self.spec.is_enabled_in(SpecId::PRAGUE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_is_found_by_its_name_in_any_case() {
        assert_eq!(Fork::by_name("Osaka"), Some(Fork::OSAKA));
        assert_eq!(Fork::by_name("prague"), Some(Fork::PRAGUE));
        assert_eq!(Fork::by_name("berlin"), None);
    }
}
