//! Hits in one part, on their way to findings: gathered by rule, and then in runs of those that have nearly all in
//! common, so that this is worked out once and what is left of a hit is a number, a time and a target.

use super::group::Hit;
use super::row::{SigmaEvent, hash, hit_of};
use super::rules::Rules;
use crate::case::{Coded, Rows};
use crate::model::Timestamp;
use foldhash::fast::FixedState;
use std::borrow::Cow;
use std::collections::HashMap;

/// Columns that hits of a run have in common.
const COMMON: [&str; 9] = [
    "event_name",
    "service",
    "aws_region",
    "recipient_account_id",
    "actor",
    "source_ip_address",
    "user_agent_family",
    "outcome",
    "error_code",
];

/// A row that was hit.
#[derive(Clone, Copy)]
pub(super) struct At {
    number: u32,
    target: TargetAt,
    pub(super) time: Timestamp,
}

/// Place of a target.
#[derive(Clone, Copy)]
pub(super) struct TargetAt(u32);

/// What was acted on.
struct Target<'p> {
    text: Option<Cow<'p, str>>,
    /// Tells it from others.
    hash: u64,
}

pub(super) struct Batch<'p> {
    rows: &'p Rows,
    columns: [&'p Coded; COMMON.len()],
    kinds: HashMap<[u32; COMMON.len()], u32, FixedState>,
    /// By row, what is known of it once it was hit.
    of_rows: Vec<OfRow>,
    targets: Vec<Target<'p>>,
    /// By rule and by the group of a correlation.
    hits: HashMap<(usize, Option<u64>), Vec<At>, FixedState>,
}

#[derive(Clone, Default)]
struct OfRow {
    /// Which combination of what hits have in common this is.
    kind: Option<u32>,
    /// What was acted on, where the rule does not say.
    target: Option<TargetAt>,
}

impl<'p> Batch<'p> {
    pub(super) fn new(rows: &'p Rows) -> Self {
        Self {
            rows,
            columns: COMMON.map(|name| rows.coded(name).expect("what findings show is coded")),
            kinds: HashMap::default(),
            of_rows: vec![OfRow::default(); rows.len()],
            targets: Vec::new(),
            hits: HashMap::default(),
        }
    }

    /// The rule is hit by the row of this number, and was about this target.
    pub(super) fn add(
        &mut self,
        rule: (usize, Option<u64>),
        number: usize,
        time: Timestamp,
        target: TargetAt,
    ) {
        let at = At { number: number as u32, target, time };
        self.hits.entry(rule).or_default().push(at);
    }

    /// What was acted on. `path`: where the rule says that it is.
    pub(super) fn target(
        &mut self,
        path: Option<&str>,
        number: usize,
        event: &SigmaEvent<'p>,
    ) -> TargetAt {
        if let Some(text) = path.and_then(|path| event.first_text(path)) {
            return self.keep(Some(text.into()));
        }
        if let Some(known) = self.of_rows[number].target {
            return known;
        }
        let target = self.keep(event.target());
        self.of_rows[number].target = Some(target);
        target
    }

    fn keep(&mut self, text: Option<Cow<'p, str>>) -> TargetAt {
        let hash = text.as_ref().map_or(0, hash);
        self.targets.push(Target { text, hash });
        TargetAt(self.targets.len() as u32 - 1)
    }

    /// Everything that was added, in no order.
    pub(super) fn each_run(
        mut self,
        rules: &Rules,
        mut take: impl FnMut((usize, Option<u64>), Run<'_>),
    ) {
        let hits = std::mem::take(&mut self.hits);
        #[expect(clippy::iter_over_hash_type, reason = "groups come out the same in any order")]
        for ((rule, of), hits) in hits {
            let is_per_resource = rules.metas()[rule].per_resource;
            let mut runs: HashMap<(u32, u64), Vec<At>, FixedState> = HashMap::default();
            for hit in hits {
                let resource = if is_per_resource { self.of(hit.target).hash } else { 0 };
                runs.entry((self.kind(hit.number), resource)).or_default().push(hit);
            }
            for mut hits in runs.into_values() {
                let like = self.hit(&hits[0]);
                let resource = like.target.filter(|_| is_per_resource);
                take((rule, of), Run { batch: &self, like, resource, hits: &mut hits });
            }
        }
    }

    fn kind(&mut self, number: u32) -> u32 {
        let Self { rows, columns, kinds, of_rows, .. } = self;
        *of_rows[number as usize].kind.get_or_insert_with(|| {
            let row = rows.places()[number as usize] as usize;
            let codes = columns.map(|column| column.codes()[row]);
            let new = kinds.len() as u32;
            *kinds.entry(codes).or_insert(new)
        })
    }

    fn of(&self, target: TargetAt) -> &Target<'p> {
        &self.targets[target.0 as usize]
    }

    pub(super) fn text(&self, target: TargetAt) -> Option<&str> {
        self.of(target).text.as_deref()
    }

    fn hit(&self, at: &At) -> Hit<'_> {
        hit_of(self.rows.row(at.number as usize), self.text(at.target))
    }
}

/// Hits of one rule that have nearly all in common.
pub(super) struct Run<'r> {
    batch: &'r Batch<'r>,
    /// One of them.
    pub(super) like: Hit<'r>,
    /// Of a rule that tells things apart.
    pub(super) resource: Option<&'r str>,
    hits: &'r mut [At],
}

/// Hits of a run with no long pause among them.
pub(super) struct Stretch<'r> {
    batch: &'r Batch<'r>,
    /// One of them.
    pub(super) like: Hit<'r>,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) hits: &'r [At],
    /// Each with its hash, and when it was first met.
    pub(super) targets: Vec<(&'r str, u64, Timestamp)>,
}

impl<'r> Run<'r> {
    /// Parted where nothing was for longer than `pause` seconds.
    pub(super) fn stretches(self, pause: i64) -> impl Iterator<Item = Stretch<'r>> {
        let Self { batch, hits, .. } = self;
        let (first, last) = bounds(hits);
        let is_whole = last <= first.plus_seconds(pause);
        if !is_whole {
            hits.sort_unstable_by_key(|hit| hit.time);
        }
        let hits: &'r [At] = hits;
        let parts = hits.chunk_by(move |a, b| is_whole || b.time <= a.time.plus_seconds(pause));
        parts.map(move |hits| {
            let (first, last) = bounds(hits);
            let of = |hit: &At| (batch.of(hit.target).hash, hit.time, hit.target.0);
            let mut targets: Vec<(u64, Timestamp, u32)> = hits.iter().map(of).collect();
            targets.sort_unstable();
            targets.dedup_by_key(|(hash, ..)| *hash);
            let named = |(hash, at, target)| Some((batch.text(TargetAt(target))?, hash, at));
            let targets = targets.into_iter().filter_map(named);
            let like = batch.hit(&hits[0]);
            Stretch { batch, like, first, last, hits, targets: targets.collect() }
        })
    }
}

impl<'r> Stretch<'r> {
    pub(super) fn len(&self) -> u64 {
        self.hits.len() as u64
    }

    pub(super) fn hit(&self, at: &At) -> Hit<'r> {
        self.batch.hit(at)
    }
}

fn bounds(hits: &[At]) -> (Timestamp, Timestamp) {
    let times = hits.iter().map(|hit| hit.time);
    let all = times.fold(None, |all: Option<(Timestamp, Timestamp)>, time| {
        Some(all.map_or((time, time), |(first, last)| (first.min(time), last.max(time))))
    });
    all.unwrap_or_default()
}
