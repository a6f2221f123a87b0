//! CPU time by stage: what a transaction costs and where. Thread time, so a busy machine does not inflate it.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Nanoseconds that this thread has run.
fn thread_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the call to fill in, and the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The CPU time of one stage, summed over all threads.
#[derive(Debug, Default)]
pub(crate) struct Stage(AtomicU64);

impl Stage {
    /// Run `work` and count this thread's time for it.
    pub(crate) fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = thread_ns();
        let result = work();
        self.0.fetch_add(thread_ns() - start, Relaxed);
        result
    }
}

/// `{stage: seconds}`.
pub(crate) fn seconds<'py>(py: Python<'py>, stages: &[(&str, &Stage)]) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, stage) in stages {
        dict.set_item(name, stage.0.load(Relaxed) as f64 / 1e9)?;
    }
    Ok(dict)
}
