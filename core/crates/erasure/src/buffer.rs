//! Large zeroed buffers on large pages: rows are written and read in columns, which touches every page many times.

/// From this length on, large pages are asked for.
#[cfg(target_os = "linux")]
const HUGE_MIN_BYTES: usize = 4 << 20;
/// Alignment that covers the sizes of pages that the kernel may have.
#[cfg(target_os = "linux")]
const PAGE_BYTES: usize = 64 << 10;

/// `length` zero bytes.
pub(crate) fn zeroed(length: usize) -> Vec<u8> {
    let mut bytes = vec![0u8; length];
    #[cfg(target_os = "linux")]
    if length >= HUGE_MIN_BYTES {
        let skipped = bytes.as_ptr().align_offset(PAGE_BYTES).min(length);
        let rest = &mut bytes[skipped..];
        // SAFETY: the range is within the buffer, and the advice changes neither contents nor access. Whether the kernel
        // takes it makes no difference to what is computed.
        unsafe { libc::madvise(rest.as_mut_ptr().cast(), rest.len() / PAGE_BYTES * PAGE_BYTES, libc::MADV_HUGEPAGE) };
    }
    bytes
}
