//! The rule languages of AWS itself, and the JSON in which its command line prints them: what a
//! user has in force there says here what it would have found.
//!
//! Pure: a record goes in, a match comes out. What is loaded, and how hits become findings, is the
//! business of the folder above.

mod alarm;
mod event;
mod filter;
mod filter_parse;
mod glob;
mod need;
mod pattern;
mod printed;
mod selectors;
mod value;

pub use alarm::{Alarm, Alarms, Missing, Statistic, Watch};
pub(super) use event::Scalar;
pub use event::{Field, Record};
pub use filter::{Filter, Selector};
pub(super) use need::Need;
pub use pattern::{Bad, Pattern, reads};
pub use printed::{
    EventBridgeRule, Metric, MetricAlarm, MetricFilter, MetricValue, Named, Printed,
};
pub(super) use selectors::FIELDS as SELECTED;
pub use selectors::Selectors;

#[cfg(test)]
mod filter_tests;
#[cfg(test)]
mod tests;
