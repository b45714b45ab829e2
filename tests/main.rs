//! One binary for all tests at the crate's outside, so that Polars is linked once.

#![allow(clippy::unwrap_used, reason = "a test that panics has said why")]
#![allow(clippy::print_stderr, reason = "skipped tests say so")]

mod bedrock;
mod browser;
mod casebook;
mod cli;
mod containers;
mod controls;
mod decode;
mod determinism;
mod facts;
mod ground_truth;
mod hostile;
mod incident;
mod ledger;
mod lookup;
mod native;
mod query;
mod reference;
mod resume;
mod roundtrip;
mod rules;
#[cfg(feature = "s3")]
mod s3;
mod selection;
mod support;
mod tidy;
