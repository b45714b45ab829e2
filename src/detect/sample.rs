//! The few events that a finding shows of all that it is made of. Until every event was seen they are known by their
//! places alone: most of what is kept of one part makes way for another, and is never read.

use super::row::{UNKNOWN, shown};
use super::windows::Place;
use crate::case::{self, Case, PartFile};
use crate::model::{Evidence, Timestamp};
use foldhash::fast::FixedState;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Events of one moment that are kept beyond what there is room for, as long as it takes no reading to choose.
const LEVEL: usize = 64;

#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// By [`Few::rank`].
    pub(super) rank: i64,
    pub(super) place: Place,
    pub(super) target: Option<Arc<str>>,
}

/// The first of many (or the last), as many as there is room for, and all of the moment of the last of them: which of
/// these is meant is told by their ids.
#[derive(Debug, Clone)]
pub(super) struct Few {
    room: usize,
    samples: Vec<Sample>,
    /// None above this is wanted any more.
    limit: i64,
    /// At this many it is time to look which are wanted.
    full: usize,
    is_of_last: bool,
}

impl Few {
    pub(super) fn first(room: usize) -> Self {
        let full = 4 * room;
        Self { room, samples: Vec::new(), limit: i64::MAX, full, is_of_last: false }
    }

    pub(super) fn last(room: usize) -> Self {
        Self { is_of_last: true, ..Self::first(room) }
    }

    /// The smaller, the more it is wanted.
    pub(super) fn rank(&self, time: Timestamp) -> i64 {
        if self.is_of_last { time.0.saturating_neg() } else { time.0 }
    }

    pub(super) fn takes(&self, rank: i64) -> bool {
        rank <= self.limit
    }

    pub(super) fn add(&mut self, sample: Sample) {
        if self.takes(sample.rank) {
            self.samples.push(sample);
            if self.samples.len() >= self.full {
                self.cut();
                self.full = self.full.max(2 * self.samples.len());
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for sample in &other.samples {
            if self.takes(sample.rank) {
                self.add(sample.clone());
            }
        }
        self.cut();
    }

    /// Leaves what is wanted, in order.
    pub(super) fn cut(&mut self) {
        self.samples.sort_by_key(|sample| (sample.rank, sample.place));
        self.samples.dedup_by_key(|sample| sample.place);
        if let Some(last) = self.samples.get(self.room - 1) {
            self.limit = last.rank;
            let wanted = self.samples.partition_point(|sample| sample.rank <= self.limit);
            self.samples.truncate(wanted);
        }
    }

    /// Whether so much was in one moment that it has to be looked at now.
    pub(super) fn is_crowded(&self) -> bool {
        self.samples.len() > self.room + LEVEL
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.samples.iter().map(|sample| sample.place)
    }

    /// Leaves no more than there is room for.
    pub(super) fn choose(&mut self, events: &Events) {
        let chosen = self.chosen(events).into_iter().map(|(_, sample)| sample.clone()).collect();
        self.samples = chosen;
    }

    /// Those that are meant, in order.
    pub(super) fn chosen<'e>(&'e self, events: &'e Events) -> Vec<(&'e Evidence, &'e Sample)> {
        let of = |sample: &'e Sample| (events.at(sample.place), sample);
        let mut all: Vec<_> = self.samples.iter().map(of).collect();
        all.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
        if self.is_of_last {
            all.drain(..all.len().saturating_sub(self.room));
        }
        all.truncate(self.room);
        all
    }
}

fn order(event: &Evidence) -> (Timestamp, &str, &str, u32) {
    (event.time, &event.event_id, &event.file, event.index)
}

/// Events that were read to be shown, without what they acted on.
#[derive(Default)]
pub(super) struct Events(HashMap<Place, Evidence, FixedState>);

impl Events {
    pub(super) fn read(
        case: &Case,
        pool: &rayon::ThreadPool,
        places: &BTreeSet<Place>,
    ) -> Result<Self, case::Error> {
        let places: Vec<Place> = places.iter().copied().collect();
        let parts: Vec<&[Place]> = places.chunk_by(|a, b| a.part == b.part).collect();
        let read = |places: &[Place]| {
            let rows: Vec<u32> = places.iter().map(|place| place.row).collect();
            let part = places[0].part;
            Self::of_part(&case.part(part as usize)?, part, &rows)
        };
        let read =
            pool.install(|| parts.into_par_iter().map(read).collect::<Result<Vec<_>, _>>())?;
        Ok(Self(read.into_iter().flat_map(|events| events.0).collect()))
    }

    /// Of rows (rising) of one part.
    pub(super) fn of_part(file: &PartFile, part: u32, rows: &[u32]) -> Result<Self, case::Error> {
        let columns = shown().chain(["event_id"]);
        let wanted = columns.map(|column| (column, rows.to_vec())).collect();
        let table = file.rows_at(rows, &wanted)?;
        let event = |(number, at): (usize, &u32)| {
            let row = table.row(number);
            let principal = row.text("actor").unwrap_or(UNKNOWN).to_owned();
            (Place { part, row: *at }, Evidence { principal, ..row.evidence(None) })
        };
        Ok(Self(rows.iter().enumerate().map(event).collect()))
    }

    pub(super) fn at(&self, place: Place) -> &Evidence {
        &self.0[&place]
    }
}
