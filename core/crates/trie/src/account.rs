//! The update of a state trie: the account trie is edited, storage tries on the way. Before account nodes are hashed, all
//! storage tries so far are hashed together and their roots go into the account leaves.

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
    let (mut drafts, mut ledger) = (Drafts::new(), Ledger::default());
    let loader = Loader { source, owner: None, generation };
    let rule = AccountRule::new(loader);
    let mut editor = Editor { loader, rule, drafts: &mut drafts, ledger: &mut ledger, trie: 0 };
    let edited = editor.edit(root, &changes)?;
    let mut storages = editor.rule;
    storages.complete(&mut drafts);
    let root = match edited {
        Edited::Same => root.clone(),
        Edited::Gone => Tree::empty(),
        Edited::Draft(draft) => {
            let roots = drafts.seal_tries(&[draft]);
            roots.into_iter().next().map_or(Tree::empty(), |(_, hash, node)| Tree { hash, node: Some(node) })
        }
    };
    for (_, key, depth) in drafts.into_vacated() {
        ledger.vacate(None, &key, depth as usize);
    }
    for (trie, key, depth) in storages.drafts.into_vacated() {
        ledger.vacate(Some(storages.tries[trie as usize].owner), &key, depth as usize);
    }
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

/// A storage trie that changes.
struct StorageDraft {
    owner: B256,
    /// Its root, among the storage drafts.
    root: u32,
    /// The leaf of its account, among the account drafts.
    leaf: u32,
}

/// Account leaves; holds the drafts of all storage tries.
struct AccountRule<'a> {
    loader: Loader<'a>,
    drafts: Drafts<U256>,
    /// By number of the trie.
    tries: Vec<StorageDraft>,
    /// How many of `tries` have their hashes.
    complete: usize,
    ledger: Ledger,
    wiped: Vec<B256>,
}

impl<'a> AccountRule<'a> {
    fn new(loader: Loader<'a>) -> Self {
        let (tries, wiped) = (Vec::new(), Vec::new());
        Self { loader, drafts: Drafts::new(), tries, complete: 0, ledger: Ledger::default(), wiped }
    }

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
        let trie = self.tries.len() as u32;
        let loader = Loader { owner: Some(change.key), ..self.loader };
        let mut editor = Editor { loader, rule: SlotRule, drafts: &mut self.drafts, ledger: &mut self.ledger, trie };
        let storage = match editor.edit(storage, &change.storage)? {
            Edited::Same if storage.hash == old_root && old.is_some_and(|old| old.account() == *account) => {
                return Ok(Applied::Same);
            }
            Edited::Same => storage.clone(),
            Edited::Gone => empty,
            Edited::Draft(root) => {
                self.tries.push(StorageDraft { owner: change.key, root, leaf: draft });
                Tree::on_disk(B256::ZERO)
            }
        };
        Ok(Applied::Put(AccountValue::new(account, storage)))
    }

    /// Hash the storage tries so far and put their roots into the account leaves.
    fn complete(&mut self, accounts: &mut Drafts<AccountValue>) {
        let roots: Vec<u32> = self.tries[self.complete..].iter().map(|trie| trie.root).collect();
        self.complete = self.tries.len();
        for (trie, hash, node) in self.drafts.seal_tries(&roots) {
            let leaf = accounts.value_mut(self.tries[trie as usize].leaf);
            if let Some(tree) = leaf.and_then(Value::storage_mut) {
                *tree = Tree { hash, node: Some(node) };
            }
        }
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
