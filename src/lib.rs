//! trailinsight: offline forensic review of AWS CloudTrail archives.
//!
//! Data flows one way:
//! [`archive`] (where the files are) → [`decode`] (bytes to records) → [`case`] (Parquet on disk) →
//! [`detect`] and [`analyze`] (rules and heuristics over the case) → [`digest`] (a bounded set of
//! facts) → [`narrate`] (facts to prose, checked) → [`report`] (one value, many renderers).
//! [`model`] holds the nouns that cross these walls; [`cli`] is the only place that prints or reads
//! the environment. `ARCHITECTURE.md` has the map and the invariants.

pub mod analyze;
pub mod archive;
pub mod case;
pub mod cli;
pub mod decode;
pub mod detect;
pub mod digest;
pub mod model;
pub mod narrate;
pub mod report;
