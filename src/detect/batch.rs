//! Hits in one part, on their way to findings: gathered by the rules that share them, and then in runs of those that
//! have nearly all in common, so that this is worked out once and what is left of a hit is a number, a time and a target.

use super::group::{Hit, PAUSE_SECONDS};
use super::look::Detail;
use super::row::{SigmaEvent, UNKNOWN};
use super::rules::Rules;
use super::sample::{Few, Sample};
use super::targets::{TargetAt, Targets};
use super::windows::Place;
use crate::case::{Coded, ColumnAt, Rows};
use crate::model::{Outcome, Timestamp};
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, HashMap};
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
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::All => &COMMON,
            Self::Counts => &COMMON[..TELLING],
        }
    }
}

/// A row that was hit.
#[derive(Clone, Copy)]
struct At {
    /// Which combination of what hits have in common it has.
    kind: u32,
    row: u32,
    target: TargetAt,
}

pub(super) struct Batch {
    part: u32,
    detail: Detail,
    /// Those of [`COMMON`] on which findings are told.
    columns: [Option<Arc<Coded>>; COMMON.len()],
    kinds: Vec<Kinds>,
    in_hand: InHand,
    targets: Targets,
    /// Of all rows of the part.
    times: Arc<[i64]>,
    /// Where the table has requests.
    requests: Option<ColumnAt>,
    findings: Vec<Findings>,
    /// Of those that are of one rule.
    ones: HashMap<RuleOf, FindingsAt, FixedState>,
}

/// Combinations of what some columns say, each under a number.
struct Kinds {
    /// Each with where its codes go in the key of a combination.
    columns: Vec<(Arc<Coded>, u32)>,
    /// By key.
    numbers: HashMap<u64, u32, FixedState>,
}

impl Kinds {
    /// One for all columns, as far as a key has room for their codes; those that are left go on with its numbers.
    fn of<'c>(columns: impl Iterator<Item = &'c Arc<Coded>>) -> Vec<Self> {
        let (mut all, mut used) = (Vec::<Self>::new(), u64::BITS);
        for column in columns {
            let bits = usize::BITS - column.distinct().leading_zeros();
            if used + bits > u64::BITS {
                used = if all.is_empty() { 0 } else { u32::BITS };
                all.push(Self { columns: Vec::new(), numbers: HashMap::default() });
            }
            if let Some(last) = all.last_mut() {
                last.columns.push((column.clone(), used));
            }
            used += bits;
        }
        all
    }

    /// That of a row, of which others before gave this number.
    fn number(&mut self, before: u32, row: u32) -> u32 {
        let code = |column: &Coded| u64::from(column.codes()[row as usize]);
        let key = self
            .columns
            .iter()
            .fold(u64::from(before), |key, (column, place)| key | code(column) << place);
        let new = self.numbers.len() as u32;
        *self.numbers.entry(key).or_insert(new)
    }
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
        let told = detail.columns().len();
        let columns = std::array::from_fn(|place| (place < told).then(|| coded(COMMON[place])));
        Self {
            part,
            detail,
            kinds: Kinds::of(columns.iter().flatten()),
            columns,
            in_hand: InHand::default(),
            targets: Targets::default(),
            times: rows.times().clone(),
            requests: rows.place("request_parameters"),
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
    pub(super) fn add(&mut self, findings: FindingsAt, row: u32, target: TargetAt) {
        let kind = self.kind(row);
        self.findings[findings.0].hits.push(At { kind, row, target });
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
            return self.targets.keep(&text);
        }
        if let Some(known) = self.in_hand(row).target {
            return known;
        }
        let request = self.requests.and_then(|at| event.row.text_at(at)).unwrap_or_default();
        let target = self.targets.of_request(request);
        self.in_hand.target = Some(target);
        target
    }

    fn in_hand(&mut self, row: u32) -> &mut InHand {
        if self.in_hand.row != Some(row) {
            self.in_hand = InHand { row: Some(row), ..InHand::default() };
        }
        &mut self.in_hand
    }

    fn kind(&mut self, row: u32) -> u32 {
        if let Some(known) = self.in_hand(row).kind {
            return known;
        }
        let kind = self.kinds.iter_mut().fold(0, |kind, kinds| kinds.number(kind, row));
        self.in_hand.kind = Some(kind);
        kind
    }

    /// Everything that was added.
    pub(super) fn each_run(&mut self, mut take: impl FnMut(&Arc<[RuleOf]>, Run<'_>)) {
        let mut met = Met::new(self.targets.len());
        let kinds = self.kinds.last().map_or(1, |kinds| kinds.numbers.len());
        for Findings { of, is_per_resource, hits, .. } in std::mem::take(&mut self.findings) {
            let mut hits = by_kind(&hits, kinds);
            let of_run =
                |hit: &At| (hit.kind, if is_per_resource { hit.target } else { TargetAt::UNTOLD });
            if is_per_resource {
                hits.sort_unstable_by_key(of_run);
            }
            for hits in hits.chunk_by_mut(|a, b| of_run(a) == of_run(b)) {
                let like = self.hit(&hits[0]);
                let resource = like.target.filter(|_| is_per_resource);
                take(&of, Run { batch: self, like, resource, hits, met: &mut met });
            }
        }
    }

    fn time(&self, hit: &At) -> Timestamp {
        Timestamp(self.times[hit.row as usize])
    }

    /// The first moment and the last.
    fn bounds(&self, hits: &[At]) -> (Timestamp, Timestamp) {
        let none = (Timestamp(i64::MAX), Timestamp(i64::MIN));
        hits.iter()
            .map(|hit| self.time(hit))
            .fold(none, |(first, last), time| (first.min(time), last.max(time)))
    }

    pub(super) fn text(&self, target: TargetAt) -> Option<&str> {
        self.targets.text(target)
    }

    fn hit(&self, at: &At) -> Hit<'_> {
        let [principal, account, event_name, service, region, source_ip, outcome] =
            self.columns.each_ref().map(|column| column.as_ref()?.at(at.row));
        Hit {
            time: self.time(at),
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

/// Those of one kind behind each other.
fn by_kind(hits: &[At], kinds: usize) -> Vec<At> {
    let mut sorted = hits.to_vec();
    if hits.len() < kinds {
        sorted.sort_by_key(|hit| hit.kind);
        return sorted;
    }
    let mut places = vec![0; kinds];
    for hit in hits {
        places[hit.kind as usize] += 1;
    }
    let mut next = 0;
    for place in &mut places {
        (*place, next) = (next, next + *place);
    }
    for hit in hits {
        let place = &mut places[hit.kind as usize];
        sorted[*place] = *hit;
        *place += 1;
    }
    sorted
}

/// Hits of one rule that have nearly all in common.
pub(super) struct Run<'r> {
    batch: &'r Batch,
    /// One of them.
    pub(super) like: Hit<'r>,
    /// Of a rule that tells things apart.
    pub(super) resource: Option<&'r str>,
    hits: &'r mut [At],
    met: &'r mut Met,
}

/// Hits of a run with no long pause among them.
pub(super) struct Stretch<'r> {
    batch: &'r Batch,
    /// One of them.
    pub(super) like: Hit<'r>,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    hits: &'r [At],
    met: &'r Met,
}

/// The targets of a stretch.
struct Met {
    /// By target, the number of the stretch that met it last, and when it did so first.
    last: Vec<(u32, Timestamp)>,
    stretch: u32,
    targets: Vec<TargetAt>,
}

impl Met {
    fn new(targets: usize) -> Self {
        Self { last: vec![(0, Timestamp::default()); targets], stretch: 0, targets: Vec::new() }
    }

    fn meet(&mut self, hits: impl Iterator<Item = (TargetAt, Timestamp)>) {
        self.stretch += 1;
        self.targets.clear();
        for (target, time) in hits.filter(|(target, _)| *target != TargetAt::UNTOLD) {
            let (stretch, first) = &mut self.last[target.number()];
            if *stretch != self.stretch {
                (*stretch, *first) = (self.stretch, time);
                self.targets.push(target);
            }
            *first = time.min(*first);
        }
    }
}

impl Run<'_> {
    /// Parted where nothing was for longer than a pause.
    pub(super) fn each_stretch(&mut self, mut take: impl FnMut(&Stretch<'_>)) {
        let Self { batch, hits, met, .. } = self;
        let (first, last) = batch.bounds(hits);
        let is_whole = last <= first.plus_seconds(PAUSE_SECONDS);
        if !is_whole {
            hits.sort_unstable_by_key(|hit| batch.time(hit));
        }
        let parts = hits.chunk_by(|a, b| {
            is_whole || batch.time(b) <= batch.time(a).plus_seconds(PAUSE_SECONDS)
        });
        for hits in parts {
            let (first, last) = batch.bounds(hits);
            met.meet(hits.iter().map(|hit| (hit.target, batch.time(hit))));
            take(&Stretch { batch, like: batch.hit(&hits[0]), first, last, hits, met });
        }
    }
}

impl Stretch<'_> {
    pub(super) fn len(&self) -> u64 {
        self.hits.len() as u64
    }

    /// Each with its hash, and when it was first met.
    pub(super) fn targets(&self) -> impl Iterator<Item = (&str, u64, Timestamp)> {
        let Batch { targets, .. } = self.batch;
        self.met.targets.iter().filter_map(|at| {
            Some((targets.text(*at)?, targets.hash(*at), self.met.last[at.number()].1))
        })
    }

    /// Keeps what is wanted of the hits.
    pub(super) fn keep(&self, few: &mut Few, with_target: bool) {
        // Most come after enough was found already.
        let most_wanted = few.rank(self.first).min(few.rank(self.last));
        if self.batch.detail == Detail::Counts || !few.takes(most_wanted) {
            return;
        }
        for at in self.hits {
            let rank = few.rank(self.batch.time(at));
            if few.takes(rank) {
                let place = Place { part: self.batch.part, row: at.row };
                let target = self.batch.text(at.target).filter(|_| with_target).map(Arc::from);
                few.add(Sample { rank, place, target });
            }
        }
        few.cut();
    }
}
