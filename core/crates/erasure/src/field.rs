//! GF(2¹⁶) modulo x¹⁶ + x⁵ + x³ + x² + 1 over the Cantor basis, as Leopard codes have it.
//!
//! Multiplication by a constant is linear over GF(2): the products of the constant with the sixteen basis elements say
//! everything about it, and fill tables or bit matrices.

use reed_solomon_simd::engine::GF_MODULUS;
use reed_solomon_simd::engine::tables::{self, ExpLog};

/// Bits of a symbol.
pub(crate) const BITS: usize = 16;

/// The field's tables.
pub(crate) struct Field {
    tables: &'static ExpLog,
    basis_logs: [u32; BITS],
}

impl Field {
    pub(crate) fn new() -> Self {
        let tables = tables::get_exp_log();
        let basis_logs = std::array::from_fn(|bit| u32::from(tables.log[1 << bit]));
        Self { tables, basis_logs }
    }

    /// `value` times each basis element.
    pub(crate) fn products(&self, value: u16) -> [u16; BITS] {
        if value == 0 { [0; BITS] } else { self.products_of_log(self.tables.log[usize::from(value)]) }
    }

    /// What has the logarithm `log` times each basis element.
    pub(crate) fn products_of_log(&self, log: u16) -> [u16; BITS] {
        const MODULUS: u32 = GF_MODULUS as u32;
        self.basis_logs.map(|basis| {
            let sum = basis + u32::from(log);
            self.tables.exp[(if sum >= MODULUS { sum - MODULUS } else { sum }) as usize]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(products: &[u16; BITS], value: u16) -> u16 {
        (0..BITS).filter(|bit| value >> bit & 1 == 1).fold(0, |sum, bit| sum ^ products[bit])
    }

    #[test]
    fn products_multiply_as_the_field_does() {
        let field = Field::new();
        for a in (0..=u16::MAX).step_by(257) {
            let products = field.products(a);
            for b in (0..=u16::MAX).step_by(263) {
                let logs = field.tables.log.as_slice();
                let expected = tables::mul(b, logs[usize::from(a)], &field.tables.exp, &field.tables.log);
                assert_eq!(times(&products, b), if a == 0 { 0 } else { expected }, "{a} {b}");
                assert_eq!(times(&products, b), times(&field.products(b), a));
            }
        }
        assert_eq!(times(&field.products(1), 0xbeef), 0xbeef);
    }
}
