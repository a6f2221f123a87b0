//! A safe face over LevelDB's C interface: a database, its snapshots, write batches and iterators.
//!
//! Every read checks block checksums, so a flipped bit is an error and never a value. Tables are read with `pread`:
//! mapped tables would count as resident memory without bound.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Arc, Once};

use leveldb_sys::*;
use zg_types::ViewError;

use crate::error::StateError;

/// Bits a key in each table's bloom filter: about 1 % false positives.
const BLOOM_BITS: c_int = 10;
/// Tables of 8 MiB: a quarter of the descriptors that LevelDB's 2 MiB would take.
const TABLE_BYTES: usize = 8 << 20;
/// Open tables. Each keeps its index and filter in memory, about 2 % of its size.
const OPEN_TABLES_MAX: c_int = 512;
/// What the memtable holds before it becomes a table.
const WRITE_BUFFER_BYTES: usize = 8 << 20;

unsafe extern "C" {
    /// `leveldb::EnvPosixTestHelper::SetReadOnlyMMapLimit(int)`: the only switch for mapped tables in LevelDB 1.22.
    #[link_name = "_ZN7leveldb18EnvPosixTestHelper20SetReadOnlyMMapLimitEi"]
    fn set_mmap_limit(limit: c_int);
    fn leveldb_options_set_max_file_size(options: *mut leveldb_options_t, bytes: usize);
}

/// The message that LevelDB allocated at `error`, freed here; None when there is none.
fn take_message(error: *mut c_char) -> Option<String> {
    if error.is_null() {
        return None;
    }
    // SAFETY: LevelDB stores a malloc'ed, NUL-terminated string in its error argument and leaves freeing it to us.
    unsafe {
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        leveldb_free(error.cast());
        Some(text)
    }
}

/// Sort LevelDB's message by its leading word.
fn classify(message: String) -> ViewError {
    if message.starts_with("Corruption") || message.starts_with("Invalid argument") {
        ViewError::Corrupt(message)
    } else {
        ViewError::Io(message)
    }
}

fn check(error: *mut c_char) -> Result<(), ViewError> {
    take_message(error).map_or(Ok(()), |message| Err(classify(message)))
}

fn io_error(path: &Path, error: std::io::Error) -> ViewError {
    ViewError::Io(format!("{}: {error}", path.display()))
}

/// Make the entries of the directory durable; LevelDB syncs its files but not the names of all of them.
fn sync_directory(path: &Path) -> Result<(), ViewError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|error| io_error(path, error))
}

/// An open database with what must outlive it.
pub(crate) struct Db {
    path: PathBuf,
    handle: *mut leveldb_t,
    options: *mut leveldb_options_t,
    cache: *mut leveldb_cache_t,
    filter: *mut leveldb_filterpolicy_t,
    write_options: *mut leveldb_writeoptions_t,
}

// SAFETY: `leveldb_t` may be used from any thread without further locks (its documentation says so); the other
// handles are set up in `open`, only read afterwards, and freed by the last owner.
unsafe impl Send for Db {}
// SAFETY: as above.
unsafe impl Sync for Db {}

impl Db {
    /// Open or create the database at `path`, with a block cache of `cache_bytes`.
    ///
    /// A torn tail of LevelDB's own log is what a power cut leaves of a write that was never acknowledged. It is
    /// dropped by one lenient opening; everything else that looks damaged is `Corrupt`.
    pub(crate) fn open(path: &Path, cache_bytes: usize) -> Result<Arc<Self>, StateError> {
        static NO_MMAP: Once = Once::new();
        // SAFETY: sets one integer that LevelDB reads when its environment is first used, which `Once` precedes.
        NO_MMAP.call_once(|| unsafe { set_mmap_limit(0) });
        let is_new = !path.exists();
        std::fs::create_dir_all(path).map_err(|error| io_error(path, error))?;
        let db = match Self::open_as(path, cache_bytes, true) {
            Err(StateError::Corrupt(_)) => {
                drop(Self::open_as(path, cache_bytes, false)?);
                Self::open_as(path, cache_bytes, true)
            }
            other => other,
        }?;
        sync_directory(path)?;
        if let Some(parent) = path.parent().filter(|_| is_new) {
            sync_directory(parent)?;
        }
        Ok(db)
    }

    fn open_as(path: &Path, cache_bytes: usize, paranoid: bool) -> Result<Arc<Self>, StateError> {
        let name = CString::new(path.as_os_str().as_encoded_bytes())
            .map_err(|_| StateError::Io("the path holds a NUL byte".into()))?;
        // SAFETY: every handle comes from its own constructor and is owned by `db`, whose `drop` frees it; `error` is
        // a valid place for LevelDB's message.
        unsafe {
            let mut db = Self {
                path: path.to_path_buf(),
                handle: ptr::null_mut(),
                options: leveldb_options_create(),
                cache: leveldb_cache_create_lru(cache_bytes),
                filter: leveldb_filterpolicy_create_bloom(BLOOM_BITS),
                write_options: leveldb_writeoptions_create(),
            };
            leveldb_options_set_create_if_missing(db.options, 1);
            leveldb_options_set_paranoid_checks(db.options, paranoid as u8);
            leveldb_options_set_cache(db.options, db.cache);
            leveldb_options_set_filter_policy(db.options, db.filter);
            leveldb_options_set_write_buffer_size(db.options, WRITE_BUFFER_BYTES);
            leveldb_options_set_max_open_files(db.options, OPEN_TABLES_MAX);
            leveldb_options_set_max_file_size(db.options, TABLE_BYTES);
            leveldb_options_set_compression(db.options, Compression::No);
            leveldb_writeoptions_set_sync(db.write_options, 1);
            let mut error = ptr::null_mut();
            db.handle = leveldb_open(db.options, name.as_ptr(), &mut error);
            match take_message(error) {
                None => Ok(Arc::new(db)),
                Some(text) if text.starts_with("IO error: lock ") => Err(StateError::Locked(text)),
                Some(text) => Err(classify(text).into()),
            }
        }
    }

    /// Write the batch atomically and sync it, with the directory entries of the files that LevelDB began for it.
    ///
    /// A batch goes into one memtable, however large, which would stay in memory until the next write; one that is
    /// larger than a memtable should be becomes a table before this returns.
    pub(crate) fn write(&self, batch: Batch) -> Result<(), ViewError> {
        let mut error = ptr::null_mut();
        // SAFETY: all handles are live; LevelDB copies what it keeps.
        unsafe { leveldb_write(self.handle, self.write_options, batch.handle, &mut error) };
        check(error)?;
        sync_directory(&self.path)?;
        if batch.bytes > WRITE_BUFFER_BYTES {
            drop(batch);
            // SAFETY: one-byte bounds. Compaction of a range begins with the memtable; no key is in this one.
            unsafe { leveldb_compact_range(self.handle, c"".as_ptr(), 1, c"".as_ptr(), 1) }
        }
        Ok(())
    }

    /// Rewrite all tables into their final level.
    pub(crate) fn compact(&self) {
        // SAFETY: null bounds mean the whole key space.
        unsafe { leveldb_compact_range(self.handle, ptr::null(), 0, ptr::null(), 0) }
    }

    /// Memory that LevelDB accounts for: memtables and block cache, bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        // SAFETY: the name is NUL-terminated; the answer is a malloc'ed string or null, which `take_message` frees.
        let text =
            take_message(unsafe { leveldb_property_value(self.handle, c"leveldb.approximate-memory-usage".as_ptr()) });
        text.and_then(|t| t.parse().ok()).unwrap_or(0)
    }

    /// Size of the tables on disk, bytes.
    pub(crate) fn disk_bytes(&self) -> u64 {
        let (start, limit) = ([0u8; 1], [0xffu8; 1]);
        let (start_at, limit_at) = (start.as_ptr().cast::<c_char>(), limit.as_ptr().cast::<c_char>());
        let mut size = 0u64;
        // SAFETY: one range whose bounds are one-byte buffers that outlive the call.
        unsafe { leveldb_approximate_sizes(self.handle, 1, &start_at, &1, &limit_at, &1, &mut size) };
        size
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        // SAFETY: each handle was created in `open_as` and is freed once; snapshots and iterators hold an `Arc<Db>`,
        // so none is left. The cache and the filter go after the database that uses them.
        unsafe {
            if !self.handle.is_null() {
                leveldb_close(self.handle);
            }
            leveldb_options_destroy(self.options);
            leveldb_cache_destroy(self.cache);
            leveldb_filterpolicy_destroy(self.filter);
            leveldb_writeoptions_destroy(self.write_options);
        }
    }
}

/// The database as it was when the snapshot was taken.
pub(crate) struct Snapshot {
    db: Arc<Db>,
    handle: *const leveldb_snapshot_t,
    read_options: *mut leveldb_readoptions_t,
    scan_options: *mut leveldb_readoptions_t,
}

// SAFETY: a snapshot is immutable, and LevelDB reads through read options without writing to them.
unsafe impl Send for Snapshot {}
// SAFETY: as above.
unsafe impl Sync for Snapshot {}

impl Snapshot {
    pub(crate) fn new(db: &Arc<Db>) -> Self {
        // SAFETY: the database is live; the handles are freed in `drop`.
        unsafe {
            let handle: *const leveldb_snapshot_t = leveldb_create_snapshot(db.handle);
            let options = |fill_cache: u8| {
                let options = leveldb_readoptions_create();
                leveldb_readoptions_set_verify_checksums(options, 1);
                leveldb_readoptions_set_snapshot(options, handle);
                leveldb_readoptions_set_fill_cache(options, fill_cache);
                options
            };
            Self { db: db.clone(), handle, read_options: options(1), scan_options: options(0) }
        }
    }

    /// The value at `key`, or None.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        let (mut length, mut error) = (0usize, ptr::null_mut());
        // SAFETY: live handles, a valid key, and places for the answer's length and LevelDB's message.
        let value = unsafe {
            leveldb_get(self.db.handle, self.read_options, key.as_ptr().cast(), key.len(), &mut length, &mut error)
        };
        check(error)?;
        if value.is_null() {
            return Ok(None);
        }
        // SAFETY: a non-null answer is a malloc'ed array of `length` bytes that is ours to free.
        unsafe {
            let bytes = std::slice::from_raw_parts(value.cast::<u8>(), length).to_vec();
            leveldb_free(value.cast::<c_void>());
            Ok(Some(bytes))
        }
    }

    /// A cursor for scans: what it reads does not displace the block cache. It starts nowhere, `seek` first.
    pub(crate) fn cursor(&self) -> Cursor<'_> {
        self.cursor_with(self.scan_options)
    }

    /// A cursor for lookups, which leave their blocks in the cache.
    pub(crate) fn cursor_cached(&self) -> Cursor<'_> {
        self.cursor_with(self.read_options)
    }

    fn cursor_with(&self, options: *mut leveldb_readoptions_t) -> Cursor<'_> {
        // SAFETY: live handles; the cursor borrows the snapshot, so both outlive it.
        Cursor { handle: unsafe { leveldb_create_iterator(self.db.handle, options) }, _snapshot: self }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // SAFETY: created in `new`, freed once, before the database that `self.db` keeps open.
        unsafe {
            leveldb_readoptions_destroy(self.read_options);
            leveldb_readoptions_destroy(self.scan_options);
            leveldb_release_snapshot(self.db.handle, self.handle);
        }
    }
}

/// A key and its value.
pub(crate) type Record<'a> = (&'a [u8], &'a [u8]);

/// A position in a snapshot's keys, which are in bytewise order.
pub(crate) struct Cursor<'a> {
    handle: *mut leveldb_iterator_t,
    _snapshot: &'a Snapshot,
}

impl Cursor<'_> {
    /// Move to the first key ≥ `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) {
        // SAFETY: a live iterator and a valid key, which LevelDB does not keep.
        unsafe { leveldb_iter_seek(self.handle, key.as_ptr().cast(), key.len()) }
    }

    /// Move to the next key; the cursor must be at one.
    pub(crate) fn next(&mut self) {
        // SAFETY: guarded, since LevelDB requires a valid position.
        unsafe {
            if leveldb_iter_valid(self.handle) != 0 {
                leveldb_iter_next(self.handle);
            }
        }
    }

    /// The key and value here; None past the end.
    pub(crate) fn entry(&self) -> Result<Option<Record<'_>>, ViewError> {
        // SAFETY: key and value point into the iterator until it moves, which needs `&mut self`; the lengths are
        // written through the given places, which are declared const in the binding only.
        unsafe {
            if leveldb_iter_valid(self.handle) == 0 {
                let mut error: *mut c_char = ptr::null_mut();
                leveldb_iter_get_error(self.handle, (&raw mut error).cast());
                return check(error).map(|()| None);
            }
            let (mut key_length, mut value_length) = (0usize, 0usize);
            let key = leveldb_iter_key(self.handle, &raw mut key_length);
            let value = leveldb_iter_value(self.handle, &raw mut value_length);
            Ok(Some((bytes_at(key, key_length), bytes_at(value, value_length))))
        }
    }
}

/// # Safety
/// `at` points to `length` readable bytes that live as long as `'a`, or `length` is 0.
unsafe fn bytes_at<'a>(at: *const c_char, length: usize) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(at.cast::<u8>(), length) }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        // SAFETY: created by `cursor`, freed once, while the snapshot is borrowed.
        unsafe { leveldb_iter_destroy(self.handle) }
    }
}

/// Puts and deletes that are written together; later entries win.
pub(crate) struct Batch {
    handle: *mut leveldb_writebatch_t,
    bytes: usize,
}

impl Batch {
    pub(crate) fn new() -> Self {
        // SAFETY: the constructor takes nothing; `drop` frees it.
        Self { handle: unsafe { leveldb_writebatch_create() }, bytes: 0 }
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.bytes += key.len() + value.len();
        // SAFETY: valid slices, which the batch copies.
        unsafe {
            leveldb_writebatch_put(self.handle, key.as_ptr().cast(), key.len(), value.as_ptr().cast(), value.len())
        }
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        self.bytes += key.len();
        // SAFETY: a valid slice, which the batch copies.
        unsafe { leveldb_writebatch_delete(self.handle, key.as_ptr().cast(), key.len()) }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: created in `new`, freed once.
        unsafe { leveldb_writebatch_destroy(self.handle) }
    }
}
