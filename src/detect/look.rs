//! Rules go through a case part by part: candidates first, then only the rows and columns that they need.

use super::aws::{SELECTED, Selectors};
use super::batch::Batch;
use super::candidates::{Candidate, Look};
use super::columns;
use super::found::{Found, Told};
use super::listed::Listed;
use super::narrow::Known;
use super::row::{SigmaEvent, behind, hash};
use super::rules::Rules;
use super::texts::{Clues, Places, Texts};
use super::windows::Place;
use crate::case::{self, Case, PartFile, Rows, Views, Walk, Wanted};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

/// Rows whose texts are held at a time: what they come to stays in the nearest caches.
const STRETCH: usize = 1_024;

/// The case, and who looks at it.
pub(super) struct Archive<'c> {
    pub(super) case: &'c Case,
    pub(super) own_accounts: &'c BTreeSet<String>,
    pub(super) views: &'c Views,
    pub(super) pool: &'c rayon::ThreadPool,
    /// Only what a trail of these selectors would have recorded.
    pub(super) trail: Option<&'c Selectors>,
    pub(super) detail: Detail,
}

/// What is to be known of findings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// How many events there are of how many findings, and when the first and the last was.
    Counts,
    /// Whatever a report tells.
    All,
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
                found.watch(rules, &file.times()?);
            }
            let rows: Vec<u32> = candidates.rows.iter().map(|(row, _)| *row).collect();
            if rows.is_empty() {
                return Ok(found);
            }
            let mut wanted = wanted(rules, &candidates, self.detail);
            if !look.has_extra() {
                wanted.remove("extra");
            }
            if !self.views.is_empty() {
                wanted.insert("event_id", rows.clone());
            }
            if self.trail.is_some() {
                // Records that do not say their category are told by whether they manage.
                let fields = SELECTED.iter().chain(&["managementEvent", "userIdentity"]);
                let columns = fields.flat_map(|field| behind(field));
                wanted.extend(columns.map(|column| (column, rows.clone())));
            }
            with_identities(&file, &mut wanted);
            let mut walk = Walk::new(&file, &rows, &wanted)?;
            let mut batch = Batch::new(part, walk.rows(), self.detail);
            let (mut hits, mut told) = (Listed::new(), Vec::new());
            let ways = ways(&look, &candidates, &mut hits);
            loop {
                let numbers = walk.go_on(STRETCH)?;
                if numbers.is_empty() {
                    break;
                }
                hits.rows.clear();
                self.hits(&look, (rules, &candidates, &ways), (walk.rows(), numbers), &mut hits);
                for list in &hits.lists[told.len()..] {
                    told.push(Told::new(rules, list, &mut batch));
                }
                for (number, list) in &hits.rows {
                    let row = walk.rows().row(*number as usize);
                    // One action counts once, however many accounts it was told to.
                    if self.views.is_another(row) {
                        continue;
                    }
                    let place = Place { part, row: rows[*number as usize] };
                    let told = &told[*list as usize];
                    if !told.count(place.row, &mut batch) {
                        let event = SigmaEvent::new(row, self.own_accounts);
                        found.take(rules, told, (&event, place), &mut batch);
                    }
                }
            }
            found.group(batch, &file)?;
            Ok(found)
        })
    }

    /// What candidates come to: some numbers of rows of the table, with the rules that are hit.
    fn hits(
        &self,
        look: &Look<'_>,
        (rules, candidates, ways): (&Rules, &Listed<Candidate>, &[Way]),
        (table, numbers): (&Rows, Range<usize>),
        hits: &mut Listed<u32>,
    ) {
        let (mut list, places) = (Vec::new(), Places::new(table));
        let candidates_here = &candidates.rows[numbers.clone()];
        for (number, (_, of_list)) in (numbers.start as u32..).zip(candidates_here) {
            let seek = match &ways[*of_list as usize] {
                Way::Known(known) if self.trail.is_none() => {
                    hits.push(number, *known);
                    continue;
                }
                Way::Known(_) => None,
                Way::Ask(seek) => seek.as_deref(),
            };
            let row = table.row(number as usize);
            let event = SigmaEvent::new(row, self.own_accounts);
            if self.trail.is_some_and(|trail| !trail.take(&event)) {
                continue;
            }
            let texts = Texts::new(row, &places);
            if let Some(seek) = seek.filter(|seek| seek.clues.is_quiet(&texts)) {
                hits.push(number, seek.of_quiet);
                continue;
            }
            list.clear();
            for candidate in candidates.lists[*of_list as usize].iter() {
                let known = look.settle(*candidate, &texts);
                let asked = || rules.events[candidate.rule as usize].test.hits(&event);
                if known == Known::True || (known == Known::Maybe && asked()) {
                    list.push(candidate.rule);
                }
            }
            let known = hits.number(&list);
            hits.push(number, known);
        }
    }

    /// Looks once more at some events, with some columns. `places` come in order, with what is to be done there.
    pub(super) fn revisit<T: Sync>(
        &self,
        rules: &Rules,
        places: &[(Place, T)],
        columns: &BTreeSet<&'static str>,
        look: impl Fn(&mut Found, (&SigmaEvent<'_>, Place), &mut Batch, &T) + Sync,
    ) -> Result<Found, case::Error> {
        let parts: Vec<&[(Place, T)]> = places.chunk_by(|a, b| a.0.part == b.0.part).collect();
        self.each(rules, parts, |places| {
            let file = self.case.part(places[0].0.part as usize)?;
            let rows = distinct(places.iter().map(|(place, _)| place.row));
            let columns = self.detail.columns().iter().chain(columns).copied();
            let mut wanted = columns.map(|column| (column, rows.clone())).collect();
            with_identities(&file, &mut wanted);
            let table = file.rows_at(&rows, &wanted)?;
            let mut batch = Batch::new(places[0].0.part, &table, self.detail);
            let mut found = Found::new(rules);
            for (number, places) in places.chunk_by(|a, b| a.0 == b.0).enumerate() {
                let event = SigmaEvent::new(table.row(number), self.own_accounts);
                for (place, what) in places {
                    look(&mut found, (&event, *place), &mut batch, what);
                }
            }
            found.group(batch, &file)?;
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

/// How to find out which rules of a list of candidates are hit.
enum Way {
    /// Number of the list of hits: no row has to be asked.
    Known(Option<u32>),
    /// First look for words, where that many rows have the list that it pays.
    Ask(Option<Box<Seek>>),
}

/// Words, and the number of the list of hits of rows in which there is none.
struct Seek {
    clues: Clues,
    of_quiet: Option<u32>,
}

/// Rows that share a search for words. Few, where random cases are to come this way.
const SHARED: usize = if cfg!(test) { 2 } else { 50 };

/// By list of candidates.
fn ways(look: &Look<'_>, candidates: &Listed<Candidate>, hits: &mut Listed<u32>) -> Vec<Way> {
    let mut rows = vec![0; candidates.lists.len()];
    candidates.rows.iter().for_each(|(_, list)| rows[*list as usize] += 1);
    let way = |(list, rows): (&Rc<[Candidate]>, usize)| {
        if list.iter().all(|candidate| candidate.is_hit) {
            let rules: Vec<u32> = list.iter().map(|candidate| candidate.rule).collect();
            return Way::Known(hits.number(&rules));
        }
        let clues = (rows >= SHARED).then(|| look.clues(list)).flatten();
        Way::Ask(clues.map(|(clues, hit)| Box::new(Seek { clues, of_quiet: hits.number(&hit) })))
    };
    candidates.lists.iter().zip(rows).map(way).collect()
}

/// Which columns of which rows the tests of candidates ask for, and hits need.
fn wanted(rules: &Rules, candidates: &Listed<Candidate>, detail: Detail) -> Wanted {
    let mut wanted: Wanted = BTreeMap::new();
    wanted.extend(detail.columns().iter().map(|column| (*column, Vec::new())));
    let mut texts: Vec<&'static str> = Vec::new();
    let of_lists = candidates.lists.iter().map(|list| {
        let of = |candidate: &Candidate| {
            let rule = &rules.events[candidate.rule as usize];
            let asks = (!candidate.is_hit).then_some(&rule.asks);
            let told = rule.meta.filter(|meta| rules.tells_target(*meta, detail));
            let told = told.into_iter().flat_map(|meta| rules.metas()[meta].needs());
            asks.into_iter().flatten().chain(&rule.needs).copied().chain(told)
        };
        let asked: BTreeSet<&'static str> = list.iter().flat_map(of).collect();
        wanted.extend(asked.iter().map(|column| (*column, Vec::new())));
        let of_texts = asked.into_iter().filter(|column| !case::is_coded(column)).map(|column| {
            let known = texts.iter().position(|text| *text == column);
            known.unwrap_or_else(|| {
                texts.push(column);
                texts.len() - 1
            })
        });
        of_texts.collect()
    });
    let of_lists: Vec<Vec<usize>> = of_lists.collect();
    let mut rows = vec![Vec::new(); texts.len()];
    for (row, list) in &candidates.rows {
        for text in &of_lists[*list as usize] {
            rows[*text].push(*row);
        }
    }
    wanted.extend(texts.into_iter().zip(rows));
    wanted
}

/// What columns of identities do not have is in the whole of them.
fn with_identities(file: &PartFile, wanted: &mut Wanted) {
    let is_asked = columns::of_identities().any(|of| wanted.contains_key(of.name));
    if is_asked && !file.has_plain_identities() {
        wanted.insert("user_identity", Vec::new());
    }
}

fn distinct(rows: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut rows: Vec<u32> = rows.collect();
    rows.dedup();
    rows
}

/// When the first event of each account in a part was.
fn starts(file: &PartFile) -> Result<BTreeMap<u64, i64>, case::Error> {
    let (times, accounts) = (file.times()?, file.coded("recipient_account_id")?);
    let mut firsts = vec![None; accounts.distinct()];
    for (code, time) in accounts.codes().iter().zip(times.iter()) {
        let first = firsts[*code as usize].get_or_insert(*time);
        *first = (*time).min(*first);
    }
    let mut starts = BTreeMap::new();
    for (code, first) in (0..).zip(firsts) {
        let Some(first) = first else { continue };
        let start = starts.entry(hash(accounts.value(code).unwrap_or_default())).or_insert(first);
        *start = first.min(*start);
    }
    Ok(starts)
}
