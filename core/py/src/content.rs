//! What the mempool holds, as txpool_content, txpool_contentFrom and txpool_inspect show it.
//!
//! ```text
//!   locked: snapshot of references ──▶ unlocked: JSON, which for a full pool takes a thousand times as long
//! ```

use alloy_consensus::Transaction as _;
use alloy_primitives::Address;
use std::sync::Arc;
use zg_chain::{Transaction, json};
use zg_pool::Pool;

/// One sender's transactions, in nonce order.
pub(crate) struct Waiting {
    address: Address,
    executable: Vec<Arc<Transaction>>,
    queued: Vec<Arc<Transaction>>,
}

type Part = fn(&Waiting) -> &[Arc<Transaction>];

/// The two halves of every answer.
const PARTS: [(&str, Part); 2] = [("pending", |sender| &sender.executable), ("queued", |sender| &sender.queued)];

/// References to everything in the pool, or to what one sender has there.
pub(crate) fn snapshot(pool: &Pool<Transaction>, only: Option<&Address>) -> Vec<Waiting> {
    let take = |sender: zg_pool::SenderContent<'_, Transaction>| Waiting {
        address: *sender.address(),
        executable: sender.executable().cloned().collect(),
        queued: sender.queued().cloned().collect(),
    };
    match only {
        Some(address) => pool.content_of(address).into_iter().map(take).collect(),
        None => pool.content().map(take).collect(),
    }
}

/// `{"pending": {address: {nonce: transaction}}, "queued": …}`.
pub(crate) fn by_sender(senders: &[Waiting]) -> Vec<u8> {
    halves(|out, part| write_senders(out, senders, part, json::pending_json))
}

/// `{"pending": {nonce: transaction}, "queued": …}` of at most one sender.
pub(crate) fn of_sender(senders: &[Waiting]) -> Vec<u8> {
    halves(|out, part| {
        write_nonces(out, senders.first().map_or(&[], part), json::pending_json);
    })
}

/// As [`by_sender`], with a readable line for each transaction.
pub(crate) fn lines(senders: &[Waiting]) -> Vec<u8> {
    halves(|out, part| write_senders(out, senders, part, line))
}

/// `"0xTo: 1 wei + 21000 gas × 7 wei"`, in quotes.
fn line(tx: &Transaction) -> Vec<u8> {
    let target = tx.envelope.to().map_or("contract creation".to_owned(), |to| to.to_string());
    let (value, gas, price) = (tx.envelope.value(), tx.envelope.gas_limit(), tx.envelope.max_fee_per_gas());
    format!("\"{target}: {value} wei + {gas} gas × {price} wei\"").into_bytes()
}

fn halves(write: impl Fn(&mut Vec<u8>, Part)) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, (name, part)) in PARTS.into_iter().enumerate() {
        out.extend_from_slice(format!("{}\"{name}\":", if index == 0 { '{' } else { ',' }).as_bytes());
        write(&mut out, part);
    }
    out.push(b'}');
    out
}

fn write_senders(out: &mut Vec<u8>, senders: &[Waiting], part: Part, show: impl Fn(&Transaction) -> Vec<u8>) {
    out.push(b'{');
    for (index, sender) in senders.iter().filter(|sender| !part(sender).is_empty()).enumerate() {
        let comma = if index > 0 { "," } else { "" };
        out.extend_from_slice(format!("{comma}\"{}\":", sender.address).as_bytes());
        write_nonces(out, part(sender), &show);
    }
    out.push(b'}');
}

fn write_nonces(out: &mut Vec<u8>, transactions: &[Arc<Transaction>], show: impl Fn(&Transaction) -> Vec<u8>) {
    out.push(b'{');
    for (index, tx) in transactions.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        out.extend_from_slice(format!("{comma}\"{}\":", tx.envelope.nonce()).as_bytes());
        out.extend_from_slice(&show(tx));
    }
    out.push(b'}');
}
