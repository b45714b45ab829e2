//! Rules go through a case part by part: candidates first, then only the rows and columns that they need.

use super::aws::{SELECTED, Selectors};
use super::candidates::{Candidate, Texts};
use super::found::Found;
use super::narrow::Known;
use super::row::{SigmaEvent, behind, columns, hash, shown};
use super::rules::Rules;
use super::windows::Place;
use crate::case::{self, Case, PartFile, Views, Wanted};
use polars::prelude::PolarsResult;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The case, and who looks at it.
pub(super) struct Archive<'c> {
    pub(super) case: &'c Case,
    pub(super) own_accounts: &'c BTreeSet<String>,
    pub(super) views: &'c Views,
    pub(super) pool: &'c rayon::ThreadPool,
    /// Only what a trail of these selectors would have recorded.
    pub(super) trail: Option<&'c Selectors>,
}

impl Archive<'_> {
    /// Evaluates all rules on all events.
    pub(super) fn look(&self, rules: &Rules) -> Result<Found, case::Error> {
        let parts = (0..self.case.part_paths().len() as u32).collect();
        self.each(rules, parts, |part| {
            let file = self.case.part(part as usize)?;
            let look = rules.index.look(&file)?;
            let candidates = look.candidates();
            let mut found = Found::new(rules);
            if !rules.new_terms.is_empty() {
                found.start(starts(&file)?.into_iter());
            }
            if !rules.alarms.is_empty() {
                found.watch(rules, &times(&file)?);
            }
            let rows: Vec<u32> = distinct(candidates.iter().map(|c| c.row));
            if rows.is_empty() {
                return Ok(found);
            }
            let mut wanted = wanted(rules, &candidates);
            if self.trail.is_some() {
                // Records that do not say their category are told by whether they manage.
                let fields = SELECTED.iter().chain(&["managementEvent"]);
                let columns = fields.flat_map(|field| behind(field));
                wanted.extend(columns.map(|column| (column, rows.clone())));
            }
            let table = file.rows_at(&rows, &wanted)?;
            let of_rows = candidates.chunk_by(|a, b| a.row == b.row);
            for (number, candidates) in of_rows.enumerate() {
                // One action counts once, however many accounts it was told to.
                if self.views.is_another(table.row(number)) {
                    continue;
                }
                let event = SigmaEvent::new(table.row(number), self.own_accounts);
                if self.trail.is_some_and(|trail| !trail.take(&event)) {
                    continue;
                }
                let place = Place { part, row: rows[number] };
                let texts = Texts::new(table.row(number));
                for candidate in candidates {
                    let known = match candidate.is_hit {
                        true => Known::True,
                        false => look.settle(candidate, &texts),
                    };
                    let rule = &rules.events[candidate.rule as usize];
                    if known == Known::True || (known == Known::Maybe && rule.test.hits(&event)) {
                        found.take(rules, rule, &event, place);
                    }
                }
            }
            Ok(found)
        })
    }

    /// Looks once more at some events. `places` come in order, with what is to be done there.
    pub(super) fn revisit<T: Sync>(
        &self,
        rules: &Rules,
        places: &[(Place, T)],
        look: impl Fn(&mut Found, &SigmaEvent<'_>, Place, &T) + Sync,
    ) -> Result<Found, case::Error> {
        let parts: Vec<&[(Place, T)]> = places.chunk_by(|a, b| a.0.part == b.0.part).collect();
        self.each(rules, parts, |places| {
            let file = self.case.part(places[0].0.part as usize)?;
            let rows = distinct(places.iter().map(|(place, _)| place.row));
            let wanted = columns().into_iter().map(|column| (column, rows.clone())).collect();
            let table = file.rows_at(&rows, &wanted)?;
            let mut found = Found::new(rules);
            for (number, places) in places.chunk_by(|a, b| a.0 == b.0).enumerate() {
                let event = SigmaEvent::new(table.row(number), self.own_accounts);
                for (place, what) in places {
                    look(&mut found, &event, *place, what);
                }
            }
            Ok(found)
        })
    }

    fn each<P: Send>(
        &self,
        rules: &Rules,
        parts: Vec<P>,
        look: impl Fn(P) -> Result<Found, case::Error> + Sync + Send,
    ) -> Result<Found, case::Error> {
        self.pool.install(|| {
            let found = parts.into_par_iter().map(look);
            found.try_reduce(|| Found::new(rules), |a, b| Ok(a.merge(rules, b)))
        })
    }
}

/// Which columns of which rows the tests of candidates ask for, and hits need.
fn wanted(rules: &Rules, candidates: &[Candidate]) -> Wanted {
    let mut wanted: Wanted = shown().map(|column| (column, Vec::new())).collect();
    for candidate in candidates {
        let rule = &rules.events[candidate.rule as usize];
        let asks = rule.asks.iter().filter(|_| !candidate.is_hit);
        for column in asks.chain(&rule.needs) {
            let rows = wanted.entry(column).or_default();
            if rows.last() != Some(&candidate.row) {
                rows.push(candidate.row);
            }
        }
    }
    wanted
}

fn distinct(rows: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut rows: Vec<u32> = rows.collect();
    rows.dedup();
    rows
}

/// When the events of a part were, in microseconds.
fn times(file: &PartFile) -> Result<Vec<i64>, case::Error> {
    let columns = file.columns(["event_time"])?;
    let read = || -> PolarsResult<Vec<i64>> {
        let times = columns[0].cast(&polars::prelude::DataType::Int64)?;
        Ok(times.i64()?.iter().flatten().collect())
    };
    read().map_err(case::Error::table("read"))
}

/// When the first event of each account in a part was.
fn starts(file: &PartFile) -> Result<BTreeMap<u64, i64>, case::Error> {
    let columns = file.columns(["event_time", "recipient_account_id"])?;
    let read = || -> PolarsResult<BTreeMap<u64, i64>> {
        let times = columns[0].cast(&polars::prelude::DataType::Int64)?;
        let mut firsts: HashMap<Option<&str>, i64> = HashMap::new();
        for (account, time) in columns[1].str()?.iter().zip(times.i64()?.iter()) {
            let time = time.unwrap_or_default();
            let first = firsts.entry(account).or_insert(time);
            *first = time.min(*first);
        }
        let account = |account: Option<&str>| hash(account.unwrap_or_default());
        Ok(firsts.into_iter().map(|(of, first)| (account(of), first)).collect())
    };
    read().map_err(case::Error::table("read"))
}
