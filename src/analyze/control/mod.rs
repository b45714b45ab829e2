//! The monitoring controls of CIS AWS Foundations: what of the activity that each wants to be alarmed on is in the
//! archive, and what the archive cannot say about it.
//!
//! Counted is what the metric filter of the benchmark counts, which is more than findings are made of. That nothing was
//! seen is said only of what the archive would hold.

mod benchmark;
mod watch;

use super::anomaly::{evidence_columns, evidence_of};
use super::collect;
use crate::case::Rows;
use crate::model::{Control, ControlState, Coverage, Evidence, Finding, Selection, Timestamp};
use benchmark::{CONTROLS, Counts, Definition, LOGIN, MARKS, logins, marked};
use polars::prelude::*;
use std::collections::BTreeSet;

/// Regions that record the calls of services which have none, by partition.
const GLOBAL_REGIONS: [&str; 3] = ["us-east-1", "us-gov-west-1", "cn-north-1"];
/// Services without regions.
const GLOBAL_SERVICES: [&str; 2] = ["iam", "organizations"];

/// What is known of the archive besides its events.
pub(super) struct Archive<'a> {
    pub(super) coverage: &'a Coverage,
    pub(super) selection: &'a Selection,
}

/// All controls, in the order of the benchmark.
pub(super) fn all(
    events: &LazyFrame,
    archive: &Archive<'_>,
    findings: &[Finding],
) -> PolarsResult<Vec<Control>> {
    let mut controls: Vec<Control> = CONTROLS.iter().map(|of| empty(of, findings)).collect();
    tally(marked(events), &mut controls, |of| !is_login(of))?;
    // What takes JSON to tell is looked for only where there is any of it.
    let has_logins = any(events, col("event_name").eq(lit(LOGIN)))?;
    if has_logins {
        tally(logins(events), &mut controls, is_login)?;
    }
    let at_ends = events.clone().filter(is_end(&controls));
    show(marked(&at_ends), &mut controls, |of| !is_login(of))?;
    if has_logins {
        show(logins(&at_ends), &mut controls, is_login)?;
    }
    let mut watches = watch::all(events)?;
    for (number, (of, control)) in CONTROLS.iter().zip(&mut controls).enumerate() {
        control.watch = watches.remove(&number).unwrap_or_default();
        judge(of, control, archive, events)?;
    }
    Ok(controls)
}

fn is_login(of: &Definition) -> bool {
    matches!(of.counts, Counts::LoginWithoutSecondFactor)
}

fn any(events: &LazyFrame, is: Expr) -> PolarsResult<bool> {
    Ok(collect(events.clone().filter(is).select([col("event_time")]).limit(1))?.height() > 0)
}

fn empty(of: &Definition, findings: &[Finding]) -> Control {
    // A finding of several controls is about those whose calls it is made of.
    let has_calls = |f: &Finding| f.calls.iter().any(|c| of.names().contains(&c.name.as_str()));
    let is_about = |f: &&Finding| {
        let only = f.cis.len() == 1 || of.names().is_empty();
        f.cis.iter().any(|id| id == of.id) && (only || has_calls(f))
    };
    Control {
        id: of.id.to_owned(),
        title: of.title.to_owned(),
        state: ControlState::Seen,
        events: 0,
        succeeded: 0,
        denied: 0,
        first: None,
        last: None,
        notes: Vec::new(),
        findings: findings.iter().filter(is_about).map(|finding| finding.id.clone()).collect(),
        evidence: Vec::new(),
        watch: Vec::new(),
    }
}

/// Adds events to the controls that count them, by what tells these apart: a row for each kind of call.
fn tally(
    events: LazyFrame,
    controls: &mut [Control],
    is_for: impl Fn(&Definition) -> bool,
) -> PolarsResult<()> {
    let is = |outcome: &str| col("outcome").eq(lit(outcome)).sum().cast(DataType::UInt64);
    let keys: Vec<Expr> = ["service", "event_name"].iter().chain(&MARKS).map(|k| col(*k)).collect();
    let frame = collect(events.group_by(keys).agg([
        len().cast(DataType::UInt64).alias("events"),
        is("succeeded").alias("succeeded"),
        is("denied").alias("denied"),
        col("event_time").min(),
        col("event_time").max().cast(DataType::Int64).alias("last"),
        col("source_index").min(),
    ]))?;
    let [events, succeeded, denied] = ["events", "succeeded", "denied"].map(|n| frame.column(n));
    let (events, succeeded, denied) = (events?.u64()?, succeeded?.u64()?, denied?.u64()?);
    let last = frame.column("last")?.i64()?;
    let rows = rows(&frame)?;
    for number in 0..rows.len() {
        let row = rows.row(number);
        let of_row = |(of, _): &(&Definition, &mut Control)| is_for(of) && of.counts(row);
        for (_, control) in CONTROLS.iter().zip(controls.iter_mut()).filter(of_row) {
            control.events += events.get(number).unwrap_or_default();
            control.succeeded += succeeded.get(number).unwrap_or_default();
            control.denied += denied.get(number).unwrap_or_default();
            control.first = control.first.into_iter().chain([row.time()]).min();
            control.last = control.last.max(last.get(number).map(Timestamp));
        }
    }
    Ok(())
}

/// Whether an event is of the first or last moment of some control.
fn is_end(controls: &[Control]) -> Expr {
    let ends = controls.iter().flat_map(|c| [c.first, c.last]).flatten().map(|time| time.0);
    let ends: BTreeSet<i64> = ends.collect();
    let ends = Series::new("ends".into(), ends.into_iter().collect::<Vec<_>>());
    col("event_time").cast(DataType::Int64).is_in(lit(ends).implode(false), false)
}

/// Adds the first and the last of `events` to the controls that count them.
fn show(
    events: LazyFrame,
    controls: &mut [Control],
    is_for: impl Fn(&Definition) -> bool,
) -> PolarsResult<()> {
    let marks = MARKS.iter().map(|name| col(*name));
    let columns: Vec<Expr> = evidence_columns().into_iter().chain(marks).collect();
    let frame = collect(events.select(columns))?;
    let rows = rows(&frame)?;
    let mut numbers: Vec<usize> = (0..rows.len()).collect();
    let place = |n: &usize| {
        let row = rows.row(*n);
        (row.time(), row.text("event_id"), row.text("source_file"), row.index())
    };
    numbers.sort_by(|a, b| place(a).cmp(&place(b)));
    for (of, control) in CONTROLS.iter().zip(controls).filter(|(of, _)| is_for(of)) {
        let counted: Vec<usize> =
            numbers.iter().copied().filter(|n| of.counts(rows.row(*n))).collect();
        let at = |n: &&usize, end| Some(rows.row(**n).time()) == end;
        let first = counted.iter().find(|n| at(n, control.first));
        let last = counted.iter().rev().find(|n| at(n, control.last) && Some(*n) != first);
        let shown = first.into_iter().chain(last).map(|n| evidence_of(rows.row(*n)));
        control.evidence = shown.collect::<Vec<Evidence>>();
    }
    Ok(())
}

fn rows(frame: &DataFrame) -> PolarsResult<Rows> {
    Rows::new(frame).map_err(|e| PolarsError::ComputeError(e.to_string().into()))
}

/// What can be said of a control, and why.
fn judge(
    of: &Definition,
    control: &mut Control,
    archive: &Archive<'_>,
    events: &LazyFrame,
) -> PolarsResult<()> {
    let mut blind = archive.blind(of);
    let limits = archive.limits(of);
    if control.events == 0 && of.service == "kms" && !any(events, col("service").eq(lit("kms")))? {
        blind.push("There is no call of KMS at all: a trail can be told to leave that service out, and whether this one was, the archive does not say.".to_owned());
    }
    if control.events == 0 {
        control.state =
            if blind.is_empty() { ControlState::NotSeen } else { ControlState::NotAssessable };
    }
    control.notes = blind.into_iter().chain(limits).collect();
    if control.events == 0 && !control.findings.is_empty() {
        control
            .notes
            .push("Its findings are of calls that the benchmark does not count.".to_owned());
    }
    if matches!(of.counts, Counts::Refused) && !any(events, col("read_only").eq(lit(true)))? {
        control
            .notes
            .push("No call that only reads was recorded: refusals of such are missing.".to_owned());
    }
    Ok(())
}

impl Archive<'_> {
    /// Why the archive would not hold the events of a control.
    fn blind(&self, of: &Definition) -> Vec<String> {
        let mut why = Vec::new();
        let selected = self.selected(of);
        if !selected.is_empty() {
            why.push(format!("The case was made of some events only ({}).", selected.join(", ")));
        }
        if self.coverage.first.is_none() {
            why.push("The case holds no events.".to_owned());
        } else if !self.coverage.categories.contains_key("Management") {
            why.push("No management events were recorded.".to_owned());
        }
        if GLOBAL_SERVICES.contains(&of.service) && !self.has_global_region() {
            why.push(format!(
                "Calls of this service are recorded in the region {} (or that of another partition), of which the \
                 archive holds no events.",
                GLOBAL_REGIONS[0]
            ));
        }
        why
    }

    /// Settings by which the case was made without the events of a control.
    fn selected(&self, of: &Definition) -> Vec<&'static str> {
        let s = self.selection;
        let (is_any_call, names) = (of.names().is_empty(), of.names().len());
        let leaves_out = [
            (
                "event-name",
                if is_any_call { !s.event_name.is_empty() } else { self.left_out(of) == names },
            ),
            (
                "event-source",
                if of.service.is_empty() {
                    !s.event_source.is_empty()
                } else {
                    !s.event_source.accept(&[of.service])
                },
            ),
            (
                "read-only",
                if is_any_call { !s.read_only.is_empty() } else { !s.read_only.accept(&["false"]) },
            ),
            ("category", !s.category.accept(&["Management"])),
            ("user", !s.user.is_empty()),
            ("lookup", s.lookup.is_some()),
            ("max-events", s.max_events.is_some()),
        ];
        leaves_out
            .into_iter()
            .filter_map(|(setting, leaves_out)| leaves_out.then_some(setting))
            .collect()
    }

    /// What a count may lack, though the archive would hold such events.
    fn limits(&self, of: &Definition) -> Vec<String> {
        let mut limits = Vec::new();
        let (left_out, names) = (self.left_out(of), of.names().len());
        if (1..names).contains(&left_out) {
            limits.push(format!(
                "The case was made without {left_out} of the {names} calls that are counted (event-name)."
            ));
        }
        let of_root = matches!(of.counts, Counts::Root) || of.names() == [LOGIN];
        if of_root && self.coverage.first.is_some() && !self.has_global_region() {
            limits.push(format!(
                "Logins of the root user are recorded in the region {}, of which the archive holds no events.",
                GLOBAL_REGIONS[0]
            ));
        }
        if of.service == "organizations" {
            limits.push("Such calls are recorded in the management account of an organization; whether one of the accounts here is it, the archive does not say.".to_owned());
        }
        limits
    }

    /// How many of a control's calls a selection by name does not take.
    fn left_out(&self, of: &Definition) -> usize {
        of.names().iter().filter(|name| !self.selection.event_name.accept(&[name])).count()
    }

    fn has_global_region(&self) -> bool {
        self.coverage.regions.iter().any(|region| GLOBAL_REGIONS.contains(&region.as_str()))
    }
}
