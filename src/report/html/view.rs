//! What the page needs beside the report itself: an anchor for everything that can be cited, and the widths of bars.

use super::activity::Activity;
use super::controls::{self, Line};
use super::layout::{self, Facts};
use crate::model::{
    Contributor, Count, Coverage, Episode, Evidence, Finding, FindingKind, Gap, Ledger, Narrative,
    Principal, Reject, Report, RuleLedger, Run, Section, Severity, TimelineRow,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What people read on a page; the files beside it are complete.
const LIST_ROWS: usize = 15;
const PRINCIPALS: usize = 50;
const TIMELINE_ROWS: usize = 300;
const REJECTS: usize = 200;
const GAPS: usize = 200;
const CONTRIBUTOR_EVENTS: usize = 5;
const FILE_BYTES: usize = 60;

#[derive(Serialize)]
pub(super) struct View<'a> {
    run: &'a Run,
    rules: &'a RuleLedger,
    suppressed: Vec<String>,
    ledger: &'a Ledger,
    coverage: &'a Coverage,
    narrative: &'a Narrative,
    /// Findings left out by caps.
    omitted: &'a BTreeMap<String, u64>,
    scope: String,
    command: String,
    losses: Option<String>,
    activity: Option<Activity>,
    /// Gravest first, without those that have no finding.
    severities: Vec<(Severity, usize)>,
    sections: Vec<Prose<'a>>,
    findings: Vec<Card<'a>>,
    anomalies: Vec<Card<'a>>,
    principals: Capped<Profile<'a>>,
    principals_total: u64,
    timeline: Capped<Step<'a>>,
    episodes: Vec<Chain<'a>>,
    controls: Vec<Line<'a>>,
    page: bool,
    lists: Vec<List<'a>>,
    gaps: Capped<&'a Gap>,
    rejects: Capped<&'a Reject>,
    cites: Vec<Cite<'a>>,
}

#[derive(Serialize)]
struct Capped<T> {
    rows: Vec<T>,
    more: usize,
}

/// A place on the page; `href` is absent when the page does not show the thing.
#[derive(Serialize)]
pub(super) struct Link<'a> {
    label: String,
    title: &'a str,
    href: Option<String>,
}

#[derive(Serialize)]
struct Prose<'a> {
    title: &'a str,
    as_list: bool,
    sentences: Vec<(&'a str, Vec<Link<'a>>)>,
}

#[derive(Serialize)]
struct Card<'a> {
    finding: &'a Finding,
    anchor: String,
    principal_href: Option<String>,
    evidence: Vec<Proof<'a>>,
    more_targets: u64,
    indicators: Vec<(&'static str, Vec<&'a str>)>,
    command: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Proof<'a> {
    item: &'a Evidence,
    anchor: String,
    cited_as: Option<&'a str>,
    /// Where the record is, whole, and the file as the table has room for it.
    place: String,
    file: String,
    views: Option<String>,
}

#[derive(Serialize)]
struct Profile<'a> {
    principal: &'a Principal,
    anchor: String,
    /// Contributor, width of its bar in percent of the largest, its events.
    parts: Vec<(&'a Contributor, f64, Vec<Link<'a>>)>,
    /// Who belongs to it, why, and where on the page.
    linked: Vec<(&'a str, String, Option<String>)>,
}

#[derive(Serialize)]
struct Step<'a> {
    row: &'a TimelineRow,
    anchor: String,
    findings: Vec<Link<'a>>,
}

#[derive(Serialize)]
struct Chain<'a> {
    episode: &'a Episode,
    findings: Vec<Link<'a>>,
}

#[derive(Serialize)]
struct List<'a> {
    title: &'static str,
    total: u64,
    /// Value, widths in percent of the most frequent: all events, denied events.
    rows: Vec<(&'a Count, f64, f64)>,
    cut: bool,
}

#[derive(Serialize)]
struct Cite<'a> {
    fact: &'a str,
    id: &'a str,
    anchor: String,
    href: Option<String>,
}

impl<'a> View<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let page = Page::of(report);
        let aggregates = &report.aggregates;
        let count = |severity| report.findings.iter().filter(|f| f.severity == severity).count();
        let severities = Severity::ALL.iter().rev().map(|severity| (*severity, count(*severity)));
        let anomalies = report.findings.iter().filter(|f| f.kind == FindingKind::Anomaly);
        let known = aggregates.distinct.get("principals").copied();
        Self {
            run: &report.run,
            rules: &report.rules,
            suppressed: report.rules.suppressed.iter().map(layout::suppression).collect(),
            ledger: &report.ledger,
            coverage: &report.coverage,
            narrative: &report.narrative,
            omitted: &report.omitted,
            scope: layout::scope(report),
            command: report.run.args.join(" "),
            losses: layout::losses(&report.ledger),
            activity: Activity::of(&aggregates.hours),
            severities: severities.filter(|(_, count)| *count > 0).collect(),
            sections: report.narrative.sections.iter().map(|s| page.prose(s)).collect(),
            findings: report.findings.iter().map(|finding| page.card(finding)).collect(),
            anomalies: anomalies.map(|finding| page.card(finding)).collect(),
            principals: capped(&report.principals, PRINCIPALS, |_, p| page.profile(p)),
            principals_total: known.unwrap_or(report.principals.len() as u64),
            timeline: page.timeline(),
            episodes: report.episodes.iter().map(|episode| page.chain(episode)).collect(),
            controls: controls::lines(report, &page),
            page: false,
            lists: lists(report),
            gaps: capped(&report.coverage.gaps, GAPS, |_, gap| gap),
            rejects: capped(&report.ledger.rejects, REJECTS, |_, reject| reject),
            cites: page.cites(),
        }
    }
}

/// Where everything is: the anchor of each finding, event and principal id that the page shows.
pub(super) struct Page<'a> {
    report: &'a Report,
    facts: Facts<'a>,
    anchors: BTreeMap<&'a str, String>,
    findings: BTreeMap<&'a str, &'a Finding>,
}

impl<'a> Page<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let mut anchors = BTreeMap::new();
        for finding in &report.findings {
            anchors.insert(finding.id.as_str(), finding_anchor(finding));
            for (at, item) in finding.evidence.iter().enumerate() {
                let anchor = || event_anchor(finding, at);
                anchors.entry(item.event_id.as_str()).or_insert_with(anchor);
            }
        }
        for principal in report.principals.iter().take(PRINCIPALS) {
            anchors.entry(&principal.id).or_insert_with(|| principal_anchor(principal));
        }
        for (at, row) in layout::gravest(&report.timeline, TIMELINE_ROWS) {
            for id in &row.evidence {
                anchors.entry(id).or_insert_with(|| step_anchor(at));
            }
        }
        let findings = report.findings.iter().map(|finding| (finding.id.as_str(), finding));
        Self { report, facts: Facts::of(report), anchors, findings: findings.collect() }
    }

    fn href(&self, id: &str) -> Option<String> {
        self.anchors.get(id).map(|anchor| format!("#{anchor}"))
    }

    fn timeline(&self) -> Capped<Step<'a>> {
        let rows = layout::gravest(&self.report.timeline, TIMELINE_ROWS).into_iter();
        let rows: Vec<Step<'a>> = rows.map(|(at, row)| self.step(at, row)).collect();
        Capped { more: self.report.timeline.len() - rows.len(), rows }
    }

    fn prose(&self, section: &'a Section) -> Prose<'a> {
        let link = |fact: &'a String| {
            let id = self.report.narrative.references.get(fact);
            let title = id.map_or("", |id| self.findings.get(id.as_str()).map_or(id, |f| &f.title));
            // Every cite that stands for something has a row in the table of cites at least.
            let href = id.and_then(|id| self.href(id).or_else(|| self.cite_href(fact)));
            Link { label: fact.clone(), title, href }
        };
        let sentences = section.sentences.iter();
        Prose {
            title: &section.title,
            as_list: layout::reads_as_list(section),
            sentences: sentences
                .map(|sentence| (sentence.text.as_str(), sentence.cites.iter().map(link).collect()))
                .collect(),
        }
    }

    fn cite_href(&self, fact: &str) -> Option<String> {
        let at = self.facts.cited().iter().position(|(cited, _)| *cited == fact)?;
        Some(format!("#cite-{}", at + 1))
    }

    fn cites(&self) -> Vec<Cite<'a>> {
        let numbered = self.facts.cited().into_iter().zip(1..);
        numbered
            .map(|((fact, id), n)| Cite {
                fact,
                id,
                anchor: format!("cite-{n}"),
                href: self.href(id),
            })
            .collect()
    }

    fn card(&self, finding: &'a Finding) -> Card<'a> {
        let evidence = finding.evidence.iter().enumerate();
        let evidence = evidence
            .map(|(at, item)| Proof { anchor: event_anchor(finding, at), ..self.proof(item) });
        Card {
            finding,
            anchor: finding_anchor(finding),
            principal_href: self.href(&finding.principal),
            evidence: evidence.collect(),
            more_targets: finding.targets_total.saturating_sub(finding.targets.len() as u64),
            indicators: layout::indicators(finding),
            command: layout::query_command(finding, &self.report.run.case),
        }
    }

    pub(super) fn proof(&self, item: &'a Evidence) -> Proof<'a> {
        Proof {
            item,
            anchor: String::new(),
            cited_as: self.facts.label(&item.event_id),
            place: layout::place(item),
            file: file_name(&item.file),
            views: layout::views(item),
        }
    }

    fn profile(&self, principal: &'a Principal) -> Profile<'a> {
        let parts = &principal.contributors;
        let most = parts.iter().map(|part| part.points.abs()).fold(f64::MIN_POSITIVE, f64::max);
        let events = |part: &'a Contributor| {
            let ids = part.evidence.iter().take(CONTRIBUTOR_EVENTS).map(String::as_str);
            ids.map(|id| self.event(id)).collect()
        };
        Profile {
            principal,
            anchor: principal_anchor(principal),
            linked: principal
                .linked
                .iter()
                .map(|link| {
                    (link.principal.as_str(), layout::why(link), self.href(&link.principal))
                })
                .collect(),
            parts: parts
                .iter()
                .map(|part| (part, percent(part.points.abs(), most), events(part)))
                .collect(),
        }
    }

    fn event(&self, id: &'a str) -> Link<'a> {
        let short = || id.chars().take(8).collect();
        let label = self.facts.label(id).map_or_else(short, str::to_owned);
        Link { label, title: id, href: self.href(id) }
    }

    fn step(&self, at: usize, row: &'a TimelineRow) -> Step<'a> {
        Step { row, anchor: step_anchor(at), findings: self.links(&row.findings) }
    }

    fn chain(&self, episode: &'a Episode) -> Chain<'a> {
        Chain { episode, findings: self.links(&episode.findings) }
    }

    /// Findings beyond the cap are known by id only and have no place on the page.
    pub(super) fn links(&self, ids: &'a [String]) -> Vec<Link<'a>> {
        let known = ids.iter().filter_map(|id| self.findings.get(id.as_str()));
        known
            .map(|finding| Link {
                label: format!("F{}", finding.number),
                title: &finding.title,
                href: self.href(&finding.id),
            })
            .collect()
    }
}

/// The end of a long path: a trail file's own name tells its account, region and time, and no two are alike.
fn file_name(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((_, name)) if path.len() > FILE_BYTES => format!("…/{name}"),
        _ => path.to_owned(),
    }
}

fn finding_anchor(finding: &Finding) -> String {
    format!("F{}", finding.number)
}

fn event_anchor(finding: &Finding, at: usize) -> String {
    format!("F{}-event-{}", finding.number, at + 1)
}

fn principal_anchor(principal: &Principal) -> String {
    format!("principal-{}", principal.rank)
}

fn step_anchor(at: usize) -> String {
    format!("step-{}", at + 1)
}

fn capped<'a, T, U>(all: &'a [T], cap: usize, row: impl Fn(usize, &'a T) -> U) -> Capped<U> {
    let rows: Vec<U> = all.iter().take(cap).enumerate().map(|(at, item)| row(at, item)).collect();
    Capped { more: all.len() - rows.len(), rows }
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn lists(report: &Report) -> Vec<List<'_>> {
    let lists = layout::lists(&report.aggregates).into_iter();
    lists
        .filter(|(_, _, counts)| !counts.is_empty())
        .map(|(title, key, counts)| {
            let shown = &counts[..counts.len().min(LIST_ROWS)];
            let most = shown.iter().map(|count| count.count).max().unwrap_or(1).max(1) as f64;
            let width = |n: u64| percent(n as f64, most);
            let known = report.aggregates.distinct.get(key).copied();
            let total = known.unwrap_or(counts.len() as u64);
            List {
                title,
                total,
                rows: shown.iter().map(|c| (c, width(c.count), width(c.denied))).collect(),
                cut: total > shown.len() as u64,
            }
        })
        .collect()
}

/// A width, in tenths of a percent.
fn percent(part: f64, whole: f64) -> f64 {
    (1000.0 * part / whole).round() / 10.0
}
