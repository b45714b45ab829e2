//! `rules selectors`: what a trail of these event selectors would have recorded of a case.

use super::analyze;
use super::args::{self, SelectorsFormat};
use super::failure::{Exit, Failure};
use super::settings;
use super::ui::{self, Ui};
use crate::case::Case;
use crate::detect::aws::Selectors;
use crate::detect::trail::{self, Recorded, Seen, Weight};
use crate::model::Severity;
use crate::report::visible;
use comfy_table::{CellAlignment, ColumnConstraint};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Services and findings in the table; the JSON has all.
const SHOWN: usize = 15;

pub(super) fn run(args: args::Selectors, ui: &Ui) -> Result<Exit, Failure> {
    let selectors = read(&args.file)?;
    let case = Case::open(&args.case)?;
    if case.is_behind() {
        ui.note("an ingest into this case was stopped; this is what the one before left");
    }
    let paths = settings::rules(args.paths.config.as_deref(), args.paths.rules)?;
    let rules = analyze::load(&paths, ui)?;
    let pool = settings::threads(args.threads)?;
    let own_accounts = case.accounts()?;
    let step = ui.step("looking at every event");
    let recorded = trail::recorded(&case, &selectors, &rules, &own_accounts, &pool)?;
    drop(step);
    let text = match args.format {
        SelectorsFormat::Table => table(&selectors, &recorded),
        SelectorsFormat::Json => {
            let json = to_json(&selectors, &recorded);
            serde_json::to_string_pretty(&json).expect("a value is JSON") + "\n"
        }
    };
    ui.stdout(text.as_bytes())?;
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<Selectors, Failure> {
    let hint = "it is what `aws cloudtrail get-event-selectors --trail-name NAME` prints";
    let shown = path.display();
    let unread = |e: std::io::Error| {
        Failure::from_error(Exit::Usage, &e).about(format!("cannot read {shown}"))
    };
    let text = fs::read_to_string(path).map_err(unread)?;
    let json: Value = serde_json::from_str(&text)
        .map_err(|e| Failure::new(Exit::Usage, format!("{shown}: {e}")).hint(hint))?;
    Selectors::parse(&json)
        .map_err(|e| Failure::new(Exit::Usage, format!("{shown}: {e}")).hint(hint))
}

fn table(selectors: &Selectors, recorded: &Recorded) -> String {
    let trail = selectors.trail.as_deref().unwrap_or("a trail of these selectors");
    let total = &recorded.total;
    let mut out = format!(
        "Of this case, {} would have recorded\n  {} of {} events ({})\n  {} of {} of JSON\n\n",
        visible(trail),
        count(total.recorded),
        count(total.events),
        percent(total.recorded, total.events),
        ui::bytes(total.recorded_bytes),
        ui::bytes(total.bytes),
    );
    let mut services = ui::table();
    services.set_header(["service", "events", "recorded", "missed", "size", "recorded"]);
    for (service, weight) in recorded.services.iter().take(SHOWN) {
        services.add_row(of_service(service, weight));
    }
    for column in services.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    out += &format!("{services}\n");
    out += &more(recorded.services.len(), "services");
    let shown: Vec<&Seen> =
        recorded.findings.iter().filter(|s| s.finding.severity > Severity::Informational).collect();
    let missed = shown.iter().filter(|seen| seen.recorded == 0).count();
    let partly = shown.iter().filter(|s| s.recorded > 0 && s.recorded < s.finding.count).count();
    out += &format!(
        "\nOf {} findings of the rules, {missed} would have been missed and {partly} seen in part.\n",
        shown.len()
    );
    let lost: Vec<&Seen> = shown.into_iter().filter(|s| s.recorded < s.finding.count).collect();
    if !lost.is_empty() {
        let mut findings = ui::table();
        findings.set_header(["level", "events", "recorded", "finding", "principal"]);
        for seen in lost.iter().take(SHOWN) {
            let finding = &seen.finding;
            findings.add_row([
                finding.severity.to_string(),
                count(finding.count),
                count(seen.recorded),
                visible(&finding.title).into_owned(),
                visible(ui::short(&finding.principal)).into_owned(),
            ]);
        }
        for column in findings.column_iter_mut().take(3) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        out += &format!("{findings}\n");
        out += &more(lost.len(), "findings");
    }
    out
}

fn of_service(service: &str, weight: &Weight) -> [String; 6] {
    [
        visible(service).into_owned(),
        count(weight.events),
        count(weight.recorded),
        count(weight.events - weight.recorded),
        ui::bytes(weight.bytes),
        ui::bytes(weight.recorded_bytes),
    ]
}

fn more(total: usize, what: &str) -> String {
    match total.checked_sub(SHOWN) {
        Some(more @ 1..) => format!("... and {more} more {what}; --format json has all\n"),
        _ => String::new(),
    }
}

fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        "none".to_owned()
    } else {
        format!("{:.1} %", part as f64 * 100.0 / whole as f64)
    }
}

fn to_json(selectors: &Selectors, recorded: &Recorded) -> Value {
    let services = recorded.services.iter().map(|(service, weight)| {
        let mut line = json!(weight);
        line["service"] = json!(service);
        line
    });
    let findings = recorded.findings.iter().map(|seen| {
        let finding = &seen.finding;
        json!({
            "id": finding.id, "rule": finding.rule, "title": finding.title, "severity": finding.severity,
            "author": finding.author, "rule_id": finding.rule_id, "license": finding.license,
            "principal": finding.principal, "account": finding.account,
            "events": finding.count, "recorded": seen.recorded,
        })
    });
    json!({
        "trail": selectors.trail,
        "total": recorded.total,
        "services": services.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
    })
}
