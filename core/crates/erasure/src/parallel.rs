//! Work in equal spans on at most so many of rayon's threads.

use std::ops::Range;

use rayon::prelude::*;

/// `total` items as at most `parts` spans of nearly the same length.
pub(crate) fn spans(total: usize, parts: usize) -> Vec<Range<usize>> {
    let parts = parts.clamp(1, total.max(1));
    (0..parts).map(|part| total * part / parts..total * (part + 1) / parts).collect()
}

/// The results of the jobs in their order; a single one runs on the caller's thread.
pub(crate) fn each<J: Send, R: Send>(jobs: Vec<J>, work: impl Fn(J) -> R + Sync + Send) -> Vec<R> {
    if jobs.len() < 2 { jobs.into_iter().map(work).collect() } else { jobs.into_par_iter().map(work).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_everything_once() {
        for (total, parts) in [(0, 3), (1, 4), (7, 2), (64, 5), (3, 0)] {
            let joined: Vec<usize> = spans(total, parts).into_iter().flatten().collect();
            assert_eq!(joined, (0..total).collect::<Vec<_>>());
            assert!(spans(total, parts).len() <= parts.max(1));
        }
    }
}
