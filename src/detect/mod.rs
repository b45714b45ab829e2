//! Rules over the case: which events they hit, grouped into findings.

mod derived;
mod foreign;
mod group;
mod row;
mod rules;
pub mod target;

pub use group::{GroupKey, Groups};
pub(crate) use group::{id, one_or_several};
pub use row::{SigmaEvent, columns as event_columns};
pub use rules::{Error, Meta, Rules};

use crate::case::{self, Case, Rows};
use crate::model::{Finding, TimelineRow};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Rows looked at by one thread at a time.
const CHUNK_ROWS: usize = 4096;

/// What the rules found: findings, not yet ranked, and the steps they are made of.
#[derive(Debug, Default)]
pub struct Detections {
    pub findings: Vec<Finding>,
    pub steps: Vec<TimelineRow>,
}

/// Evaluates every rule on every event. `own_accounts`: whose archive this is.
///
/// # Errors
/// When a part of the case cannot be read.
pub fn run(
    case: &Case,
    rules: &Rules,
    own_accounts: &BTreeSet<String>,
    pool: &rayon::ThreadPool,
) -> Result<Detections, case::Error> {
    let columns = event_columns();
    let mut groups = Groups::default();
    for path in case.part_paths() {
        let rows = Rows::new(&case.part(&path, &columns)?)?;
        let of_part = pool.install(|| {
            let chunks = (0..rows.len()).into_par_iter().step_by(CHUNK_ROWS);
            let one = |start: usize| {
                let end = rows.len().min(start + CHUNK_ROWS);
                hits(&rows, start..end, rules, own_accounts)
            };
            chunks.map(one).reduce(Groups::default, Groups::merge)
        });
        groups = groups.merge(of_part);
    }
    let (findings, steps) = groups.into_findings(rules.metas());
    Ok(Detections { findings, steps })
}

fn hits(
    rows: &Rows,
    range: std::ops::Range<usize>,
    rules: &Rules,
    own_accounts: &BTreeSet<String>,
) -> Groups {
    let mut groups = Groups::default();
    for number in range {
        let row = rows.row(number);
        let event = SigmaEvent::new(row, own_accounts);
        for hit in rules.engine.evaluate(&event) {
            let rule = hit.header.rule_id.as_deref().and_then(|id| id.parse::<usize>().ok());
            let rule = rule.expect("ids were set when the rules were added");
            let meta = &rules.metas()[rule];
            let target = meta.target.as_deref().and_then(|path| event.first_text(path));
            let target = target.or_else(|| event.request().and_then(target::of));
            let key = GroupKey {
                rule,
                principal: row.text("actor").unwrap_or("unknown").to_owned(),
                account: row.text("recipient_account_id").unwrap_or_default().to_owned(),
            };
            groups.hit(key, meta.severity, row.evidence(target));
        }
    }
    groups
}
