//! The state database of one shard.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use alloy_primitives::B256;
use parking_lot::{Mutex, RwLock};
use zg_trie::{EMPTY_ROOT_HASH, NodeSource, StateTrie};
use zg_types::{StateDiff, StateView, ViewError};

use crate::cache::Cache;
use crate::chain::{Branch, Chain, RECENT_MAX, Recent};
use crate::change::HashedDiff;
use crate::disk::Disk;
use crate::error::StateError;
use crate::history;
use crate::key;
use crate::leveldb::{Db, Snapshot};
use crate::overlay::Overlay;
use crate::record::{BlockId, Meta};
use crate::view::{Layers, View};
use crate::{buffer, flush};

/// A block whose state is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// An overlay, or one of the last finalised blocks.
    Hash(B256),
    /// A finalised block.
    Number(u64),
}

/// How a state database is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Memory for clean copies of what is on disk, bytes: trie nodes take half, LevelDB's blocks and flat records a
    /// quarter each.
    pub cache_bytes: usize,
    /// How many blocks behind the head can be read; None keeps all of them.
    pub history_blocks: Option<u64>,
}

/// A block's diff with the root that it leads to, not registered yet: the block's hash depends on the root.
pub struct Prepared {
    branch: Branch,
}

impl Prepared {
    /// The state root after the block.
    pub fn root(&self) -> B256 {
        self.branch.overlay.root
    }

    /// The block's number: one more than its parent's.
    pub fn number(&self) -> u64 {
        self.branch.overlay.number
    }

    /// What the block changed.
    pub fn diff(&self) -> &StateDiff {
        self.branch.overlay.change.diff()
    }
}

/// One open state directory. All methods may be called from any thread.
///
/// Locks, in the order in which they are taken: `flushing` (a whole flush, or one pruning of a trie), `writer` (one
/// finalisation, or the moment in which a flush freezes the buffer), `chain` (moments).
pub struct State {
    pub(crate) db: Arc<Db>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) options: Options,
    /// None before genesis.
    pub(crate) chain: RwLock<Option<Chain>>,
    pub(crate) writer: Mutex<()>,
    pub(crate) flushing: Mutex<()>,
    /// Set by a flush: tries hold nodes that the disk has now.
    pub(crate) prune_due: AtomicBool,
    /// Why nothing more is written.
    pub(crate) failure: OnceLock<String>,
}

/// A trie source for the state before genesis.
struct Nothing;

impl NodeSource for Nothing {
    fn node(&self, _: Option<&B256>, _: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(None)
    }
}

impl State {
    /// Open or create the directory at `path`. Raises `Locked`, `Corrupt`, `Io`.
    pub fn open(path: &Path, options: Options) -> Result<Self, StateError> {
        let db = Db::open(path, options.cache_bytes / 4)?;
        let cache = Arc::new(Cache::new(options.cache_bytes / 4));
        let chain = match read_meta(&Snapshot::new(&db))? {
            None => None,
            Some(meta) => {
                let disk = Arc::new(Disk::new(&db, meta, cache.clone(), 0));
                let recent = read_recent(&disk)?;
                Some(Chain::new(disk, StateTrie::open(meta.flushed.root), recent))
            }
        };
        Ok(Self {
            db,
            cache,
            options,
            chain: RwLock::new(chain),
            writer: Mutex::new(()),
            flushing: Mutex::new(()),
            prune_due: AtomicBool::new(false),
            failure: OnceLock::new(),
        })
    }

    /// Whether genesis has yet to be written.
    pub fn is_empty(&self) -> bool {
        self.chain.read().is_none()
    }

    /// The root that `diff` gives on the empty state.
    pub fn root_of(diff: &StateDiff) -> Result<B256, StateError> {
        let change = HashedDiff::new(diff.clone())?;
        Ok(StateTrie::empty().update(&Nothing, change.trie_changes())?.trie.root())
    }

    /// Write block 0, whose hash is `hash` and whose state is `diff`; returns its root once it is durable.
    pub fn init_genesis(&self, hash: B256, diff: &StateDiff) -> Result<B256, StateError> {
        let _flushing = self.flushing.lock();
        self.writable()?;
        if !self.is_empty() {
            return Err(StateError::NotEmpty);
        }
        let change = HashedDiff::new(diff.clone())?;
        let trie = StateTrie::empty().update(&Nothing, change.trie_changes())?.trie;
        let id = BlockId { number: 0, hash, root: trie.root() };
        let buffer = Arc::new(buffer::Buffer::default());
        let overlay = Overlay::new(0, B256::ZERO, id.root, change);
        let block = buffer::FinalisedBlock { id, reverse: Arc::default(), nodes: buffer::LostNodes::default() };
        buffer.merge(&overlay, block);
        let disk = self.write_out(&flush::Job { buffer, id, trie: trie.clone(), disk: None })?;
        let mut recent = Recent::default();
        recent.push(id, 0);
        *self.chain.write() = Some(Chain::new(disk, trie, recent));
        Ok(id.root)
    }

    /// Finalised (number, block hash, state root); zeros and the empty root before genesis.
    pub fn head(&self) -> (u64, B256, B256) {
        match &*self.chain.read() {
            Some(chain) => (chain.head.number, chain.head.hash, chain.head.root),
            None => (0, B256::ZERO, EMPTY_ROOT_HASH),
        }
    }

    /// (number, block hash) of the last block that the directory holds durably.
    pub fn flushed(&self) -> (u64, B256) {
        match &*self.chain.read() {
            Some(chain) => (chain.disk.flushed().number, chain.disk.flushed().hash),
            None => (0, B256::ZERO),
        }
    }

    /// About how much `flush` would write, bytes.
    pub fn pending_bytes(&self) -> usize {
        self.chain.read().as_ref().map_or(0, |chain| chain.active.bytes())
    }

    pub(crate) fn writable(&self) -> Result<(), StateError> {
        match self.failure.get() {
            None => Ok(()),
            Some(first) => Err(StateError::Io(format!("writing stopped at an earlier failure: {first}"))),
        }
    }

    /// Run `read` on the chain. Raises `UnknownBlock` before genesis.
    pub(crate) fn with_chain<T>(&self, read: impl FnOnce(&Chain) -> Result<T, StateError>) -> Result<T, StateError> {
        match &*self.chain.read() {
            Some(chain) => read(chain),
            None => Err(StateError::UnknownBlock("before genesis".into())),
        }
    }

    fn with_chain_mut<T>(&self, write: impl FnOnce(&mut Chain) -> Result<T, StateError>) -> Result<T, StateError> {
        match &mut *self.chain.write() {
            Some(chain) => write(chain),
            None => Err(StateError::UnknownBlock("before genesis".into())),
        }
    }

    /// Compute what `diff` makes of the state after `parent`, which is the head or an overlay.
    ///
    /// With `check_before` the diff's `before` values are compared with the parent first: `Mismatch` names the first
    /// difference. Without it they are trusted; they become history.
    pub fn prepare(&self, parent: B256, diff: StateDiff, check_before: bool) -> Result<Prepared, StateError> {
        let change = HashedDiff::new(diff)?;
        if check_before {
            compare_before(&self.view(At::Hash(parent))?, change.diff())?;
        }
        self.shrink(&parent)?;
        let (number, trie, disk) = self.with_chain(|chain| {
            let (number, trie) = chain.tip(&parent)?;
            Ok((number, trie.clone(), chain.disk.clone()))
        })?;
        let update = trie.update(&*disk, change.trie_changes())?;
        let overlay = Overlay::new(number + 1, parent, update.trie.root(), change);
        let nodes = buffer::LostNodes { removed: update.removed, wiped: update.wiped };
        Ok(Prepared { branch: Branch { overlay: Arc::new(overlay), trie: update.trie, nodes } })
    }

    /// Register a prepared block under its hash: an overlay on its parent, which must still be the head or an overlay.
    pub fn insert(&self, hash: B256, prepared: Prepared) -> Result<(), StateError> {
        self.with_chain_mut(|chain| chain.insert(hash, prepared.branch))
    }

    /// Merge the overlay `hash`, a child of the head, into the head. Its siblings and their descendants are dropped.
    pub fn finalise(&self, hash: B256) -> Result<(), StateError> {
        let _writer = self.writer.lock();
        self.writable()?;
        let (overlay, nodes, active) = self.with_chain_mut(|chain| {
            let (overlay, nodes) = chain.take_child(&hash)?;
            Ok((overlay, nodes, chain.active.clone()))
        })?;
        let id = BlockId { number: overlay.number, hash, root: overlay.root };
        let reverse = Arc::new(history::encode_block(&overlay.change));
        active.merge(&overlay, buffer::FinalisedBlock { id, reverse, nodes });
        let dropped = self.with_chain_mut(|chain| Ok(chain.advance(&hash)))?;
        drop(dropped);
        Ok(())
    }

    /// The state as of `at`. Raises `UnknownBlock`, and `Missing` when the block is older than the kept history.
    pub fn view(&self, at: At) -> Result<View, StateError> {
        let layers = self.with_chain(|chain| self.layers(chain, at))?;
        Ok(View::new(layers.with_root()?))
    }

    /// The layers of the block `at`; the root is zero when only the disk knows it.
    pub(crate) fn layers(&self, chain: &Chain, at: At) -> Result<Layers, StateError> {
        let block = match at {
            At::Hash(hash) => {
                if let Some(layers) = chain.overlay_layers(&hash) {
                    return Ok(layers);
                }
                *chain.recent.by_hash(&hash).ok_or_else(|| StateError::UnknownBlock(hash.to_string()))?
            }
            At::Number(number) => {
                let unknown = BlockId { number, hash: B256::ZERO, root: B256::ZERO };
                chain.recent.by_number(number).copied().unwrap_or(unknown)
            }
        };
        self.check_kept(chain, block.number)?;
        Ok(chain.finalised_layers(&block))
    }

    /// Check that the state of the finalised block `number` is kept.
    pub(crate) fn check_kept(&self, chain: &Chain, number: u64) -> Result<(), StateError> {
        if number > chain.head.number {
            return Err(StateError::UnknownBlock(number.to_string()));
        }
        let promised = self.options.history_blocks.map_or(0, |blocks| chain.head.number.saturating_sub(blocks));
        let oldest = chain.disk.meta.oldest.max(promised);
        if number < oldest {
            let name = match chain.recent.by_number(number) {
                Some(block) => format!("{:x}", block.root),
                None => format!("of block {number}"),
            };
            let text = format!("{name} (path ) state of block {number} is pruned, the oldest kept is {oldest}");
            return Err(StateError::Missing(text));
        }
        Ok(())
    }

    /// Cut the trie of `parent` down to its share of the cache, once after each flush.
    ///
    /// A flush marks nodes as saved before they are readable, so the two exclude each other; a flush in progress just
    /// puts this off.
    fn shrink(&self, parent: &B256) -> Result<(), StateError> {
        let limit = self.options.cache_bytes / 2;
        if !self.prune_due.load(Ordering::Relaxed) || self.failure.get().is_some() {
            return Ok(());
        }
        let Some(_flushing) = self.flushing.try_lock() else {
            return Ok(());
        };
        let trie = self.with_chain(|chain| Ok(chain.tip(parent)?.1.clone()))?;
        if trie.memory_bytes() > limit {
            let smaller = trie.prune(limit / 2);
            self.with_chain_mut(|chain| {
                chain.replace_trie(parent, smaller);
                Ok(())
            })?;
        }
        self.prune_due.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Rewrite the directory without the records that were overwritten or deleted.
    pub fn compact(&self) {
        self.db.compact();
    }

    /// Numbers for operators: blocks, sizes in bytes, cache reads.
    pub fn stats(&self) -> Vec<(&'static str, u64)> {
        let (hits, misses) = self.cache.counts();
        let mut stats = vec![
            ("cache_hits", hits),
            ("cache_misses", misses),
            ("leveldb_memory_bytes", self.db.memory_bytes()),
            ("disk_bytes", self.db.disk_bytes()),
        ];
        if let Some(chain) = &*self.chain.read() {
            stats.extend([
                ("head_number", chain.head.number),
                ("flushed_number", chain.disk.flushed().number),
                ("oldest_number", chain.disk.meta.oldest),
                ("overlays", chain.overlays.len() as u64),
                ("pending_bytes", chain.active.bytes() as u64),
                ("flushing_bytes", chain.frozen.as_ref().map_or(0, |buffer| buffer.bytes()) as u64),
                ("trie_bytes", chain.trie.memory_bytes() as u64),
            ]);
        }
        stats
    }
}

/// What the directory says it holds; None when it is new.
fn read_meta(snapshot: &Snapshot) -> Result<Option<Meta>, StateError> {
    let mut cursor = snapshot.cursor();
    let Some(bytes) = snapshot.get(key::META)? else {
        if snapshot.get(key::IMPORT)?.is_some() {
            return Err(StateError::Corrupt("the directory is a snapshot's import that was never finished".into()));
        }
        cursor.seek(&[]);
        return match cursor.entry()? {
            None => Ok(None),
            Some(_) => Err(StateError::Corrupt("the directory holds records but does not say of which block".into())),
        };
    };
    let meta = Meta::decode(&bytes)?;
    let mut links = Vec::new();
    cursor.seek(&[key::LINK]);
    while let Some((key, _)) = cursor.entry()?.filter(|(key, _)| key[0] == key::LINK) {
        links.push(key.to_vec());
        cursor.next();
    }
    if links != [key::numbered(key::LINK, meta.flushed.number)] {
        return Err(StateError::Corrupt(format!("a batch before block {} is missing", meta.flushed.number)));
    }
    Ok(Some(meta))
}

/// The last finalised blocks, from disk.
fn read_recent(disk: &Disk) -> Result<Recent, StateError> {
    let last = disk.flushed().number;
    let mut recent = Recent::default();
    for number in disk.meta.oldest.max(last.saturating_sub(RECENT_MAX as u64 - 1))..=last {
        recent.push(disk.block(number)?, last);
    }
    match recent.by_number(last) {
        Some(block) if block == disk.flushed() => Ok(recent),
        _ => Err(StateError::Corrupt(format!("the record of block {last} contradicts the directory's"))),
    }
}

/// Check a diff's `before` values against its parent.
fn compare_before(parent: &View, diff: &StateDiff) -> Result<(), StateError> {
    for account in &diff.accounts {
        let address = &account.address;
        let found = parent.account(address)?;
        if found != account.before {
            let text = format!("{address} is {found:?}, the diff says {:?}", account.before);
            return Err(StateError::Mismatch(text));
        }
        for slot in &account.storage {
            let found = parent.storage(address, &slot.slot)?;
            if found != slot.before {
                let text = format!("{address} holds {found} at {:#x}, the diff says {}", slot.slot, slot.before);
                return Err(StateError::Mismatch(text));
            }
        }
    }
    Ok(())
}
