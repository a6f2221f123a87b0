//! The two commitments that Celestia publishes for `rsema1d`.

use zg_erasure::{Shape, rsema1d};

/// Rows that are zero but for the last byte: 1, 2, 3 and 4.
fn commitment(n: usize, row_bytes: usize) -> String {
    let shape = Shape::new(4, n, row_bytes).unwrap();
    let mut data = vec![0; shape.capacity()];
    for row in 1..=4 {
        data[row * row_bytes - 1] = row as u8;
    }
    rsema1d::commitment(&shape, &data).unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn as_many_parity_rows_as_data_rows_have_the_published_commitment() {
    assert_eq!(commitment(4, 64), "f57fdff87d54f71bc0c860808b046356c8d4850e67b923e08411208df08cb5ab");
}

#[test]
fn three_times_as_many_parity_rows_have_the_published_commitment() {
    assert_eq!(commitment(12, 256), "8ac46440862f280346635eee5075f81ff04b659fb7a86c1e25a28f5f71c3f97e");
}

#[test]
fn data_of_another_length_is_refused() {
    assert!(rsema1d::commitment(&Shape::new(4, 4, 64).unwrap(), &[0; 255]).is_err());
}
