//! One binary for all tests at the crate's outside, so that Polars is linked once.

mod casebook;
mod roundtrip;
mod support;
