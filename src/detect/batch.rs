//! Hits in one part, on their way to findings: gathered by the rules that share them, and then in runs of those that
//! have nearly all in common, so that this is worked out once and what is left of a hit is a number, a time and a target.

use super::group::{Hit, PAUSE_SECONDS};
use super::row::{SigmaEvent, hash, hit_of};
use super::rules::Rules;
use super::sample::{Few, Sample};
use super::windows::Place;
use crate::case::{Coded, Rows};
use crate::model::Timestamp;
use foldhash::fast::FixedState;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What hits of a run have in common.
const COMMON: [&str; 7] = [
    "event_name",
    "service",
    "aws_region",
    "recipient_account_id",
    "actor",
    "source_ip_address",
    "outcome",
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
    /// For what is kept of it.
    shared: OnceCell<Arc<str>>,
}

pub(super) struct Batch<'p> {
    part: u32,
    rows: &'p Rows,
    /// Those of [`COMMON`].
    columns: [&'p Coded; COMMON.len()],
    kinds: HashMap<[u32; COMMON.len()], u32, FixedState>,
    /// By row, what is known of it once it was hit.
    of_rows: Vec<OfRow>,
    targets: Vec<Target<'p>>,
    /// By what a request says, where the rule does not say.
    of_requests: HashMap<&'p str, TargetAt, FixedState>,
    findings: Vec<Findings>,
    /// Of those that are of one rule.
    ones: HashMap<RuleOf, FindingsAt, FixedState>,
}

/// A rule that makes a finding, and the group of a correlation.
pub(super) type RuleOf = (usize, Option<u64>);

/// Findings that are made of the same hits.
struct Findings {
    of: Arc<[RuleOf]>,
    /// Where their rules say that the target is.
    path: Option<String>,
    is_per_resource: bool,
    hits: Vec<At>,
}

/// Place of [`Findings`].
#[derive(Clone, Copy)]
pub(super) struct FindingsAt(usize);

#[derive(Clone, Default)]
struct OfRow {
    /// Which combination of what hits have in common this is.
    kind: Option<u32>,
    /// What was acted on, where the rule does not say.
    target: Option<TargetAt>,
}

impl<'p> Batch<'p> {
    pub(super) fn new(part: u32, rows: &'p Rows) -> Self {
        Self {
            part,
            rows,
            columns: COMMON.map(|name| rows.coded(name).expect("what findings show is coded")),
            kinds: HashMap::default(),
            of_rows: vec![OfRow::default(); rows.len()],
            targets: Vec::new(),
            of_requests: HashMap::default(),
            findings: Vec::new(),
            ones: HashMap::default(),
        }
    }

    /// Where hits of these rules go that are hit by the same rows.
    pub(super) fn several(
        &mut self,
        rules: &Rules,
        metas: impl Iterator<Item = usize>,
    ) -> Vec<FindingsAt> {
        let mut same: BTreeMap<_, Vec<RuleOf>> = BTreeMap::new();
        for meta in metas {
            let of = &rules.metas()[meta];
            // A suppression covers hits of one rule.
            let alone = (!rules.suppressions.is_empty()).then_some(meta);
            same.entry((&of.target, of.per_resource, alone)).or_default().push((meta, None));
        }
        let findings = same.into_iter().map(|((path, is_per_resource, _), of)| {
            let path = path.clone();
            self.findings.push(Findings { of: of.into(), path, is_per_resource, hits: Vec::new() });
            FindingsAt(self.findings.len() - 1)
        });
        findings.collect()
    }

    /// Where hits of one rule go.
    pub(super) fn one(&mut self, rules: &Rules, of: RuleOf) -> FindingsAt {
        let Self { findings, ones, .. } = self;
        *ones.entry(of).or_insert_with(|| {
            let meta = &rules.metas()[of.0];
            findings.push(Findings {
                of: [of].into(),
                path: meta.target.clone(),
                is_per_resource: meta.per_resource,
                hits: Vec::new(),
            });
            FindingsAt(findings.len() - 1)
        })
    }

    pub(super) fn part(&self) -> u32 {
        self.part
    }

    pub(super) fn of(&self, findings: FindingsAt) -> &[RuleOf] {
        &self.findings[findings.0].of
    }

    /// The row of this number is a hit, and was about this target.
    pub(super) fn add(
        &mut self,
        findings: FindingsAt,
        number: u32,
        time: Timestamp,
        target: TargetAt,
    ) {
        self.findings[findings.0].hits.push(At { number, target, time });
    }

    /// What was acted on, as these rules see it.
    pub(super) fn target(
        &mut self,
        findings: FindingsAt,
        number: u32,
        event: &SigmaEvent<'p>,
    ) -> TargetAt {
        let path = self.findings[findings.0].path.as_deref();
        if let Some(text) = path.and_then(|path| event.first_text(path)) {
            return self.keep(Some(text.into()));
        }
        if let Some(known) = self.of_rows[number as usize].target {
            return known;
        }
        let request = event.row.text("request_parameters").unwrap_or_default();
        let known = self.of_requests.get(request).copied();
        let target = known.unwrap_or_else(|| {
            let target = self.keep(super::target::of_text(request));
            self.of_requests.insert(request, target);
            target
        });
        self.of_rows[number as usize].target = Some(target);
        target
    }

    fn keep(&mut self, text: Option<Cow<'p, str>>) -> TargetAt {
        let hash = text.as_ref().map_or(0, hash);
        self.targets.push(Target { text, hash, shared: OnceCell::new() });
        TargetAt(self.targets.len() as u32 - 1)
    }

    /// Everything that was added.
    pub(super) fn each_run(&mut self, mut take: impl FnMut(&Arc<[RuleOf]>, Run<'_>)) {
        for Findings { of, is_per_resource, hits, .. } in std::mem::take(&mut self.findings) {
            let mut runs: HashMap<(u32, u64), Vec<At>, FixedState> = HashMap::default();
            for hit in hits {
                let resource = if is_per_resource { self.target_of(hit.target).hash } else { 0 };
                runs.entry((self.kind(hit.number), resource)).or_default().push(hit);
            }
            for mut hits in runs.into_values() {
                let like = self.hit(&hits[0]);
                let resource = like.target.filter(|_| is_per_resource);
                let (first, last) = bounds(&hits);
                if last > first.plus_seconds(PAUSE_SECONDS) {
                    hits.sort_unstable_by_key(|hit| hit.time);
                }
                take(&of, Run { batch: self, like, resource, hits: &hits });
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

    fn target_of(&self, target: TargetAt) -> &Target<'p> {
        &self.targets[target.0 as usize]
    }

    pub(super) fn text(&self, target: TargetAt) -> Option<&str> {
        self.target_of(target).text.as_deref()
    }

    fn shared(&self, target: TargetAt) -> Option<Arc<str>> {
        let Target { text, shared, .. } = self.target_of(target);
        let text = text.as_deref()?;
        Some(shared.get_or_init(|| text.into()).clone())
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
    /// In order of time, where a pause may be among them.
    hits: &'r [At],
}

/// Hits of a run with no long pause among them.
pub(super) struct Stretch<'r> {
    batch: &'r Batch<'r>,
    /// One of them.
    pub(super) like: Hit<'r>,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    hits: &'r [At],
    /// Each with its hash, and when it was first met.
    pub(super) targets: Vec<(&'r str, u64, Timestamp)>,
}

impl<'r> Run<'r> {
    /// Parted where nothing was for longer than a pause.
    pub(super) fn stretches(&self) -> impl Iterator<Item = Stretch<'r>> {
        let Self { batch, hits, .. } = *self;
        let (first, last) = bounds(hits);
        let is_whole = last <= first.plus_seconds(PAUSE_SECONDS);
        let parts =
            hits.chunk_by(move |a, b| is_whole || b.time <= a.time.plus_seconds(PAUSE_SECONDS));
        parts.map(move |hits| {
            let (first, last) = bounds(hits);
            let mut firsts: HashMap<u32, Timestamp, FixedState> = HashMap::default();
            for At { target, time, .. } in hits {
                let first = firsts.entry(target.0).or_insert(*time);
                *first = (*first).min(*time);
            }
            let of = |(target, at)| (batch.target_of(TargetAt(target)).hash, at, target);
            let mut targets: Vec<(u64, Timestamp, u32)> = firsts.into_iter().map(of).collect();
            targets.sort_unstable();
            targets.dedup_by_key(|(hash, ..)| *hash);
            let named = |(hash, at, target)| Some((batch.text(TargetAt(target))?, hash, at));
            let targets = targets.into_iter().filter_map(named);
            let like = batch.hit(&hits[0]);
            Stretch { batch, like, first, last, hits, targets: targets.collect() }
        })
    }
}

impl Stretch<'_> {
    pub(super) fn len(&self) -> u64 {
        self.hits.len() as u64
    }

    /// Keeps what is wanted of the hits.
    pub(super) fn keep(&self, few: &mut Few, with_target: bool) {
        for at in self.hits {
            let rank = few.rank(at.time);
            if few.takes(rank) {
                let row = self.batch.rows.places()[at.number as usize];
                let place = Place { part: self.batch.part, row };
                let target = if with_target { self.batch.shared(at.target) } else { None };
                few.add(Sample { rank, place, target });
            }
        }
        few.cut();
    }
}

fn bounds(hits: &[At]) -> (Timestamp, Timestamp) {
    let times = hits.iter().map(|hit| hit.time);
    let all = times.fold(None, |all: Option<(Timestamp, Timestamp)>, time| {
        Some(all.map_or((time, time), |(first, last)| (first.min(time), last.max(time))))
    });
    all.unwrap_or_default()
}
