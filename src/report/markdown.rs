//! `report.md`: the whole report as text that reads well unrendered, in the order an incident report is read.
//!
//! No raw HTML, no images, and no link or markup that the log could have written.

use super::escape::{markdown as text, markdown_code as code};
use super::layout::{self, Facts, clock, counted, number, period};
use crate::model::{Evidence, Finding, FindingKind, Principal, Report, TimelineRow, Timestamp};
use std::fmt::Write as _;

/// A timeline is read by people up to here; the rest is in `timeline.csv`.
const TIMELINE_ROWS: usize = 40;
const LIST_ROWS: usize = 10;
/// Calls named of a step of many; the rest is in `timeline.csv`.
const CALLS_NAMED: usize = 6;
const PRINCIPALS: usize = 25;
const REJECTS: usize = 50;

/// `writeln!` to a String, which cannot fail.
macro_rules! line {
    ($out:expr) => { $out.push('\n') };
    ($out:expr, $($arg:tt)*) => { writeln!($out, $($arg)*).expect("a String takes any text") };
}

#[must_use]
pub(super) fn render(report: &Report) -> String {
    let facts = Facts::of(report);
    let mut out = String::new();
    title(&mut out, report);
    narrative(&mut out, report);
    findings(&mut out, report, &facts);
    unusual(&mut out, report);
    principals(&mut out, report);
    timeline(&mut out, report);
    episodes(&mut out, report);
    controls(&mut out, report);
    aggregates(&mut out, report);
    coverage(&mut out, report);
    ledger(&mut out, report);
    run(&mut out, report);
    references(&mut out, &facts);
    out
}

fn title(out: &mut String, report: &Report) {
    line!(out, "# CloudTrail review\n");
    line!(out, "{}. Times are UTC.\n", layout::scope(report));
    let input = layout::losses(&report.ledger).unwrap_or_else(|| "read whole".to_owned());
    line!(out, "- Input: {input}");
    line!(out, "- Narrative: {}", text(&report.run.narrator));
    line!(
        out,
        "- trailinsight {}, rules {}",
        text(&report.run.version),
        code(&report.run.rules_version)
    );
}

fn narrative(out: &mut String, report: &Report) {
    for section in &report.narrative.sections {
        line!(out, "\n## {}\n", text(&section.title));
        let as_list = layout::reads_as_list(section);
        let sentences: Vec<String> = section
            .sentences
            .iter()
            .map(|sentence| {
                let cites = sentence.cites.iter().map(|cite| format!(" [{}]", text(cite)));
                let bullet = if as_list { "- " } else { "" };
                format!("{bullet}{}{}", text(&sentence.text), cites.collect::<String>())
            })
            .collect();
        line!(out, "{}", sentences.join(if as_list { "\n" } else { " " }));
    }
}

fn findings(out: &mut String, report: &Report, facts: &Facts) {
    line!(out, "\n## Findings\n");
    let head = ["No.", "Severity", "Title", "Principal", "Outcome", "Count", "First", "Last"];
    table(
        out,
        &head,
        report.findings.iter().map(|f| {
            vec![
                format!("F{}", f.number),
                f.severity.to_string(),
                text(&f.title),
                code(&f.principal),
                f.outcome.to_string(),
                number(f.count),
                clock(f.first),
                clock(f.last),
            ]
        }),
    );
    for (severity, count) in &report.omitted {
        line!(out, "\nLeft out by the cap on findings: {} {}.", number(*count), text(severity));
    }
    for finding in &report.findings {
        subsection(out, finding, report, facts);
    }
}

fn subsection(out: &mut String, finding: &Finding, report: &Report, facts: &Facts) {
    line!(out, "\n### F{}: {} ({})\n", finding.number, text(&finding.title), finding.severity);
    line!(out, "{}\n", text(&finding.summary));
    line!(out, "- Principal: {}", code(&finding.principal));
    line!(out, "- Where: account {}, region {}", code(&finding.account), code(&finding.region));
    line!(out, "- When: {}", period(finding.first, finding.last));
    line!(out, "- Outcome: {}, {}", finding.outcome, counted(finding.count, "event"));
    let why = [("ATT&CK", &finding.attack), ("CIS", &finding.cis)];
    for (name, ids) in why.iter().filter(|(_, ids)| !ids.is_empty()) {
        line!(out, "- {}: {}", text(name), codes(ids));
    }
    if !finding.stages.is_empty() {
        let stages: Vec<_> = finding.stages.iter().map(|stage| stage.as_str()).collect();
        line!(out, "- Stage: {}", stages.join(", "));
    }
    if !finding.targets.is_empty() {
        let more = finding.targets_total.saturating_sub(finding.targets.len() as u64);
        line!(out, "- Targets: {}", codes_of(&finding.targets, more));
    }
    if !finding.source_ips.is_empty() {
        line!(out, "- Sources: {}", codes(&finding.source_ips));
    }
    for (name, values) in layout::indicators(finding) {
        line!(out, "- {name}: {}", codes(&values));
    }
    let hidden = finding.indicators_total.saturating_sub(finding.indicators.len() as u64);
    if hidden > 0 {
        line!(out, "- Further indicators, in the events only: {}", number(hidden));
    }
    line!(out, "- {}: {}{}", finding.kind, code(&finding.rule), origin(finding));
    line!(out, "- Id: {}", code(&finding.id));
    let shown = finding.evidence.len() as u64;
    line!(out, "\nEvidence, {} of {}:\n", number(shown), number(finding.evidence_total));
    let head = ["Cited as", "Time", "Event", "Outcome", "Source", "Target", "Event id", "Record"];
    table(out, &head, finding.evidence.iter().map(|item| evidence(item, facts)));
    if !finding.remediation.is_empty() {
        line!(out, "\nWhat to do: {}", text(&finding.remediation));
    }
    if let Some(command) = layout::query_command(finding, &report.run.case) {
        line!(out, "\nAll of these events:\n\n```sh\n{command}\n```");
    }
}

fn evidence(item: &Evidence, facts: &Facts) -> Vec<String> {
    let error = item.error_code.as_ref().map(|error| format!(" {}", code(error)));
    let views = layout::views(item).map(|views| format!(" ({})", text(&views)));
    vec![
        facts.label(&item.event_id).map_or_else(|| "–".to_owned(), text),
        clock(item.time),
        code(&item.event_name),
        format!("{}{}", item.outcome, error.unwrap_or_default()),
        code(&item.source_ip),
        code(item.target.as_deref().unwrap_or_default()),
        code(&item.event_id) + &views.unwrap_or_default(),
        code(&layout::place(item)),
    ]
}

fn unusual(out: &mut String, report: &Report) {
    line!(out, "\n## Anomalies\n");
    let mut anomalies =
        report.findings.iter().filter(|f| f.kind == FindingKind::Anomaly).peekable();
    if anomalies.peek().is_none() {
        line!(out, "No heuristic marked an access pattern in the time covered.");
    }
    for finding in anomalies {
        let (title, summary) = (text(&finding.title), text(&finding.summary));
        line!(out, "- **{title}** ({}): {summary} [F{}]", finding.severity, finding.number);
    }
}

fn principals(out: &mut String, report: &Report) {
    line!(out, "\n## Principals\n");
    let shown = &report.principals[..report.principals.len().min(PRINCIPALS)];
    let head = ["Rank", "Principal", "Kind", "Risk", "Events", "Denied", "First", "Last"];
    table(
        out,
        &head,
        shown.iter().map(|p| {
            vec![
                p.rank.to_string(),
                code(&p.id),
                p.kind.to_string(),
                format!("{:.0}", p.risk),
                number(p.events),
                number(p.denied),
                clock(p.first),
                clock(p.last),
            ]
        }),
    );
    more(out, report.principals.len(), shown.len(), "report.json");
    for principal in shown.iter().filter(|p| !p.contributors.is_empty()) {
        profile(out, principal);
    }
}

fn profile(out: &mut String, principal: &Principal) {
    line!(out, "\n### {}: risk {:.0}\n", code(&principal.id), principal.risk);
    for part in &principal.contributors {
        line!(out, "- {:+.2}: {}", part.points, text(&part.what));
    }
    let (points, risk) = (principal.points, principal.risk);
    line!(out, "- Sum {points:.2}; risk = 100 · (1 − e^(−sum / 20)) = {risk:.1}");
    for link in &principal.linked {
        line!(out, "- To it belongs {}: {}", code(&link.principal), layout::why(link));
    }
    let seen = [
        ("Access keys to deactivate", &principal.access_keys),
        ("Addresses it brought along", &principal.foreign_ips),
        ("Sources", &principal.source_ips),
        ("User agents", &principal.user_agents),
        ("Regions", &principal.regions),
    ];
    for (name, values) in seen.iter().filter(|(_, values)| !values.is_empty()) {
        line!(out, "- {name}: {}", codes(values));
    }
    if !principal.objects_read.is_empty() {
        let more = principal.objects_total.saturating_sub(principal.objects_read.len() as u64);
        line!(
            out,
            "- Objects read from addresses it brought along: {}",
            codes_of(&principal.objects_read, more)
        );
    }
}

fn timeline(out: &mut String, report: &Report) {
    line!(out, "\n## Timeline\n");
    let shown = layout::gravest(&report.timeline, TIMELINE_ROWS);
    let head = ["When", "Principal", "Call", "Target", "Outcome", "Count", "Source", "Findings"];
    table(out, &head, shown.iter().map(|(_, row)| step(row, report)));
    more(out, report.timeline.len(), shown.len(), "timeline.csv");
}

fn step(row: &TimelineRow, report: &Report) -> Vec<String> {
    let numbers: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| row.findings.contains(&finding.id))
        .map(|finding| format!("F{}", finding.number))
        .collect();
    vec![
        period(row.first, row.last),
        code(&row.principal),
        if row.calls.is_empty() {
            code(&format!("{}:{}", row.service, row.event_name))
        } else {
            let others = if row.calls.len() > CALLS_NAMED { " and others" } else { "" };
            codes(&row.calls[..row.calls.len().min(CALLS_NAMED)]) + others
        },
        code(row.target.as_deref().unwrap_or_default()),
        row.outcome.to_string(),
        number(row.count),
        code(&row.source_ip),
        numbers.join(" "),
    ]
}

fn episodes(out: &mut String, report: &Report) {
    line!(out, "\n## Episodes\n");
    table(
        out,
        &["Id", "Principal", "When", "Stages", "Findings"],
        report.episodes.iter().map(|e| {
            let stages: Vec<_> = e.stages.iter().map(|stage| stage.as_str()).collect();
            let numbers = report.findings.iter().filter(|finding| e.findings.contains(&finding.id));
            let numbers: Vec<_> = numbers.map(|finding| format!("F{}", finding.number)).collect();
            vec![
                code(&e.id),
                code(&e.principal),
                period(e.first, e.last),
                stages.join(" → "),
                numbers.join(" "),
            ]
        }),
    );
}

fn controls(out: &mut String, report: &Report) {
    line!(out, "\n## CIS controls\n");
    line!(
        out,
        "Section 4 of CIS AWS Foundations asks for an alarm on each of these. Events are those that its metric filter \
         counts. Whether an alarm is in force no archive says, only that one was made or taken away.\n"
    );
    let head = [
        "Control",
        "Activity",
        "State",
        "Events",
        "Succeeded",
        "Denied",
        "First",
        "Last",
        "Findings",
    ];
    let when = |at: Option<Timestamp>| at.map_or_else(|| "–".to_owned(), clock);
    let numbers = |ids: &[String]| {
        let found = report.findings.iter().filter(|finding| ids.contains(&finding.id));
        found.take(LIST_ROWS).map(|f| format!("F{}", f.number)).collect::<Vec<_>>().join(" ")
    };
    table(
        out,
        &head,
        report.controls.iter().map(|c| {
            let counts = [c.events, c.succeeded, c.denied].map(number);
            let known = [c.id.clone(), c.title.clone(), layout::state(c.state).to_owned()];
            let ends = [when(c.first), when(c.last), numbers(&c.findings)];
            known.into_iter().chain(counts).chain(ends).collect()
        }),
    );
    line!(out);
    for control in &report.controls {
        for note in &control.notes {
            line!(out, "- {}: {}", control.id, text(note));
        }
        for watch in control.watch.iter().take(LIST_ROWS) {
            line!(out, "- {}: {}", control.id, text(&layout::watch(watch)));
        }
    }
}

fn aggregates(out: &mut String, report: &Report) {
    line!(out, "\n## Counts");
    for (title, key, list) in layout::lists(&report.aggregates) {
        if list.is_empty() {
            continue;
        }
        let total = report.aggregates.distinct.get(key).copied().unwrap_or(list.len() as u64);
        line!(out, "\n### {title} ({})\n", number(total));
        let shown = &list[..list.len().min(LIST_ROWS)];
        let head = ["Name", "Events", "Denied", "First", "Last"];
        table(
            out,
            &head,
            shown.iter().map(|row| {
                let (first, last) = (clock(row.first), clock(row.last));
                vec![code(&row.name), number(row.count), number(row.denied), first, last]
            }),
        );
    }
}

fn coverage(out: &mut String, report: &Report) {
    let coverage = &report.coverage;
    line!(out, "\n## Coverage\n");
    line!(out, "- Accounts: {}", codes(&coverage.accounts));
    line!(out, "- Regions: {}", codes(&coverage.regions));
    for (category, count) in &coverage.categories {
        line!(out, "- {}: {}", code(category), counted(*count, "event"));
    }
    line!(out, "\n### Gaps\n");
    table(
        out,
        &["Account", "Region", "From", "To"],
        coverage
            .gaps
            .iter()
            .map(|gap| vec![code(&gap.account), code(&gap.region), clock(gap.from), clock(gap.to)]),
    );
    line!(out, "\n### What this archive cannot show\n");
    for sentence in &coverage.not_observable {
        line!(out, "- {}", text(sentence));
    }
    if coverage.not_observable.is_empty() {
        line!(out, "None known.");
    }
}

fn ledger(out: &mut String, report: &Report) {
    let (files, records) = (&report.ledger.files, &report.ledger.records);
    let bytes = &report.ledger.bytes;
    line!(out, "\n## Ledger\n");
    let rows = [
        ("Files seen", files.seen),
        ("Files ingested", files.ingested),
        ("Files skipped on purpose", files.skipped),
        ("Files failed", files.failed),
        ("Records seen", records.seen),
        ("Records kept", records.kept),
        ("Records duplicate", records.duplicate),
        ("Records filtered", records.filtered),
        ("Records rejected", records.rejected),
        ("Bytes compressed", bytes.compressed),
        ("Bytes inflated", bytes.inflated),
    ];
    table(
        out,
        &["What", "Count"],
        rows.iter().map(|(what, n)| vec![(*what).to_owned(), number(*n)]),
    );
    line!(out, "\n### Rejects\n");
    let rejects = &report.ledger.rejects;
    let shown = &rejects[..rejects.len().min(REJECTS)];
    table(
        out,
        &["File", "Reason", "Records", "Detail"],
        shown.iter().map(|reject| {
            let records = number(reject.count);
            let remedy = reject.remedy.iter().map(|remedy| format!("; {}", text(remedy)));
            let detail = text(&reject.detail) + &remedy.collect::<String>();
            vec![code(&reject.file), reject.reason.to_string(), records, detail]
        }),
    );
    more(out, rejects.len(), shown.len(), "report.json");
}

fn run(out: &mut String, report: &Report) {
    let (run, checks) = (&report.run, &report.narrative.checks);
    line!(out, "\n## Run\n");
    line!(out, "- Started: {}", clock(run.started));
    line!(out, "- Command: {}", code(&run.args.join(" ")));
    if let Some(model) = &report.narrative.model {
        line!(out, "- Model: {}", code(model));
    }
    let (kept, all) = (number(checks.grounded), number(checks.sentences));
    line!(
        out,
        "- Checked prose: {kept} of {all} sentences grounded, {} removed",
        number(checks.removed)
    );
    for (name, value) in &run.settings {
        line!(out, "- {} = {}", code(name), code(value));
    }
    let rules = &report.rules;
    line!(out, "- Rules used: {}", number(rules.used));
    for broken in &rules.broken {
        let place = code(&format!("{}:{}", broken.file, broken.line));
        line!(out, "- Rule not used: {place} {}", text(&broken.reason));
    }
    for why in &rules.not_applied {
        line!(out, "- {}", text(why));
    }
    for suppressed in &rules.suppressed {
        line!(out, "- Suppressed: {}", text(&layout::suppression(suppressed)));
    }
    for skipped in &rules.skipped {
        line!(out, "- Rule not for CloudTrail: {}", text(skipped));
    }
}

fn references(out: &mut String, facts: &Facts) {
    let cited = facts.cited();
    if cited.is_empty() {
        return;
    }
    line!(out, "\n## Cites\n");
    let rows = cited.iter().map(|(fact, id)| vec![text(fact), code(id)]);
    table(out, &["Cite", "Finding, event or principal"], rows);
}

/// Rules of others keep their author, id and licence.
fn origin(finding: &Finding) -> String {
    let mut out = String::new();
    if let Some(author) = &finding.author {
        out += &format!(", by {}", text(author));
    }
    if let Some(id) = &finding.rule_id {
        out += &format!(", rule {}", code(id));
    }
    if let Some(license) = &finding.license {
        out += &format!(", licence {}", text(license));
    }
    out
}

fn codes<S: AsRef<str>>(values: &[S]) -> String {
    let shown: Vec<String> = values.iter().map(|value| code(value.as_ref())).collect();
    if shown.is_empty() { "–".to_owned() } else { shown.join(", ") }
}

/// Values, and how many more there are.
fn codes_of(values: &[String], more: u64) -> String {
    let more = if more > 0 { format!(" and {} more", number(more)) } else { String::new() };
    codes(values) + &more
}

/// Cells must come escaped; what [`text`] and [`code`] return holds no pipe and no line break.
fn table(out: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        line!(out, "None.");
        return;
    }
    line!(out, "| {} |", head.join(" | "));
    line!(out, "|{}", " --- |".repeat(head.len()));
    for row in rows {
        line!(out, "| {} |", row.join(" | "));
    }
}

fn more(out: &mut String, all: usize, shown: usize, file: &str) {
    if all > shown {
        line!(out, "\n{} more in `{file}`.", number((all - shown) as u64));
    }
}
