//! `rules list` and `rules explain`.

use super::args::RulesCommand;
use super::failure::{Exit, Failure};
use super::ui::{self, Ui};
use crate::analyze::anomaly::HEURISTICS;
use crate::detect::{Meta, Rules};
use crate::report::visible;

pub(super) fn run(command: &RulesCommand, ui: &Ui) -> Result<Exit, Failure> {
    let text = match command {
        RulesCommand::List { rules } => list(&Rules::load(rules)?),
        RulesCommand::Explain { name, rules } => explain(name, &Rules::load(rules)?)?,
    };
    ui.stdout(text.as_bytes())?;
    Ok(Exit::Done)
}

fn list(rules: &Rules) -> String {
    let mut metas: Vec<&Meta> = rules.metas().iter().collect();
    metas.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.name.cmp(&b.name)));
    let mut table = ui::table();
    table.set_header(["name", "level", "finds", "ATT&CK", "CIS"]);
    for meta in metas {
        table.add_row([
            visible(&meta.name).into_owned(),
            meta.severity.to_string(),
            visible(&meta.title).into_owned(),
            meta.attack.join(" "),
            meta.cis.join(" "),
        ]);
    }
    for heuristic in HEURISTICS {
        table.add_row([heuristic.name, "(heuristic)", heuristic.title, "", ""]);
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
