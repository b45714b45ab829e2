//! Rules of every kind behind one list: our pack, which is part of the program, and the user's own.
//!
//! A rule that cannot be used is named with its file and line, and the others run. What decides on single events is a
//! [`Test`]; what looks at the hits of others (correlations, first-seen rules) is fed by them.

use super::candidates::Index;
use super::load::{Documents, Source};
use super::look::Detail;
use super::meta::{Head, Meta};
use super::narrow::Narrow;
use super::native::{AlarmOf, Reading};
use super::new_terms::NewTerms;
use super::row::{SigmaEvent, behind, on_demand};
use super::sigma::{self, Detection};
use super::windows::Correlation;
use crate::model::{BrokenRule, RuleLedger, Suppression};
use rsigma_parser::CorrelationRule;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Decides on one event.
pub(super) trait Test: Send + Sync {
    fn hits(&self, event: &SigmaEvent<'_>) -> bool;

    /// A condition over columns that every hit meets.
    fn narrow(&self) -> Narrow;

    /// The fields it looks at; nothing when it may look at all.
    fn fields(&self) -> Option<BTreeSet<String>>;
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read rules from {}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("no rule files (*.yml, *.yaml, *.json) in {}", path.display())]
    Empty { path: PathBuf },
}

/// What becomes of a hit besides a finding of its own.
pub(super) enum Feed {
    Correlation {
        /// Place in [`Rules::correlations`].
        to: usize,
        /// Which of the rules that it refers to this is.
        reference: u16,
        /// The fields it groups by: what the correlation calls them, what they are called here.
        group: Vec<(String, String)>,
    },
    /// Place in [`Rules::new_terms`].
    Term(usize),
    /// Place in [`Rules::alarms`], and what it takes from a hit.
    Alarm { to: usize, reading: Reading },
}

/// What decides on single events. Without `meta` it is no finding of its own.
pub(super) struct EventRule {
    pub(super) test: Box<dyn Test>,
    pub(super) meta: Option<usize>,
    pub(super) feeds: Vec<Feed>,
    /// Columns on demand that the test asks for, and those that rules do which are fed by hits.
    pub(super) asks: BTreeSet<&'static str>,
    pub(super) needs: BTreeSet<&'static str>,
}

impl EventRule {
    fn new(test: Box<dyn Test>, meta: Option<usize>, feeds: Vec<Feed>) -> Self {
        let asks = match test.fields() {
            Some(fields) => fields.iter().flat_map(|field| behind(field)).collect(),
            None => on_demand().collect(),
        };
        Self { test, meta, feeds, asks, needs: BTreeSet::new() }
    }
}

pub(super) struct CorrelationOf {
    pub(super) correlation: Correlation,
    pub(super) meta: Option<usize>,
    pub(super) feeds: Vec<Feed>,
}

pub(super) struct NewTermsOf {
    pub(super) rule: NewTerms,
    pub(super) meta: Option<usize>,
    pub(super) feeds: Vec<Feed>,
}

/// Compiled rules.
#[derive(Default)]
pub struct Rules {
    pub(super) events: Vec<EventRule>,
    pub(super) new_terms: Vec<NewTermsOf>,
    /// Each after those it refers to.
    pub(super) correlations: Vec<CorrelationOf>,
    pub(super) alarms: Vec<AlarmOf>,
    /// Of `events`, until they are in the index.
    conditions: Vec<Narrow>,
    pub(super) index: Index,
    pub(super) suppressions: Vec<Suppression>,
    pub(super) metas: Vec<Meta>,
    broken: Vec<BrokenRule>,
    pub(super) skipped: Vec<String>,
    version: String,
}

/// A rule that others can refer to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Event(usize),
    NewTerms(usize),
    Correlation(usize),
}

impl Rules {
    /// Our pack, and every rule file under `extra` (files or folders).
    ///
    /// # Errors
    /// When a path cannot be read, or holds no rule files. Rules that cannot be used are in [`Self::broken`].
    pub fn load(extra: &[PathBuf]) -> Result<Self, Error> {
        Ok(Self::of(Documents::load(extra)?))
    }

    pub(super) fn of(mut documents: Documents) -> Self {
        let mut rules = Self { version: documents.version(), ..Self::default() };
        rules.broken = std::mem::take(&mut documents.broken);
        for (number, (filter, _)) in documents.filters.iter().enumerate() {
            for (rule, _) in documents.rules.iter_mut().filter(|(r, _)| sigma::is_for(filter, r)) {
                sigma::apply(filter, rule, number);
            }
        }
        let mut names: BTreeMap<String, Vec<Target>> = BTreeMap::new();
        let mut sources: Vec<(Target, Source)> = Vec::new();
        rules.reserve(documents.rules.len());
        for (rule, source) in documents.rules {
            if let Some(log) = sigma::other_log(&rule.logsource) {
                rules.skipped.push(format!("{} ({log})", rule.title));
                continue;
            }
            match rules.add(&rule, &source) {
                Ok(target) => {
                    for name in [rule.id, rule.name].into_iter().flatten() {
                        names.entry(name).or_default().push(target);
                    }
                    sources.push((target, source));
                }
                Err(reason) => rules.broken.push(source.broken(&reason)),
            }
        }
        rules.correlate(&documents.correlations, names, sources);
        rules.add_printed(documents.printed);
        rules.broken.sort();
        rules.index = Index::new(std::mem::take(&mut rules.conditions));
        rules.weigh();
        rules
    }

    fn reserve(&mut self, more: usize) {
        self.events.reserve(more);
        self.conditions.reserve(more);
        self.metas.reserve(more);
    }

    /// Works out what hits of each rule need to know of their events.
    fn weigh(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        let mut fails = vec![true; self.correlations.len()];
        for (number, rule) in events.iter_mut().enumerate() {
            let is_about_failure = self.index.is_about_failure(number);
            if let Some(meta) = rule.meta {
                self.metas[meta].is_about_failure |= is_about_failure;
            }
            if !rule.feeds.is_empty() {
                // By which events of one moment are told apart.
                rule.needs.insert("source_file");
            }
            for feed in &rule.feeds {
                let fields: Vec<&String> = match feed {
                    Feed::Alarm { to, reading } => {
                        rule.needs.extend(reading.fields().iter().flat_map(|field| behind(field)));
                        self.metas[self.alarms[*to].meta].is_about_failure |= is_about_failure;
                        continue;
                    }
                    Feed::Term(number) => {
                        let of = &self.new_terms[*number];
                        let metas = of.meta.iter();
                        metas.for_each(|m| self.metas[*m].is_about_failure |= is_about_failure);
                        of.rule.fields.iter().collect()
                    }
                    Feed::Correlation { to, group, .. } => {
                        fails[*to] &= is_about_failure;
                        let counted = &self.correlations[*to].correlation.fields;
                        group.iter().map(|(_, here)| here).chain(counted).collect()
                    }
                };
                rule.needs.extend(fields.into_iter().flat_map(|field| behind(field)));
            }
        }
        self.events = events;
        for (number, of) in self.correlations.iter().enumerate() {
            let metas = of.meta.iter();
            metas.for_each(|m| self.metas[*m].is_about_failure |= fails[number]);
            for feed in &of.feeds {
                if let Feed::Correlation { to, .. } = feed {
                    fails[*to] &= fails[number];
                }
            }
        }
    }

    /// Hits that these cover are counted, and make no finding.
    pub fn suppress(&mut self, suppressions: Vec<Suppression>) {
        self.suppressions = suppressions;
    }

    /// Rules that have to be asked about every event, since no column rules them out.
    pub fn wide(&self) -> impl Iterator<Item = &Meta> {
        self.index.wide().filter_map(|rule| Some(&self.metas[self.events[rule].meta?]))
    }

    fn add(&mut self, rule: &rsigma_parser::SigmaRule, source: &Source) -> Result<Target, String> {
        let new_terms = NewTerms::of(rule)?;
        let test = Detection::compile(rule)?;
        let mut head = Meta::from(Head::from(rule));
        head.text = source.text.clone();
        let meta = Some(self.metas.len());
        let target = if let Some(rule) = new_terms {
            let feeds = vec![Feed::Term(self.new_terms.len())];
            self.ask(test, None, feeds);
            self.new_terms.push(NewTermsOf { rule, meta, feeds: Vec::new() });
            Target::NewTerms(self.new_terms.len() - 1)
        } else {
            self.ask(test, meta, Vec::new());
            Target::Event(self.events.len() - 1)
        };
        head.services = self.conditions.last().map(Narrow::services).unwrap_or_default();
        self.metas.push(head);
        Ok(target)
    }

    /// Adds what decides on single events.
    pub(super) fn ask(&mut self, test: impl Test + 'static, meta: Option<usize>, feeds: Vec<Feed>) {
        self.conditions.push(test.narrow());
        self.events.push(EventRule::new(Box::new(test), meta, feeds));
    }

    /// Adds correlations once all that they refer to is there; what is left then refers to itself or to nothing.
    fn correlate(
        &mut self,
        correlations: &[(CorrelationRule, Source)],
        mut names: BTreeMap<String, Vec<Target>>,
        mut sources: Vec<(Target, Source)>,
    ) {
        let mut silent: Vec<Target> = Vec::new();
        let mut left: Vec<&(CorrelationRule, Source)> = correlations.iter().collect();
        loop {
            let (ready, waiting): (Vec<_>, Vec<_>) = left
                .into_iter()
                .partition(|(rule, _)| rule.rules.iter().all(|name| names.contains_key(name)));
            left = waiting;
            if ready.is_empty() {
                break;
            }
            for (rule, source) in ready {
                match self.add_correlation(rule, source, &names) {
                    Ok(parts) => {
                        let target = Target::Correlation(self.correlations.len() - 1);
                        // A rule in the file of the correlation that it is for says nothing by itself.
                        let is_part = |(part, of): &&(Target, Source)| {
                            !rule.generate && parts.contains(part) && of.is_beside(source)
                        };
                        silent.extend(sources.iter().filter(is_part).map(|(part, _)| *part));
                        for name in [&rule.id, &rule.name].into_iter().flatten() {
                            names.entry(name.clone()).or_default().push(target);
                        }
                        sources.push((target, source.clone()));
                    }
                    Err(reason) => self.broken.push(source.broken(&reason)),
                }
            }
        }
        let waiting: BTreeSet<&str> = left
            .iter()
            .flat_map(|(rule, _)| [&rule.id, &rule.name])
            .flatten()
            .map(String::as_str)
            .collect();
        for (rule, source) in left {
            let missing = rule.rules.iter().filter(|name| !names.contains_key(*name));
            let (cycle, missing): (Vec<String>, Vec<String>) = missing
                .map(|name| format!("`{name}`"))
                .partition(|name| waiting.contains(name.trim_matches('`')));
            self.broken.push(source.broken(&if missing.is_empty() {
                format!(
                    "correlations refer to each other in a cycle, by way of {}",
                    cycle.join(", ")
                )
            } else {
                format!("refers to {}, which is no rule for CloudTrail here", missing.join(", "))
            }));
        }
        self.silence(&silent);
    }

    /// Answers with the rules it refers to.
    fn add_correlation(
        &mut self,
        rule: &CorrelationRule,
        source: &Source,
        names: &BTreeMap<String, Vec<Target>>,
    ) -> Result<Vec<Target>, String> {
        let correlation = Correlation::compile(rule)?;
        let to = self.correlations.len();
        let mut parts = Vec::new();
        for (reference, name) in rule.rules.iter().enumerate() {
            // A rule that is named twice is one rule.
            for target in &names[name] {
                if parts.contains(target) {
                    continue;
                }
                parts.push(*target);
                let group = rule.group_by.iter().map(|field| {
                    let alias = rule.aliases.iter().find(|a| a.alias == *field);
                    let here = alias.and_then(|a| a.mapping.get(name)).unwrap_or(field);
                    (field.clone(), here.clone())
                });
                let feed =
                    Feed::Correlation { to, reference: reference as u16, group: group.collect() };
                self.feeds(*target).push(feed);
            }
        }
        let meta = Some(self.metas.len());
        let mut head = Meta::from(Head::from(rule));
        head.text = source.text.clone();
        head.services = self.services(&parts);
        self.metas.push(head);
        self.correlations.push(CorrelationOf { correlation, meta, feeds: Vec::new() });
        Ok(parts)
    }

    /// Services that some of these are about.
    fn services(&mut self, parts: &[Target]) -> Vec<String> {
        let mut services = BTreeSet::new();
        for part in parts {
            if let Some(meta) = *self.meta_of(*part) {
                services.extend(self.metas[meta].services.iter().cloned());
            }
        }
        services.into_iter().collect()
    }

    fn feeds(&mut self, target: Target) -> &mut Vec<Feed> {
        match target {
            Target::Event(number) => &mut self.events[number].feeds,
            Target::NewTerms(number) => &mut self.new_terms[number].feeds,
            Target::Correlation(number) => &mut self.correlations[number].feeds,
        }
    }

    fn meta_of(&mut self, target: Target) -> &mut Option<usize> {
        match target {
            Target::Event(number) => &mut self.events[number].meta,
            Target::NewTerms(number) => &mut self.new_terms[number].meta,
            Target::Correlation(number) => &mut self.correlations[number].meta,
        }
    }

    fn silence(&mut self, targets: &[Target]) {
        let mut gone: BTreeSet<usize> = BTreeSet::new();
        for target in targets {
            gone.extend(self.meta_of(*target).take());
        }
        let mut number = 0;
        self.metas.retain(|_| {
            number += 1;
            !gone.contains(&(number - 1))
        });
        let events = self.events.iter_mut().map(|r| &mut r.meta);
        let terms = self.new_terms.iter_mut().map(|r| &mut r.meta);
        let correlations = self.correlations.iter_mut().map(|r| &mut r.meta);
        for meta in events.chain(terms).chain(correlations).flatten() {
            *meta -= gone.range(..*meta).count();
        }
    }

    /// Whether what was acted on is of interest in hits of a rule.
    pub(super) fn tells_target(&self, meta: usize, detail: Detail) -> bool {
        detail == Detail::All || self.metas[meta].per_resource || !self.suppressions.is_empty()
    }

    /// Rules that can make a finding.
    #[must_use]
    pub fn metas(&self) -> &[Meta] {
        &self.metas
    }

    /// Rules that cannot be used, by file and line.
    #[must_use]
    pub fn broken(&self) -> &[BrokenRule] {
        &self.broken
    }

    /// Rules that are for other logs than CloudTrail, by title, with what they are for.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// What a report says of them.
    #[must_use]
    pub fn ledger(&self) -> RuleLedger {
        RuleLedger {
            used: self.metas.len() as u64,
            broken: self.broken.clone(),
            skipped: self.skipped.clone(),
            not_applied: Vec::new(),
            suppressed: Vec::new(),
        }
    }

    /// Tells one set of rules from another.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}
