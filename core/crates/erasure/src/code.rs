//! Systematic Reed–Solomon over GF(2¹⁶): parity rows from data rows, and data rows from any K rows.
//!
//! The layout is Leopard's for high rates whatever the rate is, as rsema1d has it. Rows are worked on in stripes, so that
//! a stripe of all rows stays in the cache.

use reed_solomon_simd::rate::{HighRateDecoder, HighRateEncoder, RateDecoder, RateEncoder};

use crate::engine::BestEngine;
use crate::parallel;
use crate::shape::{ROW_UNIT_BYTES, Shape};

/// Bytes of a row that are worked on at a time.
const STRIPE_BYTES: usize = 512;

const CHECKED: &str = "the shape and the lengths were checked";

/// Fill `parity` (`[n, row]` bytes) from `data` (`[k, row]` bytes) on at most `threads` threads.
pub(crate) fn extend(shape: &Shape, data: &[u8], parity: &mut [u8], threads: usize) {
    let row = shape.row_bytes();
    assert!(data.len() == shape.capacity() && parity.len() == shape.n() * row);
    parallel::each(columns(parity, row, threads), |(start, mut parity)| {
        let width = parity[0].len();
        let mut encoder = HighRateEncoder::new(shape.k(), shape.n(), STRIPE_BYTES.min(width), BestEngine::new(), None)
            .expect(CHECKED);
        for at in (0..width).step_by(STRIPE_BYTES) {
            let stripe = STRIPE_BYTES.min(width - at);
            encoder.reset(shape.k(), shape.n(), stripe).expect(CHECKED);
            for source in data.chunks_exact(row) {
                encoder.add_original_shard(&source[start + at..][..stripe]).expect(CHECKED);
            }
            let encoded = encoder.encode().expect(CHECKED);
            for (target, source) in parity.iter_mut().zip(encoded.recovery_iter()) {
                target[at..at + stripe].copy_from_slice(source);
            }
        }
    });
}

/// Fill `data` (`[k, row]` bytes) from K different rows, given with their indices, on at most `threads` threads.
pub(crate) fn restore(shape: &Shape, rows: &[(usize, &[u8])], data: &mut [u8], threads: usize) {
    let row = shape.row_bytes();
    assert!(rows.len() == shape.k() && data.len() == shape.capacity());
    let mut known = vec![false; shape.k()];
    for (index, bytes) in rows.iter().filter(|(index, _)| *index < shape.k()) {
        data[index * row..][..row].copy_from_slice(bytes);
        known[*index] = true;
    }
    if known.iter().all(|known| *known) {
        return;
    }
    parallel::each(columns(data, row, threads), |(start, mut data)| {
        let width = data[0].len();
        let stripe = STRIPE_BYTES.min(width);
        let mut decoder = HighRateDecoder::new(shape.k(), shape.n(), stripe, BestEngine::new(), None).expect(CHECKED);
        for at in (0..width).step_by(STRIPE_BYTES) {
            let stripe = STRIPE_BYTES.min(width - at);
            decoder.reset(shape.k(), shape.n(), stripe).expect(CHECKED);
            for (index, bytes) in rows {
                let source = &bytes[start + at..][..stripe];
                match index.checked_sub(shape.k()) {
                    None => decoder.add_original_shard(*index, source).expect(CHECKED),
                    Some(parity) => decoder.add_recovery_shard(parity, source).expect(CHECKED),
                }
            }
            let decoded = decoder.decode().expect(CHECKED);
            for (index, source) in decoded.restored_original_iter() {
                data[index][at..at + stripe].copy_from_slice(source);
            }
        }
    });
}

/// The rows of a buffer cut at the same columns into at most `threads` parts: (first column, that part of each row).
fn columns(rows: &mut [u8], row: usize, threads: usize) -> Vec<(usize, Vec<&mut [u8]>)> {
    let spans = parallel::spans(row / ROW_UNIT_BYTES, threads);
    let mut parts: Vec<(usize, Vec<&mut [u8]>)> =
        spans.iter().map(|span| (span.start * ROW_UNIT_BYTES, Vec::with_capacity(rows.len() / row))).collect();
    for mut rest in rows.chunks_exact_mut(row) {
        for (span, (_, part)) in spans.iter().zip(&mut parts) {
            let (columns, after) = rest.split_at_mut(span.len() * ROW_UNIT_BYTES);
            part.push(columns);
            rest = after;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::random::Random;

    #[test]
    fn any_k_rows_restore_the_data() {
        let mut random = Random::new(1);
        for _ in 0..300 {
            let (k, n) = (1 + random.below(40), 1 + random.below(90));
            let shape = Shape::new(k, n, 64 * (1 + random.below(40))).unwrap();
            let data = random.bytes(shape.capacity());
            let mut parity = vec![0; n * shape.row_bytes()];
            extend(&shape, &data, &mut parity, 1 + random.below(3));
            let all: Vec<&[u8]> = data.chunks(shape.row_bytes()).chain(parity.chunks(shape.row_bytes())).collect();
            let mut indices: Vec<usize> = (0..k + n).collect();
            random.shuffle(&mut indices);
            let rows: Vec<(usize, &[u8])> = indices[..k].iter().map(|index| (*index, all[*index])).collect();
            let mut restored = vec![0; data.len()];
            restore(&shape, &rows, &mut restored, 1 + random.below(3));
            assert!(restored == data, "{shape:?} {:?}", &indices[..k]);
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let shape = Shape::new(20, 60, 64 * 21).unwrap();
        let data = Random::new(2).bytes(shape.capacity());
        let [one, five] = [1, 5].map(|threads| {
            let mut parity = vec![0; 60 * shape.row_bytes()];
            extend(&shape, &data, &mut parity, threads);
            parity
        });
        assert!(one == five);
    }
}
