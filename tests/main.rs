//! One binary for all tests at the crate's outside, so that Polars is linked once.

mod casebook;
mod cli;
mod determinism;
mod facts;
mod incident;
mod roundtrip;
mod support;
