//! `rules list` and `rules explain`.

use super::analyze;
use super::args::{RulePaths, RulesCommand};
use super::failure::{Exit, Failure};
use super::settings;
use super::ui::{self, Ui};
use crate::analyze::anomaly::HEURISTICS;
use crate::detect::{Meta, Rules};
use crate::report::visible;
use comfy_table::ColumnConstraint;
use std::io::IsTerminal;

/// What the columns of the list need to be read, with what a table draws around them.
const LEVEL_CHARS: usize = 17;
const TITLE_CHARS: usize = 24;
const TAGS_CHARS: usize = 22;

pub(super) fn run(command: RulesCommand, ui: &Ui) -> Result<Exit, Failure> {
    let load = |paths: RulePaths| {
        analyze::load(&settings::rules(paths.config.as_deref(), paths.rules)?, ui)
    };
    let text = match command {
        RulesCommand::List(paths) => list(&load(paths)?),
        RulesCommand::Explain { name, paths } => explain(&name, &load(paths)?)?,
    };
    ui.stdout(text.as_bytes())?;
    Ok(Exit::Done)
}

/// A table on a terminal; elsewhere one line per rule, parted by tabs, for programs to cut.
fn list(rules: &Rules) -> String {
    let mut metas: Vec<&Meta> = rules.metas().iter().collect();
    metas.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.name.cmp(&b.name)));
    let rows = metas.into_iter().map(|meta| {
        let level = meta.severity.to_string();
        let (name, title) = (visible(&meta.name).into_owned(), visible(&meta.title).into_owned());
        [name, level, title, meta.attack.join(" "), meta.cis.join(" ")]
    });
    let none = String::new;
    let rows = rows.chain(HEURISTICS.iter().map(|h| {
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

fn explain(name: &str, rules: &Rules) -> Result<String, Failure> {
    if let Some(heuristic) = HEURISTICS.iter().find(|h| h.name == name) {
        return Ok(format!("{}\n", heuristic.page()));
    }
    let Some(meta) = rules.metas().iter().find(|m| m.name == name) else {
        return Err(Failure::new(Exit::Usage, format!("no rule is called {name}"))
            .hint("`trailinsight rules list` shows all of them"));
    };
    let mut out = format!("# {}\n\n{}\n\n", meta.title, meta.description.trim());
    out += &format!("Level: {}\n", meta.severity);
    let stages: Vec<&str> = meta.stages.iter().map(|s| s.as_str()).collect();
    for (label, list) in [
        ("ATT&CK", meta.attack.join(", ")),
        ("Stages", stages.join(", ")),
        ("CIS AWS Foundations", meta.cis.join(", ")),
        ("Author", meta.author.clone().unwrap_or_default()),
    ] {
        if !list.is_empty() {
            out += &format!("{label}: {list}\n");
        }
    }
    out += &format!("\nWhat to do: {}\n", meta.remediation);
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
