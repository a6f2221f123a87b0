//! The crate from outside: pinned vectors, independent encoders, hostile bytes.

mod common;
mod fees;
mod filter;
mod json;
mod roots;
mod sign;
mod transaction;
