//! Rules over the case: which events they hit, grouped into findings.

mod derived;
mod foreign;
mod found;
mod group;
mod load;
mod meta;
mod new_terms;
mod passed;
mod row;
mod rules;
mod sigma;
pub mod target;
mod windows;

pub use group::{GroupKey, Groups};
pub(crate) use group::{id, one_or_several};
pub use meta::Meta;
pub use row::{SigmaEvent, columns as event_columns};
pub use rules::{Error, Rules};

use crate::case::{self, Case, Rows};
use crate::model::{Finding, TimelineRow};
use found::Found;
use rayon::prelude::*;
use std::collections::BTreeSet;
use windows::Place;

/// Rows looked at by one thread at a time.
const CHUNK_ROWS: usize = 4096;

/// What the rules found: findings, not yet ranked, and the steps they are made of.
#[derive(Debug, Default)]
pub struct Detections {
    pub findings: Vec<Finding>,
    pub steps: Vec<TimelineRow>,
    /// Rules that could not be applied to this archive, and why.
    pub not_applied: Vec<String>,
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
    let archive = Archive { case, own_accounts };
    let mut found = Found::new(rules);
    for part in 0..archive.parts() {
        let rows = archive.rows(part)?;
        let of_part = pool.install(|| {
            let chunks = (0..rows.len()).into_par_iter().step_by(CHUNK_ROWS);
            let look = |start: usize| {
                let mut found = Found::new(rules);
                for row in start..rows.len().min(start + CHUNK_ROWS) {
                    let event = SigmaEvent::new(rows.row(row), own_accounts);
                    found.look(rules, &event, Place { part, row: row as u32 });
                }
                found
            };
            chunks.map(look).reduce(|| Found::new(rules), |a, b| a.merge(rules, b))
        });
        found = found.merge(rules, of_part);
    }
    let (groups, not_applied) = found.settle(rules, &archive)?;
    let (findings, steps) = groups.into_findings(rules.metas());
    Ok(Detections { findings, steps, not_applied })
}

/// The case as rules go through it.
struct Archive<'c> {
    case: &'c Case,
    own_accounts: &'c BTreeSet<String>,
}

impl Archive<'_> {
    fn parts(&self) -> u32 {
        self.case.part_paths().len() as u32
    }

    fn rows(&self, part: u32) -> Result<Rows, case::Error> {
        let path = &self.case.part_paths()[part as usize];
        Rows::new(&self.case.part(path, &event_columns())?)
    }

    /// Looks once more at some events. `places` come with what is to be done there, in order of place.
    fn revisit<T>(
        &self,
        places: &[(Place, T)],
        mut look: impl FnMut(&SigmaEvent<'_>, &T),
    ) -> Result<(), case::Error> {
        for of_part in places.chunk_by(|a, b| a.0.part == b.0.part) {
            let rows = self.rows(of_part[0].0.part)?;
            for (place, what) in of_part {
                let event = SigmaEvent::new(rows.row(place.row as usize), self.own_accounts);
                look(&event, what);
            }
        }
        Ok(())
    }
}
