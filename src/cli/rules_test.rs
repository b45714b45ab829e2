//! `rules test`: runs the events that rule files bring along, those that must fire and those that must not.

use super::failure::{Exit, Failure};
use super::settings;
use super::ui::Ui;
use crate::archive::Disk;
use crate::case::{self, Case, Options, Progress};
use crate::detect::{self, Meta, Rules};
use crate::report::visible;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// What an event has that does not say.
const TIME: &str = "2024-05-01T10:00:00Z";

struct Silent;
impl Progress for Silent {
    fn file(&self, _: u64, _: u64, _: u64) {}
}

/// One line a test that failed, and one with the counts. `trailinsight: {tests: {fires: [...], spares: [...]}}` of a rule
/// has events; several that belong together are a list.
pub(super) fn run(paths: &[PathBuf], ui: &Ui) -> Result<Exit, Failure> {
    let rules = super::analyze::load(paths, ui)?;
    let folder = std::env::temp_dir().join(format!("trailinsight-rules-{}", std::process::id()));
    let result = all(&rules, &folder);
    // What is left is the system's to clean up.
    let _ = fs::remove_dir_all(&folder);
    let (out, failed) = result?;
    ui.stdout(out.as_bytes())?;
    // A rule that cannot be used did not pass its tests.
    Ok(if failed || !rules.broken().is_empty() { Exit::InputLost } else { Exit::Done })
}

fn all(rules: &Rules, folder: &Path) -> Result<(String, bool), Failure> {
    let (mut out, mut run, mut failed) = (String::new(), 0, 0);
    for meta in rules.metas() {
        for (kind, wanted) in [("fires", true), ("spares", false)] {
            let events = meta.tests.get(kind).and_then(Value::as_array);
            for (number, events) in events.into_iter().flatten().enumerate() {
                run += 1;
                if fires(rules, meta, events, &folder.join(run.to_string()))? != wanted {
                    failed += 1;
                    let said = if wanted { "does not fire" } else { "fires" };
                    out += &format!("{}: {kind} {}: {said}\n", visible(&meta.name), number + 1);
                }
            }
        }
    }
    out += &format!("{run} tests, {failed} failed\n");
    Ok((out, failed > 0))
}

fn fires(rules: &Rules, meta: &Meta, events: &Value, folder: &Path) -> Result<bool, Failure> {
    let events = match events {
        Value::Array(events) => events.clone(),
        one => vec![one.clone()],
    };
    let events = events.into_iter().enumerate().map(|(number, mut event)| {
        if let Some(fields) = event.as_object_mut() {
            fields.entry("eventTime").or_insert_with(|| json!(TIME));
            fields.entry("eventID").or_insert_with(|| json!(format!("test-{number}")));
        }
        event
    });
    let records = json!({"Records": events.collect::<Vec<_>>()}).to_string();
    let file = folder.join("trail.json");
    let unwritten = |error: std::io::Error| Failure::from_error(Exit::Nothing, &error);
    fs::create_dir_all(folder).map_err(unwritten)?;
    fs::write(&file, records).map_err(unwritten)?;
    let pool = settings::threads(Some(1))?;
    let options = Options { memory_bytes: 64 << 20, ..Options::default() };
    let dir = folder.join("case");
    case::ingest(&Disk::list(&[file])?, &dir, &options, &pool, &Silent)?;
    let case = Case::open(&dir)?;
    let found = detect::find(&case, rules, &case.accounts()?, &pool)?;
    Ok(found.findings.iter().any(|f| f.rule == meta.name))
}
