//! Steps of the timeline: hits of one call with one outcome from one place, as one row.

use super::batch::Stretch;
use super::group::Hit;
use super::keep::Firsts;
use super::sample::Few;
use crate::model::{Outcome, Timestamp};

/// Events and targets kept of one step.
const SAMPLES: usize = 3;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StepKey {
    pub(super) service: String,
    pub(super) event_name: String,
    pub(super) outcome: Outcome,
    pub(super) source_ip: String,
    pub(super) region: String,
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) key: StepKey,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) count: u64,
    pub(super) targets: Firsts,
    pub(super) evidence: Few,
}

impl Step {
    pub(super) fn new(hit: &Hit<'_>) -> Self {
        let key = StepKey {
            service: hit.service.to_owned(),
            event_name: hit.event_name.to_owned(),
            outcome: hit.outcome,
            source_ip: hit.source_ip.to_owned(),
            region: hit.region.to_owned(),
        };
        Self {
            key,
            first: hit.time,
            last: hit.time,
            count: 0,
            targets: Firsts::new(SAMPLES + 1),
            evidence: Few::first(SAMPLES),
        }
    }

    pub(super) fn add(&mut self, stretch: &Stretch<'_>) {
        self.first = self.first.min(stretch.first);
        self.last = self.last.max(stretch.last);
        self.count += stretch.len();
        for (target, _, at) in stretch.targets() {
            self.targets.insert(target, at);
        }
        stretch.keep(&mut self.evidence, false);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
        self.targets.merge(&other.targets);
        self.evidence.merge(&other.evidence);
    }

    pub(super) fn target(&self) -> Option<String> {
        let targets = self.targets.in_order();
        match targets.len() {
            0 => None,
            1..=SAMPLES => Some(targets.join(", ")),
            _ => Some(format!("{}, ...", targets[..SAMPLES].join(", "))),
        }
    }
}
