//! What transactions paid above the base fee: the rewards of eth_feeHistory.

use crate::body::Cursor;
use crate::error::CodecError;
use crate::header;
use crate::receipt::views;
use crate::transaction::decode;
use alloy_consensus::Transaction as _;

/// The effective tip, wei per gas, at each percentile (0 to 100, rising) of the gas that the block used: transactions are
/// ordered by tip, and the answer is the tip of the one in which that share of the gas is reached. All zeros for an empty
/// block. `header`, `body` and `receipts` are the stored encodings.
pub fn rewards(header: &[u8], body: &[u8], receipts: &[u8], percentiles: &[f64]) -> Result<Vec<u128>, CodecError> {
    let header = header::decode(header)?;
    let paid = tips_by_gas(header::base_fee(&header), body, receipts)?;
    let mut transactions = paid.iter();
    let Some((mut tip, mut reached)) = transactions.next().copied() else {
        return Ok(vec![0; percentiles.len()]);
    };
    let at = |percentile: &f64| {
        let wanted = (header.gas_used as f64 * percentile / 100.0) as u64;
        while reached < wanted
            && let Some((next, gas)) = transactions.next()
        {
            tip = *next;
            reached = reached.saturating_add(*gas);
        }
        tip
    };
    Ok(percentiles.iter().map(at).collect())
}

/// (effective tip, gas used) of each transaction, ascending by tip.
fn tips_by_gas(base_fee: u64, body: &[u8], receipts: &[u8]) -> Result<Vec<(u128, u64)>, CodecError> {
    let mut views = views(receipts)?;
    let mut gas_before = 0;
    let mut paid = Vec::new();
    for (index, raw) in Cursor::new(body)?.enumerate() {
        let wrong = CodecError::Shape { what: "receipts", reason: "not one a transaction, or cumulative gas falls" };
        let tx = decode(raw?).map_err(|error| CodecError::Transaction { index, error })?;
        let cumulative = views.next().ok_or(wrong.clone())??.cumulative_gas_used;
        let tip = tx.effective_tip_per_gas(base_fee).unwrap_or_default();
        paid.push((tip, cumulative.checked_sub(gas_before).ok_or(wrong)?));
        gas_before = cumulative;
    }
    paid.sort_by_key(|(tip, _)| *tip);
    Ok(paid)
}
