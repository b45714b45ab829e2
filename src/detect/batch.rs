//! Hits in one part, on their way to findings: gathered by the rules that share them, and then in runs of those that
//! have nearly all in common, so that this is worked out once and what is left of a hit is a number, a time and a target.

use super::group::{Hit, PAUSE_SECONDS};
use super::look::Detail;
use super::row::{SigmaEvent, UNKNOWN, hash, shown};
use super::rules::Rules;
use super::sample::{Few, Sample};
use super::windows::Place;
use crate::case::{Coded, Rows};
use crate::model::{Outcome, Timestamp};
use foldhash::fast::{FixedState, RandomState};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

/// What hits of a run have in common: first that which tells findings from each other.
const COMMON: [&str; 7] = [
    "actor",
    "recipient_account_id",
    "event_name",
    "service",
    "aws_region",
    "source_ip_address",
    "outcome",
];
const TELLING: usize = 2;

impl Detail {
    /// Columns that hits need, whatever they are of.
    pub(super) fn columns(self) -> Vec<&'static str> {
        match self {
            Self::All => shown().collect(),
            Self::Counts => COMMON[..TELLING].to_vec(),
        }
    }
}

/// A row that was hit.
#[derive(Clone, Copy)]
pub(super) struct At {
    row: u32,
    /// Which combination of what hits have in common it has.
    kind: u32,
    target: TargetAt,
    pub(super) time: Timestamp,
}

/// Place of a target.
#[derive(Clone, Copy)]
pub(super) struct TargetAt(u32);

impl TargetAt {
    /// Nobody asks for it.
    pub(super) const UNTOLD: Self = Self(0);
}

/// What was acted on.
struct Target {
    text: Option<Arc<str>>,
    /// Tells it from others.
    hash: u64,
}

pub(super) struct Batch {
    part: u32,
    detail: Detail,
    /// Those of [`COMMON`] on which findings are told.
    columns: [Option<Arc<Coded>>; COMMON.len()],
    kinds: HashMap<[u32; COMMON.len()], u32, FixedState>,
    in_hand: InHand,
    targets: Vec<Target>,
    /// By a hash of what a request says, where the rule does not say. Another one in each run of the program, so that
    /// nobody can write two requests that have the same.
    of_requests: HashMap<u64, TargetAt, FixedState>,
    hasher: RandomState,
    findings: Vec<Findings>,
    /// Of those that are of one rule.
    ones: HashMap<RuleOf, FindingsAt, FixedState>,
}

/// What is known of the row that was hit last.
#[derive(Default)]
struct InHand {
    row: Option<u32>,
    kind: Option<u32>,
    /// What was acted on, where the rule does not say.
    target: Option<TargetAt>,
}

/// A rule that makes a finding, and the group of a correlation.
pub(super) type RuleOf = (usize, Option<u64>);

/// Findings that are made of the same hits.
struct Findings {
    of: Arc<[RuleOf]>,
    /// Whether somebody asks what was acted on, and where their rules say that it is.
    is_with_target: bool,
    path: Option<String>,
    is_per_resource: bool,
    hits: Vec<At>,
}

/// Place of [`Findings`].
#[derive(Clone, Copy)]
pub(super) struct FindingsAt(usize);

impl Batch {
    pub(super) fn new(part: u32, rows: &Rows, detail: Detail) -> Self {
        let coded = |name| rows.coded(name).expect("what findings are told on is coded").clone();
        let told = if detail == Detail::All { COMMON.len() } else { TELLING };
        Self {
            part,
            detail,
            columns: std::array::from_fn(|place| (place < told).then(|| coded(COMMON[place]))),
            kinds: HashMap::default(),
            in_hand: InHand::default(),
            targets: vec![Target { text: None, hash: 0 }],
            of_requests: HashMap::default(),
            hasher: RandomState::default(),
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
            let is_with_target = rules.tells_target(meta, self.detail);
            let path = of.target.as_ref().filter(|_| is_with_target);
            let alike = (is_with_target, path, of.per_resource, alone);
            same.entry(alike).or_default().push((meta, None));
        }
        let findings = same.into_iter().map(|((is_with_target, path, is_per_resource, _), of)| {
            self.findings.push(Findings {
                of: of.into(),
                is_with_target,
                path: path.cloned(),
                is_per_resource,
                hits: Vec::new(),
            });
            FindingsAt(self.findings.len() - 1)
        });
        findings.collect()
    }

    /// Where hits of one rule go.
    pub(super) fn one(&mut self, rules: &Rules, of: RuleOf) -> FindingsAt {
        let Self { findings, ones, detail, .. } = self;
        *ones.entry(of).or_insert_with(|| {
            let meta = &rules.metas()[of.0];
            findings.push(Findings {
                of: [of].into(),
                is_with_target: rules.tells_target(of.0, *detail),
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

    /// Whether nobody asks what was acted on.
    pub(super) fn is_bare(&self, findings: FindingsAt) -> bool {
        !self.findings[findings.0].is_with_target
    }

    /// The row is a hit, and was about this target.
    pub(super) fn add(
        &mut self,
        findings: FindingsAt,
        row: u32,
        time: Timestamp,
        target: TargetAt,
    ) {
        let kind = self.kind(row);
        self.findings[findings.0].hits.push(At { row, kind, target, time });
    }

    /// What was acted on in a row, as these rules see it.
    pub(super) fn target(
        &mut self,
        findings: FindingsAt,
        row: u32,
        event: &SigmaEvent<'_>,
    ) -> TargetAt {
        if self.is_bare(findings) {
            return TargetAt::UNTOLD;
        }
        let path = &self.findings[findings.0].path;
        if let Some(text) = path.as_ref().and_then(|path| event.first_text(path)) {
            return self.keep(Some(text.into()));
        }
        if let Some(known) = self.in_hand(row).target {
            return known;
        }
        let request = event.row.text("request_parameters").unwrap_or_default();
        let hash = self.hasher.hash_one(request);
        let known = self.of_requests.get(&hash).copied();
        let target = known.unwrap_or_else(|| {
            let target = self.keep(super::target::of_text(request));
            self.of_requests.insert(hash, target);
            target
        });
        self.in_hand.target = Some(target);
        target
    }

    fn in_hand(&mut self, row: u32) -> &mut InHand {
        if self.in_hand.row != Some(row) {
            self.in_hand = InHand { row: Some(row), ..InHand::default() };
        }
        &mut self.in_hand
    }

    fn keep(&mut self, text: Option<Cow<'_, str>>) -> TargetAt {
        let hash = text.as_ref().map_or(0, hash);
        self.targets.push(Target { text: text.map(Arc::from), hash });
        TargetAt(self.targets.len() as u32 - 1)
    }

    fn kind(&mut self, row: u32) -> u32 {
        if let Some(known) = self.in_hand(row).kind {
            return known;
        }
        let code = |column: &Arc<Coded>| column.codes()[row as usize];
        let codes = self.columns.each_ref().map(|column| column.as_ref().map_or(0, code));
        let new = self.kinds.len() as u32;
        let kind = *self.kinds.entry(codes).or_insert(new);
        self.in_hand.kind = Some(kind);
        kind
    }

    /// Everything that was added.
    pub(super) fn each_run(&mut self, mut take: impl FnMut(&Arc<[RuleOf]>, Run<'_>)) {
        for Findings { of, is_per_resource, mut hits, .. } in std::mem::take(&mut self.findings) {
            let of_run = |hit: &At| {
                let resource = if is_per_resource { self.target_of(hit.target).hash } else { 0 };
                (hit.kind, resource)
            };
            hits.sort_unstable_by_key(of_run);
            for hits in hits.chunk_by_mut(|a, b| of_run(a) == of_run(b)) {
                let like = self.hit(&hits[0]);
                let resource = like.target.filter(|_| is_per_resource);
                let (first, last) = bounds(hits);
                if last > first.plus_seconds(PAUSE_SECONDS) {
                    hits.sort_unstable_by_key(|hit| hit.time);
                }
                take(&of, Run { batch: self, like, resource, hits });
            }
        }
    }

    fn target_of(&self, target: TargetAt) -> &Target {
        &self.targets[target.0 as usize]
    }

    pub(super) fn text(&self, target: TargetAt) -> Option<&str> {
        self.target_of(target).text.as_deref()
    }

    fn hit(&self, at: &At) -> Hit<'_> {
        let [principal, account, event_name, service, region, source_ip, outcome] =
            self.columns.each_ref().map(|column| column.as_ref()?.at(at.row));
        Hit {
            time: at.time,
            event_name: event_name.unwrap_or_default(),
            service: service.unwrap_or_default(),
            region: region.unwrap_or_default(),
            account: account.unwrap_or_default(),
            principal: principal.unwrap_or(UNKNOWN),
            source_ip: source_ip.unwrap_or_default(),
            outcome: outcome.and_then(Outcome::parse).unwrap_or(Outcome::Failed),
            target: self.text(at.target),
        }
    }
}

/// Hits of one rule that have nearly all in common.
pub(super) struct Run<'r> {
    batch: &'r Batch,
    /// One of them.
    pub(super) like: Hit<'r>,
    /// Of a rule that tells things apart.
    pub(super) resource: Option<&'r str>,
    /// In order of time, where a pause may be among them.
    hits: &'r [At],
}

/// Hits of a run with no long pause among them.
pub(super) struct Stretch<'r> {
    batch: &'r Batch,
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
            let of = |hit: &At| (batch.target_of(hit.target).hash, hit.time, hit.target.0);
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

impl Stretch<'_> {
    pub(super) fn len(&self) -> u64 {
        self.hits.len() as u64
    }

    /// Keeps what is wanted of the hits.
    pub(super) fn keep(&self, few: &mut Few, with_target: bool) {
        if self.batch.detail == Detail::Counts {
            return;
        }
        for at in self.hits {
            let rank = few.rank(at.time);
            if few.takes(rank) {
                let place = Place { part: self.batch.part, row: at.row };
                let target = self.batch.target_of(at.target).text.clone().filter(|_| with_target);
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
