//! A transaction with what the pool looks at most, so that ordering does not follow pointers.

use alloy_primitives::U256;
use std::sync::Arc;
use zg_types::PoolTransaction;

/// The two fees of a transaction, wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) max_fee: u128,
    pub(crate) max_priority_fee: u128,
}

impl Price {
    pub(crate) fn of<T: PoolTransaction>(tx: &T) -> Self {
        Self { max_fee: tx.max_fee(), max_priority_fee: tx.max_priority_fee() }
    }

    /// What the block's proposer earns per gas at `base_fee`; None when the transaction cannot be included.
    #[inline]
    pub(crate) fn tip(&self, base_fee: u64) -> Option<u128> {
        self.max_fee.checked_sub(u128::from(base_fee)).map(|room| room.min(self.max_priority_fee))
    }

    /// Whether this price may replace `old`: both fees higher, by at least `percent`.
    pub(crate) fn outbids(&self, old: &Self, percent: u32) -> bool {
        let enough = |new: u128, old: u128| {
            let least = U256::from(old) * U256::from(100 + u64::from(percent)) / U256::from(100);
            new > old && U256::from(new) >= least
        };
        enough(self.max_fee, old.max_fee) && enough(self.max_priority_fee, old.max_priority_fee)
    }
}

pub(crate) struct Entry<T> {
    pub(crate) tx: Arc<T>,
    pub(crate) price: Price,
    /// Upper bound of what the sender pays, wei.
    pub(crate) cost: U256,
    /// Counts up over all transactions: the earlier of two equals goes first.
    pub(crate) arrival: u64,
    /// Its hash was handed out as a new executable transaction.
    pub(crate) announced: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_must_raise_both_fees_by_the_bump() {
        let old = Price { max_fee: 100, max_priority_fee: 10 };
        let price = |max_fee, max_priority_fee| Price { max_fee, max_priority_fee };
        assert!(price(110, 11).outbids(&old, 10));
        assert!(!price(109, 11).outbids(&old, 10));
        assert!(!price(200, 10).outbids(&old, 10));
        assert!(!price(100, 20).outbids(&old, 10));
    }

    #[test]
    fn a_replacement_of_a_free_transaction_must_still_pay_more() {
        let old = Price { max_fee: 5, max_priority_fee: 0 };
        assert!(!Price { max_fee: 6, max_priority_fee: 0 }.outbids(&old, 10));
        assert!(Price { max_fee: 6, max_priority_fee: 1 }.outbids(&old, 10));
    }

    #[test]
    fn the_largest_fees_do_not_overflow() {
        let top = Price { max_fee: u128::MAX, max_priority_fee: u128::MAX };
        assert!(!top.outbids(&top, u32::MAX));
        assert_eq!(top.tip(u64::MAX), Some(u128::MAX - u128::from(u64::MAX)));
    }
}
