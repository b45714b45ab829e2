//! What rules found so far, from any thread and in any order, and what follows once all events were seen: first-seen
//! rules speak, correlations slide their windows, and the events they mean are looked at once more.

use super::Detections;
use super::batch::{Batch, FindingsAt, RuleOf};
use super::group::Groups;
use super::look::Archive;
use super::native::{self, Moments, Watching};
use super::new_terms::Terms;
use super::row::{SigmaEvent, UNKNOWN, hash, on_demand};
use super::rules::{Feed, Rules};
use super::sample::Events;
use super::targets::TargetAt;
use super::windows::{MAX_SIGHTINGS, Names, Place, Sighting};
use crate::case::{self, PartFile};
use crate::model::Suppression;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Found {
    groups: Groups,
    /// By correlation.
    sightings: Vec<Vec<Sighting>>,
    names: Vec<Names>,
    /// By alarm.
    readings: Vec<Vec<Sighting>>,
    watching: Watching,
    /// By first-seen rule.
    terms: Vec<Terms>,
    /// When the first event of each account was.
    starts: BTreeMap<u64, i64>,
    /// Events by suppression.
    suppressed: Vec<u64>,
}

/// What hits of some rules come to, in one part.
pub(super) struct Told<'r> {
    findings: Vec<FindingsAt>,
    feeds: Vec<&'r [Feed]>,
}

impl<'r> Told<'r> {
    pub(super) fn new(rules: &'r Rules, list: &[u32], batch: &mut Batch) -> Self {
        let all = || list.iter().map(|rule| &rules.events[*rule as usize]);
        let findings = batch.several(rules, all().filter_map(|rule| rule.meta));
        let feeds = all().map(|rule| &rule.feeds[..]).filter(|feeds| !feeds.is_empty());
        Self { findings, feeds: feeds.collect() }
    }

    /// Adds a hit of which nobody asks more than when it was; false where somebody does.
    pub(super) fn count(&self, row: u32, batch: &mut Batch) -> bool {
        let is_bare = self.feeds.is_empty() && self.findings.iter().all(|of| batch.is_bare(*of));
        if is_bare {
            self.findings.iter().for_each(|of| batch.add(*of, row, TargetAt::UNTOLD));
        }
        is_bare
    }
}

impl Found {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            sightings: rules.correlations.iter().map(|_| Vec::new()).collect(),
            names: rules.correlations.iter().map(|_| Names::new()).collect(),
            readings: rules.alarms.iter().map(|_| Vec::new()).collect(),
            terms: rules.new_terms.iter().map(|_| Terms::default()).collect(),
            suppressed: vec![0; rules.suppressions.len()],
            ..Self::default()
        }
    }

    /// Rules are hit by an event.
    pub(super) fn take(
        &mut self,
        rules: &Rules,
        told: &Told<'_>,
        (event, place): (&SigmaEvent<'_>, Place),
        batch: &mut Batch,
    ) {
        for findings in &told.findings {
            self.hit(rules, *findings, (event, place), batch);
        }
        for feeds in &told.feeds {
            self.feed(rules, feeds, event, place);
        }
    }

    /// All hits in a part.
    pub(super) fn group(&mut self, mut batch: Batch, file: &PartFile) -> Result<(), case::Error> {
        batch.each_run(|of, run| self.groups.add(of, run));
        self.groups.decide(|places| {
            let rows: Vec<u32> = places.iter().map(|place| place.row).collect();
            Events::of_part(file, batch.part(), &rows)
        })
    }

    /// When the first event of each account was.
    pub(super) fn start(&mut self, starts: impl Iterator<Item = (u64, i64)>) {
        for (account, time) in starts {
            let start = self.starts.entry(account).or_insert(time);
            *start = time.min(*start);
        }
    }

    /// What alarms want to know of all events.
    pub(super) fn watch(&mut self, rules: &Rules, times: &[i64]) {
        for time in times {
            self.watching.look(rules, *time);
        }
    }

    fn hit(
        &mut self,
        rules: &Rules,
        findings: FindingsAt,
        (event, place): (&SigmaEvent<'_>, Place),
        batch: &mut Batch,
    ) {
        let target = batch.target(findings, place.row, event);
        if !rules.suppressions.is_empty() {
            let (time, principal) = (event.row.time(), event.row.text("actor").unwrap_or(UNKNOWN));
            let text = batch.text(target);
            let is_covered = |s: &Suppression| {
                let mut metas = batch.of(findings).iter().map(|(meta, _)| &rules.metas()[*meta]);
                metas.any(|meta| s.covers(&meta.name, principal, text, time))
            };
            if let Some(number) = rules.suppressions.iter().position(is_covered) {
                self.suppressed[number] += 1;
                return;
            }
        }
        batch.add(findings, place.row, target);
    }

    fn feed(&mut self, rules: &Rules, feeds: &[Feed], event: &SigmaEvent<'_>, place: Place) {
        for feed in feeds {
            match feed {
                Feed::Term(number) => {
                    let rule = &rules.new_terms[*number].rule;
                    if let Some((key, stretch)) = rule.term(event, place) {
                        rule.remember(&mut self.terms[*number], key, stretch);
                    }
                }
                Feed::Alarm { to, reading } => {
                    let Some(value) = reading.of(event) else { continue };
                    self.readings[*to].push(Sighting {
                        key: 0,
                        time: event.row.time().0,
                        reference: 0,
                        value: value.to_bits(),
                        tie: event.tie(),
                        place,
                    });
                }
                Feed::Correlation { to, reference, group } => {
                    let of = &rules.correlations[*to];
                    let fields = &of.correlation.fields;
                    let value = of.correlation.value(fields.iter().map(|f| event.scalar(f)));
                    let Some(value) = value else { continue };
                    let values: Vec<Option<String>> =
                        group.iter().map(|(_, here)| event.scalar(here)).collect();
                    let key = hash(&values);
                    self.sightings[*to].push(Sighting {
                        key,
                        time: event.row.time().0,
                        reference: *reference,
                        value,
                        tie: event.tie(),
                        place,
                    });
                    if !of.feeds.is_empty() {
                        let named = group.iter().map(|(name, _)| name.clone()).zip(values);
                        self.names[*to].entry(key).or_insert_with(|| named.collect());
                    }
                }
            }
        }
    }

    pub(super) fn merge(mut self, rules: &Rules, other: Self) -> Self {
        self.groups = self.groups.merge(other.groups);
        self.watching.merge(other.watching);
        let sightings = self.sightings.iter_mut().chain(&mut self.readings);
        for (mine, theirs) in sightings.zip(other.sightings.into_iter().chain(other.readings)) {
            // What is beyond the limit is still counted by one.
            mine.extend(theirs);
            mine.truncate(MAX_SIGHTINGS + 1);
        }
        for (mine, theirs) in self.names.iter_mut().zip(other.names) {
            mine.extend(theirs);
        }
        for ((rule, mine), theirs) in rules.new_terms.iter().zip(&mut self.terms).zip(other.terms) {
            rule.rule.merge(mine, theirs);
        }
        for (mine, theirs) in self.suppressed.iter_mut().zip(other.suppressed) {
            *mine += theirs;
        }
        self.start(other.starts.into_iter());
        self
    }

    /// All hits, grouped, what could not be applied, and when alarms went off.
    pub(super) fn settle(
        mut self,
        rules: &Rules,
        archive: &Archive<'_>,
    ) -> Result<Detections, case::Error> {
        let mut chosen: Vec<(Place, RuleOf)> = Vec::new();
        let terms = std::mem::take(&mut self.terms);
        for (of, terms) in rules.new_terms.iter().zip(terms) {
            let told = of.rule.told(&terms, &self.starts);
            chosen.extend(told.iter().filter_map(|place| Some((*place, (of.meta?, None)))));
            if !of.feeds.is_empty() {
                let told: Vec<(Place, ())> = told.into_iter().map(|place| (place, ())).collect();
                let again = archive.revisit(
                    rules,
                    &told,
                    &on_demand().collect(),
                    |found, (event, place), _, ()| {
                        found.feed(rules, &of.feeds, event, place);
                    },
                )?;
                self = self.merge(rules, again);
            }
        }
        let mut not_applied = self.correlate(rules, &mut chosen);
        let moments = self.alarm(rules, &mut chosen, &mut not_applied);
        chosen.sort_unstable();
        let metas: BTreeSet<usize> = chosen.iter().map(|(_, (meta, _))| *meta).collect();
        let mut needs = BTreeSet::new();
        needs.extend(metas.into_iter().flat_map(|meta| rules.metas()[meta].needs()));
        let again = archive.revisit(rules, &chosen, &needs, |found, event, batch, of| {
            let findings = batch.one(rules, *of);
            found.hit(rules, findings, event, batch);
        })?;
        self = self.merge(rules, again);
        let (mut findings, groups) = self.groups.into_findings(rules.metas());
        native::tell(&mut findings, rules, &moments);
        let mut suppressions = rules.suppressions.clone();
        for (suppression, events) in suppressions.iter_mut().zip(self.suppressed) {
            suppression.events = events;
        }
        Ok(Detections { findings, not_applied, suppressions, groups, ..Detections::default() })
    }

    /// Sets off all alarms; adds the events that did it to `chosen`.
    fn alarm(
        &mut self,
        rules: &Rules,
        chosen: &mut Vec<(Place, RuleOf)>,
        not_applied: &mut Vec<String>,
    ) -> Moments {
        let mut moments = Moments::new();
        let watch = std::mem::take(&mut self.watching).watch();
        for (of, mut readings) in rules.alarms.iter().zip(std::mem::take(&mut self.readings)) {
            let name = &rules.metas()[of.meta].name;
            if readings.len() > MAX_SIGHTINGS {
                not_applied.push(format!(
                    "{name} was not applied: more than {MAX_SIGHTINGS} events match its metric filter"
                ));
                continue;
            }
            let (times, ranges) = of.goes_off(&mut readings, &watch);
            if !times.is_empty() && ranges.is_empty() {
                not_applied.push(format!(
                    "{name} would have gone off {} times, on silence: there are no events to show",
                    times.len()
                ));
            }
            let events: BTreeSet<Place> = ranges
                .into_iter()
                .flat_map(|range| &readings[range])
                .map(|hit| hit.place)
                .collect();
            chosen.extend(events.into_iter().map(|place| (place, (of.meta, None))));
            moments.insert(of.meta, times);
        }
        moments
    }

    /// Slides all windows; adds the events of findings to `chosen`, and answers with what there was too much of.
    fn correlate(&mut self, rules: &Rules, chosen: &mut Vec<(Place, RuleOf)>) -> Vec<String> {
        let mut not_applied = Vec::new();
        for (number, of) in rules.correlations.iter().enumerate() {
            let mut sightings = std::mem::take(&mut self.sightings[number]);
            if sightings.len() > MAX_SIGHTINGS {
                let name = of.meta.map_or("a part of a correlation", |m| &rules.metas()[m].name);
                not_applied.push(format!(
                    "{name} was not applied: more than {MAX_SIGHTINGS} events are hits of the rules it refers to"
                ));
                continue;
            }
            let (ranges, firings) = of.correlation.fire(&mut sightings);
            if let Some(meta) = of.meta {
                let events = ranges.into_iter().flat_map(|range| &sightings[range]);
                let events: BTreeSet<(Place, u64)> = events.map(|s| (s.place, s.key)).collect();
                chosen.extend(events.into_iter().map(|(place, key)| (place, (meta, Some(key)))));
            }
            let names = std::mem::take(&mut self.names[number]);
            for feed in &of.feeds {
                let Feed::Correlation { to, reference, group } = feed else { continue };
                let value = rules.correlations[*to].correlation.value(std::iter::empty());
                for firing in &firings {
                    let known = &names[&firing.key];
                    let values: Vec<Option<String>> = group
                        .iter()
                        .map(|(_, here)| known.iter().find(|(n, _)| n == here)?.1.clone())
                        .collect();
                    let key = hash(&values);
                    let Some(value) = value else { continue };
                    self.sightings[*to].push(Sighting {
                        key,
                        time: firing.time,
                        reference: *reference,
                        value,
                        tie: firing.tie,
                        place: firing.place,
                    });
                    let named = group.iter().map(|(name, _)| name.clone()).zip(values);
                    self.names[*to].entry(key).or_insert_with(|| named.collect());
                }
            }
        }
        not_applied
    }
}
