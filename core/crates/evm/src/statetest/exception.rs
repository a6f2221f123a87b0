//! Why a transaction was refused, in the fixtures' words.

use revm::context_interface::result::InvalidTransaction;
use zg_chain::TransactionError;

/// Why a transaction did not run.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Refused {
    /// The bytes do not decode.
    #[error("codec: {0}")]
    Codec(TransactionError),
    /// Bytes and JSON differ in this field.
    #[error("txbytes and JSON disagree about the {0}")]
    Disagreement(&'static str),
    /// The JSON holds a number that the field cannot.
    #[error("{0} out of range")]
    Range(&'static str),
    #[error("{0}")]
    Machine(InvalidTransaction),
}

impl Refused {
    /// Whether this is one of the reasons in `expected`: names joined by `|`.
    pub(super) fn is(&self, expected: &str) -> bool {
        expected.split('|').map(|name| name.trim_start_matches("TransactionException.")).any(|name| self.is_one(name))
    }

    fn is_one(&self, name: &str) -> bool {
        use InvalidTransaction as I;
        let reason = match self {
            Self::Machine(reason) => reason,
            // Sets without entries and contract creations of types 3 and 4 have no encoding.
            Self::Codec(TransactionError::Rlp(_)) => {
                return matches!(name, "TYPE_3_TX_CONTRACT_CREATION" | "TYPE_4_TX_CONTRACT_CREATION");
            }
            Self::Codec(TransactionError::IntrinsicGas { .. }) => return name == "INTRINSIC_GAS_TOO_LOW",
            // No type holds such a price, let alone its product with the gas limit.
            Self::Range("gas price") => return name == "GASLIMIT_PRICE_PRODUCT_OVERFLOW",
            Self::Codec(_) | Self::Disagreement(_) | Self::Range(_) => return false,
        };
        match name {
            "INSUFFICIENT_ACCOUNT_FUNDS" => {
                matches!(reason, I::LackOfFundForMaxFee { .. } | I::OverflowPaymentInTransaction)
            }
            "GASLIMIT_PRICE_PRODUCT_OVERFLOW" => matches!(reason, I::OverflowPaymentInTransaction),
            "INTRINSIC_GAS_TOO_LOW" => matches!(reason, I::CallGasCostMoreThanGasLimit { .. }),
            "INTRINSIC_GAS_BELOW_FLOOR_GAS_COST" => matches!(reason, I::GasFloorMoreThanGasLimit { .. }),
            "SENDER_NOT_EOA" => matches!(reason, I::RejectCallerWithCode),
            "INITCODE_SIZE_EXCEEDED" => matches!(reason, I::CreateInitCodeSizeLimit),
            "NONCE_IS_MAX" => matches!(reason, I::NonceOverflowInTransaction),
            "GAS_LIMIT_EXCEEDS_MAXIMUM" => matches!(reason, I::TxGasLimitGreaterThanCap { .. }),
            "GAS_ALLOWANCE_EXCEEDED" => matches!(reason, I::CallerGasLimitMoreThanBlock),
            "INSUFFICIENT_MAX_FEE_PER_GAS" => matches!(reason, I::GasPriceLessThanBasefee),
            "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS" => matches!(reason, I::PriorityFeeGreaterThanMaxFee),
            "INSUFFICIENT_MAX_FEE_PER_BLOB_GAS" => matches!(reason, I::BlobGasPriceGreaterThanMax { .. }),
            "TYPE_3_TX_ZERO_BLOBS" => matches!(reason, I::EmptyBlobs),
            "TYPE_3_TX_BLOB_COUNT_EXCEEDED" | "TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED" => {
                matches!(reason, I::TooManyBlobs { .. })
            }
            "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH" => matches!(reason, I::BlobVersionNotSupported),
            "TYPE_4_EMPTY_AUTHORIZATION_LIST" => matches!(reason, I::EmptyAuthorizationList),
            "TYPE_4_TX_PRE_FORK" => matches!(reason, I::Eip7702NotSupported),
            _ => false,
        }
    }
}
