//! `rules list`, `explain`, `check` and `hits`.

use super::analyze;
use super::args::{ListFormat, RulePaths, RulesCommand};
use super::failure::{Exit, Failure};
use super::rules_test;
use super::selectors;
use super::settings;
use super::ui::{self, Ui};
use crate::analyze::anomaly::HEURISTICS;
use crate::case::Case;
use crate::detect::{self, Count, Meta, Remark, Rules};
use crate::model::selection::bare_source;
use crate::report::visible;
use comfy_table::ColumnConstraint;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What the columns of the list need to be read, with what a table draws around them.
const LEVEL_CHARS: usize = 17;
const TITLE_CHARS: usize = 24;
const TAGS_CHARS: usize = 22;
/// How alike a name is that may have been meant.
const ALIKE: f64 = 0.85;

pub(super) fn run(command: RulesCommand, ui: &Ui) -> Result<Exit, Failure> {
    let load = |paths: RulePaths| {
        analyze::load(&settings::rules(paths.config.as_deref(), paths.rules)?, ui)
    };
    let text = match command {
        RulesCommand::List { level, technique, service, format, paths } => {
            let rules = load(paths)?;
            let service = service.map(|name| bare_source(name.trim()).to_ascii_lowercase());
            let chosen: Vec<&Meta> = rules
                .metas()
                .iter()
                .filter(|m| level.is_none_or(|level| m.severity >= level))
                .filter(|m| technique.as_deref().is_none_or(|id| is_of_technique(m, id)))
                .filter(|m| service.as_ref().is_none_or(|name| m.services.contains(name)))
                .collect();
            let all = level.is_none() && technique.is_none() && service.is_none();
            if chosen.is_empty() {
                ui.warning("no rule is of this level, technique and service");
            }
            match format {
                ListFormat::Rules => list(chosen, all),
                ListFormat::Coverage => coverage(&chosen),
                ListFormat::Navigator => navigator(&chosen),
            }
        }
        RulesCommand::Check { paths } => return check(&paths, ui),
        RulesCommand::Test { paths } => return rules_test::run(&paths, ui),
        RulesCommand::Hits { case, threads, paths } => hits(&case, threads, &*load(paths)?)?,
        RulesCommand::Selectors(args) => return selectors::run(args, ui),
        RulesCommand::Explain { name, paths } => explain(&name, &*load(paths)?)?,
    };
    ui.stdout(text.as_bytes())?;
    Ok(Exit::Done)
}

/// A table on a terminal; elsewhere one line per rule, parted by tabs, for programs to cut.
fn list(mut metas: Vec<&Meta>, with_heuristics: bool) -> String {
    metas.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.name.cmp(&b.name)));
    let rows = metas.into_iter().map(|meta| {
        let level = meta.severity.to_string();
        let (name, title) = (visible(&meta.name).into_owned(), visible(&meta.title).into_owned());
        let title = title + &visible(&origin(meta));
        [name, level, title, meta.attack.join(" "), meta.cis.join(" ")]
    });
    let none = String::new;
    let heuristics = HEURISTICS.iter().filter(|_| with_heuristics);
    let rows = rows.chain(heuristics.map(|h| {
        [h.name.to_owned(), "(heuristic)".to_owned(), h.title.to_owned(), none(), none()]
    }));
    if !std::io::stdout().is_terminal() {
        return rows.map(|row| row.join("\t") + "\n").collect();
    }
    let rows: Vec<_> = rows.collect();
    let widest = rows.iter().map(|row| row[0].chars().count()).max().unwrap_or_default();
    let room = ui::width().saturating_sub(widest + LEVEL_CHARS);
    if room < TITLE_CHARS {
        let blocks = rows.iter().map(|row| format!("{}\n    {}: {}\n", row[0], row[1], row[2]));
        return blocks.collect();
    }
    let columns = if room < TITLE_CHARS + TAGS_CHARS { 3 } else { 5 };
    let mut table = ui::table();
    table.set_header(&["name", "level", "finds", "ATT&CK", "CIS"][..columns]);
    table.add_rows(rows.iter().map(|row| &row[..columns]));
    // Names are what `explain` takes: they never break.
    for column in table.column_iter_mut().take(2) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    format!("{table}\n")
}

fn is_of_technique(meta: &Meta, id: &str) -> bool {
    let id = id.to_uppercase();
    let is = |t: &String| *t == id || t.strip_prefix(&id).is_some_and(|rest| rest.starts_with('.'));
    meta.attack.iter().any(is)
}

/// Rules by technique.
fn by_technique<'m>(metas: &[&'m Meta]) -> BTreeMap<&'m str, Vec<&'m str>> {
    let mut rules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for meta in metas {
        for technique in &meta.attack {
            rules.entry(technique).or_default().push(&meta.name);
        }
    }
    rules
}

/// One line a technique: its id, how many rules, and which.
fn coverage(metas: &[&Meta]) -> String {
    let row = |(id, rules): (&str, Vec<&str>)| {
        format!("{}\t{}\t{}\n", visible(id), rules.len(), visible(&rules.join(" ")))
    };
    by_technique(metas).into_iter().map(row).collect()
}

/// A layer as ATT&CK Navigator reads it: a technique's score is the number of its rules.
fn navigator(metas: &[&Meta]) -> String {
    let techniques = by_technique(metas);
    let most = techniques.values().map(Vec::len).max().unwrap_or(1);
    let named: BTreeMap<&str, String> =
        metas.iter().map(|meta| (meta.name.as_str(), meta.name.clone() + &origin(meta))).collect();
    let techniques = techniques.iter().map(|(id, rules)| {
        let comment = rules.iter().map(|rule| named[rule].as_str()).collect::<Vec<_>>().join(", ");
        serde_json::json!({"techniqueID": id, "score": rules.len(), "comment": comment})
    });
    let layer = serde_json::json!({
        "name": "trailinsight",
        "description": "Techniques that the rules are tagged with; the score is how many rules there are",
        "versions": {"layer": "4.5", "navigator": "5.1.0"},
        "domain": "enterprise-attack",
        "techniques": techniques.collect::<Vec<_>>(),
        "gradient": {"colors": ["#ffffff", "#66b1ff"], "minValue": 0, "maxValue": most},
    });
    format!("{layer:#}\n")
}

/// Rules of others keep their author, id and licence.
fn origin(meta: &Meta) -> String {
    let parts = [
        meta.author.as_ref().map(|author| format!("by {author}")),
        meta.id.as_ref().map(|id| format!("rule {id}")),
        meta.license.as_ref().map(|license| format!("licence {license}")),
    ];
    let is_ours = meta.author.is_none() && meta.license.is_none();
    let parts: Vec<String> = parts.into_iter().flatten().filter(|_| !is_ours).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// One line a remark, as compilers write them.
fn check(paths: &[PathBuf], ui: &Ui) -> Result<Exit, Failure> {
    let remarks = detect::check(paths)?;
    let mut out = String::new();
    for Remark { file, line, is_error, text } in &remarks {
        let kind = if *is_error { "error" } else { "warning" };
        out += &format!("{}:{line}: {kind}: {}\n", visible(file), visible(text));
    }
    ui.stdout(out.as_bytes())?;
    let is_broken = remarks.iter().any(|r| r.is_error);
    Ok(if is_broken { Exit::InputLost } else { Exit::Done })
}

/// One line a rule with hits, the most first, parted by tabs: name, events, findings, first, last, whose it is.
fn hits(case: &Path, threads: Option<usize>, rules: &Rules) -> Result<String, Failure> {
    let case = Case::open(case)?;
    let pool = settings::threads(threads)?;
    let mut rows: Vec<_> =
        detect::count(&case, rules, &case.accounts()?, &pool)?.into_iter().collect();
    rows.sort_by(|(a, of), (b, other)| other.events.cmp(&of.events).then_with(|| a.cmp(b)));
    let origins: BTreeMap<&str, String> =
        rules.metas().iter().map(|meta| (meta.name.as_str(), origin(meta))).collect();
    let row = |(name, Count { events, findings, first, last }): (String, Count)| {
        let origin = visible(origins[&*name].trim_start());
        format!("{}\t{events}\t{findings}\t{first}\t{last}\t{origin}\n", visible(&name))
    };
    Ok(rows.into_iter().map(row).collect())
}

fn explain(name: &str, rules: &Rules) -> Result<String, Failure> {
    if let Some(heuristic) = HEURISTICS.iter().find(|h| h.name == name) {
        return Ok(format!("{}\n", heuristic.page()));
    }
    let is_meant = |meta: &&Meta| meta.name == name || meta.id.as_deref() == Some(name);
    let Some(meta) = rules.metas().iter().find(is_meant) else {
        let alike = |meta: &Meta| strsim::jaro_winkler(&meta.name, name);
        let meant = rules.metas().iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
        let meant = meant.filter(|meta| alike(meta) >= ALIKE);
        let meant = meant.map(|meta| format!("; is {} meant?", meta.name)).unwrap_or_default();
        return Err(Failure::new(Exit::Usage, format!("no rule is called {name}{meant}"))
            .hint("`trailinsight rules list` shows all of them"));
    };
    let mut out = format!("# {}\n\n{}\n\n", meta.title, meta.description.trim());
    out += &format!("Level: {}\n", meta.severity);
    let stages: Vec<&str> = meta.stages.iter().map(|s| s.as_str()).collect();
    for (label, list) in [
        ("ATT&CK", meta.attack.join(", ")),
        ("Stages", stages.join(", ")),
        ("CIS AWS Foundations", meta.cis.join(", ")),
        ("Services", meta.services.join(", ")),
        ("Author", meta.author.clone().unwrap_or_default()),
        ("Id", meta.id.clone().unwrap_or_default()),
        ("Licence", meta.license.clone().unwrap_or_default()),
    ] {
        if !list.is_empty() {
            out += &format!("{label}: {list}\n");
        }
    }
    out += &format!("\nWhat to do: {}\n", meta.remediation);
    out += "\nHow it decides:\n";
    for line in meta.logic().lines() {
        out += &format!("  {line}\n");
    }
    for (label, list) in
        [("What fools it", &meta.false_positives), ("References", &meta.references)]
    {
        if !list.is_empty() {
            out += &format!("\n{label}:\n");
            for item in list {
                out += &format!("  - {item}\n");
            }
        }
    }
    Ok(out.lines().map(visible).collect::<Vec<_>>().join("\n") + "\n")
}
