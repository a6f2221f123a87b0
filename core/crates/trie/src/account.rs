//! The update of a state trie: the account trie is edited first, storage tries on the way; then all storage tries are
//! hashed together, their roots go into the account leaves, and the account trie is hashed.

use crate::draft::Drafts;
use crate::edit::{Applied, Edited, Editor, Ledger, Rule};
use crate::load::Loader;
use crate::node::{Node, Tree};
use crate::value::{AccountValue, Value};
use crate::{AccountChange, NodeSource};
use alloy_primitives::{B256, U256};
use zg_types::ViewError;

/// A new account trie and what to note about it.
pub(crate) struct Outcome {
    pub(crate) root: Tree<AccountValue>,
    pub(crate) removed: Vec<(Option<B256>, Vec<u8>)>,
    pub(crate) wiped: Vec<B256>,
    /// Change of the memory in use.
    pub(crate) bytes: isize,
}

/// Apply `changes`, which may come in any order; of those with one key the last counts.
pub(crate) fn update(
    source: &dyn NodeSource,
    generation: u32,
    root: &Tree<AccountValue>,
    mut changes: Vec<AccountChange>,
) -> Result<Outcome, ViewError> {
    sort(&mut changes, |change| &change.key);
    for change in &mut changes {
        sort(&mut change.storage, |(slot, _)| slot);
    }
    let mut drafts = Drafts::new();
    let mut ledger = Ledger::default();
    let loader = Loader { source, owner: None, generation };
    let rule = AccountRule { loader, drafts: Drafts::new(), owners: Vec::new(), ledger: Ledger::default(), wiped: vec![] };
    let mut editor = Editor { loader, rule, drafts: &mut drafts, ledger: &mut ledger, trie: 0 };
    let edited = editor.edit(root, &changes)?;
    let storages = editor.rule;

    let sealed = storages.drafts.seal();
    for (trie, hash, node) in sealed.roots {
        let (_, leaf) = storages.owners[trie as usize];
        if let Some(tree) = drafts.value_mut(leaf).and_then(Value::storage_mut) {
            *tree = Tree { hash, node: Some(node) };
        }
    }
    for (trie, key, depth) in sealed.vacated {
        ledger.vacate(Some(storages.owners[trie as usize].0), &key, depth as usize);
    }

    let sealed = drafts.seal();
    for (_, key, depth) in sealed.vacated {
        ledger.vacate(None, &key, depth as usize);
    }
    let root = match (edited, sealed.roots.into_iter().next()) {
        (Edited::Draft(_), Some((_, hash, node))) => Tree { hash, node: Some(node) },
        (Edited::Same, _) => root.clone(),
        _ => Tree::empty(),
    };
    let mut removed = ledger.removed;
    removed.extend(storages.ledger.removed);
    Ok(Outcome { root, removed, wiped: storages.wiped, bytes: ledger.bytes + storages.ledger.bytes })
}

/// Sort by key and keep the last of equal keys.
fn sort<T>(items: &mut Vec<T>, key: impl Fn(&T) -> &B256) {
    if items.is_sorted_by(|a, b| key(a) < key(b)) {
        return;
    }
    items.sort_by(|a, b| key(a).cmp(key(b)));
    items.dedup_by(|later, kept| {
        let same = key(later) == key(kept);
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
}

/// Account leaves; collects the drafts of all storage tries that change.
struct AccountRule<'a> {
    loader: Loader<'a>,
    drafts: Drafts<U256>,
    /// By number of storage trie: its owner and the draft of the account's leaf.
    owners: Vec<(B256, u32)>,
    ledger: Ledger,
    wiped: Vec<B256>,
}

impl AccountRule<'_> {
    /// The storage of `owner` is gone.
    fn wipe(&mut self, owner: B256, storage: &Tree<U256>) {
        if !storage.is_empty() {
            self.wiped.push(owner);
            self.ledger.bytes -= storage.node.as_ref().map_or(0, Node::total_bytes) as isize;
        }
    }
}

impl Rule for AccountRule<'_> {
    type Value = AccountValue;
    type Change = AccountChange;

    fn key(change: &AccountChange) -> &B256 {
        &change.key
    }

    fn deletes(change: &AccountChange) -> bool {
        change.account.is_none()
    }

    fn apply(
        &mut self,
        change: &AccountChange,
        old: Option<&AccountValue>,
        draft: u32,
    ) -> Result<Applied<AccountValue>, ViewError> {
        let empty = Tree::empty();
        let mut storage = old.and_then(Value::storage).unwrap_or(&empty);
        let Some(account) = &change.account else {
            self.wipe(change.key, storage);
            return Ok(Applied::Gone);
        };
        let old_root = storage.hash;
        if change.wiped {
            self.wipe(change.key, storage);
            storage = &empty;
        }
        let trie = self.owners.len() as u32;
        let loader = Loader { owner: Some(change.key), ..self.loader };
        let mut editor =
            Editor { loader, rule: SlotRule, drafts: &mut self.drafts, ledger: &mut self.ledger, trie };
        let storage = match editor.edit(storage, &change.storage)? {
            Edited::Same if storage.hash == old_root && old.is_some_and(|old| old.account() == *account) => {
                return Ok(Applied::Same);
            }
            Edited::Same => storage.clone(),
            Edited::Gone => empty,
            Edited::Draft(_) => {
                self.owners.push((change.key, draft));
                Tree::on_disk(B256::ZERO)
            }
        };
        Ok(Applied::Put(AccountValue::new(account, storage)))
    }
}

/// Storage words; a zero word is no word.
struct SlotRule;

impl Rule for SlotRule {
    type Value = U256;
    type Change = (B256, U256);

    fn key((slot, _): &(B256, U256)) -> &B256 {
        slot
    }

    fn deletes((_, word): &(B256, U256)) -> bool {
        word.is_zero()
    }

    fn apply(&mut self, (_, word): &(B256, U256), old: Option<&U256>, _: u32) -> Result<Applied<U256>, ViewError> {
        Ok(match old {
            _ if word.is_zero() => Applied::Gone,
            Some(old) if old == word => Applied::Same,
            _ => Applied::Put(*word),
        })
    }
}
