//! One binary for all tests at the crate's outside, so that Polars is linked once.

mod roundtrip;
mod support;
