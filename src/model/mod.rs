//! The nouns that cross a wall between folders: plain data, no Polars, no AWS, no I/O.

pub mod attribute;
pub mod control;
pub mod event;
pub mod finding;
pub mod ledger;
pub mod narrative;
pub mod read_error;
pub mod report;
pub mod selection;
pub mod stop;
pub mod suppression;
pub mod table;
pub mod time;

pub use attribute::Attribute;
pub use control::{Control, ControlState, Watch, WatchAct};
pub use event::{ActorKind, Evidence, IpKind, Outcome, View};
pub use finding::{
    CALLS, Call, Contributor, Episode, Finding, FindingKind, Indicator, IndicatorKind, Link,
    LinkKind, Principal, SEVERAL, Severity, Stage, TimelineRow,
};
pub use ledger::{FileCounts, Ledger, RecordCounts, Reject, RejectReason, Skip, SkipReason};
pub use narrative::{Checks, Narrative, Section, Sentence};
pub use read_error::ReadError;
pub use report::{BrokenRule, Report, RuleLedger, Run};
pub use selection::Selection;
pub use stop::Stop;
pub use suppression::Suppression;
pub use table::{Aggregates, Count, Coverage, Gap, HourCount};
pub use time::Timestamp;
