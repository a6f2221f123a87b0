//! The arithmetic under the Reed–Solomon code: 64 bytes an instruction where the processor can, else what the
//! `reed-solomon-simd` crate finds.

use reed_solomon_simd::engine::{DefaultEngine, Engine, GF_ORDER, ShardsRefMut};

#[cfg(target_arch = "x86_64")]
use crate::gfni::GfniEngine;

/// The fastest engine of this processor.
pub(crate) enum BestEngine {
    #[cfg(target_arch = "x86_64")]
    Gfni(GfniEngine),
    Default(DefaultEngine),
}

impl BestEngine {
    pub(crate) fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(engine) = GfniEngine::detect() {
            return Self::Gfni(engine);
        }
        Self::Default(DefaultEngine::new())
    }
}

impl Engine for BestEngine {
    fn fft(&self, data: &mut ShardsRefMut, pos: usize, size: usize, truncated_size: usize, skew_delta: usize) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(engine) => engine.fft(data, pos, size, truncated_size, skew_delta),
            Self::Default(engine) => engine.fft(data, pos, size, truncated_size, skew_delta),
        }
    }

    fn ifft(&self, data: &mut ShardsRefMut, pos: usize, size: usize, truncated_size: usize, skew_delta: usize) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(engine) => engine.ifft(data, pos, size, truncated_size, skew_delta),
            Self::Default(engine) => engine.ifft(data, pos, size, truncated_size, skew_delta),
        }
    }

    fn mul(&self, x: &mut [[u8; 64]], log_m: u16) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni(engine) => engine.mul(x, log_m),
            Self::Default(engine) => engine.mul(x, log_m),
        }
    }

    fn eval_poly(erasures: &mut [u16; GF_ORDER], truncated_size: usize) {
        DefaultEngine::eval_poly(erasures, truncated_size);
    }
}
