//! What an archive says of the activity that a benchmark wants to be alarmed on.

use super::event::words;
use super::{Evidence, Timestamp};
use serde::{Deserialize, Serialize};

words! {
    /// What can be said of a control's activity.
    ControlState {
        Seen = "seen",
        /// The archive would hold it, and does not.
        NotSeen = "not_seen",
        /// The archive would not hold it.
        NotAssessable = "not_assessable",
    }
}

words! {
    /// What became of a metric filter or an alarm.
    WatchAct {
        FilterMade = "filter_made",
        FilterDeleted = "filter_deleted",
        AlarmMade = "alarm_made",
        AlarmDeleted = "alarm_deleted",
        AlarmMuted = "alarm_muted",
        AlarmUnmuted = "alarm_unmuted",
    }
}

/// A call that set up or took down the watch that a control asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    pub time: Timestamp,
    pub event_id: String,
    pub principal: String,
    pub act: WatchAct,
    /// Of the filter or the alarm.
    pub name: String,
    /// Of so many kinds of calls of the control ...
    pub of: u32,
    /// ... its filter counts so many.
    pub counts: u32,
}

/// One monitoring control of CIS AWS Foundations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// As in `4.5`.
    pub id: String,
    pub title: String,
    pub state: ControlState,
    /// Events that the metric filter of the benchmark counts, ...
    pub events: u64,
    /// ... those of them that succeeded, and those that were denied.
    pub succeeded: u64,
    pub denied: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// Why the state is what it is, or what the count may lack.
    pub notes: Vec<String>,
    /// Ids of the findings that are about it.
    pub findings: Vec<String>,
    /// The first of the events and the last.
    pub evidence: Vec<Evidence>,
    /// Metric filters and alarms for it that were made or taken away while the archive was written.
    pub watch: Vec<Watch>,
}
