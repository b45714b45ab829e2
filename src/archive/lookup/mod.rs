//! The event history of an account, over LookupEvents: one input for each region and day.
//!
//! A day that ended long enough ago never changes, so a case that has it does not ask again; the
//! last days are asked for anew each time. With `--max-events`, one input is the newest events of a
//! region, and they are always asked for anew. Names begin with the account: the event history of
//! another account is another archive.

mod explain;
mod pace;
mod pages;
mod region;
mod regions;
mod window;

use super::aws::Aws;
use super::{Covered, Error, Input, Inputs, Options, Reading, Source, Window};
use crate::model::Timestamp;
use explain::Refusal;
use pages::{Pages, Task};
use region::{Region, Sight};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::runtime::Runtime;
use window::Slice;

/// Of an input whose content is settled.
const SETTLED: i64 = 1;
const ONLY_IN_TURN: &str = "the event history is read day after day, not by name";

pub(super) struct Lookup {
    inputs: Inputs,
    /// By the name of the input: which region, and what of it.
    tasks: BTreeMap<String, (usize, Slice)>,
    regions: Vec<Arc<Region>>,
    events_max: u64,
    notes: Vec<String>,
    covered: Arc<Covered>,
    runtime: Arc<Runtime>,
}

impl Lookup {
    /// Asks every region for its newest event; `None` stands for all regions.
    pub(super) fn list(
        asked: &[Option<String>],
        options: &Options,
        aws: &Aws,
    ) -> Result<Self, Error> {
        let Options { selection, history, .. } = options;
        let Some((window, is_cut)) = window::window(selection, history.now) else {
            return Err(Error::Usage {
                what: "the event history holds nothing of that time".to_owned(),
                hint: "it reaches 90 days back; what is older is in the files of a trail"
                    .to_owned(),
            });
        };
        let all = asked.contains(&None);
        let configured = aws.config.region().map(ToString::to_string);
        let mut names: BTreeSet<&str> = asked.iter().flatten().map(String::as_str).collect();
        if all {
            names.extend(regions::all(configured.as_deref()));
        }
        let names = names.into_iter().filter(|name| selection.region.accept(&[name]));
        let regions: Vec<Arc<Region>> =
            names.map(|name| Region::new(name, aws, options)).map(Arc::new).collect();
        if regions.is_empty() {
            return Err(Error::Usage {
                what: "no region is left to ask for its event history".to_owned(),
                hint: "--region and cloudtrail:REGION name different ones".to_owned(),
            });
        }
        let sights = look(&regions, &window, aws);
        if options.stop.is_asked() {
            return Err(Error::Stopped);
        }
        let place = asked.iter().map(|r| format!("cloudtrail:{}", r.as_deref().unwrap_or("all")));
        let place = place.collect::<Vec<_>>().join(", ");
        let (regions, off) = enabled(regions, &sights, asked)
            .map_err(|refusal| Error::Remote { place, source: refusal.error })?;
        let account = sights.iter().find_map(|sight| sight.as_ref().ok()?.account.clone());
        let mut lookup = Self {
            inputs: Inputs::default(),
            tasks: BTreeMap::new(),
            regions,
            events_max: selection.max_events.unwrap_or(u64::MAX),
            notes: Vec::new(),
            covered: history.covered.clone(),
            runtime: aws.runtime.clone(),
        };
        lookup.plan(&window, account.as_deref(), history.now);
        if is_cut {
            let from = window.from;
            lookup.notes.push(format!("the event history reaches back 90 days, to {from}"));
        }
        if !off.is_empty() {
            lookup.notes.push(format!("regions that are not enabled: {}", off.join(", ")));
        }
        Ok(lookup)
    }

    /// One input a day, or one for all of a region.
    fn plan(&mut self, window: &Slice, account: Option<&str>, now: Timestamp) {
        let root = account.map_or_else(|| "cloudtrail".to_owned(), |a| format!("cloudtrail/{a}"));
        let is_whole = |region: &Region| self.events_max < u64::MAX || region.refusal().is_some();
        let mut tasks = BTreeMap::new();
        for (number, region) in self.regions.iter().enumerate() {
            if is_whole(region) {
                // Nothing that has such a name is ever settled.
                tasks.insert(format!("{root}/{}", region.name), (number, window.clone()));
                continue;
            }
            for day in window.days() {
                tasks.insert(format!("{root}/{}/{}", day.day(), region.name), (number, day));
            }
        }
        let input = |(name, (number, slice)): (&String, &(usize, Slice))| {
            let is_whole = is_whole(&self.regions[*number]);
            let is_settled = !is_whole && slice.is_settled(now);
            let stamp = if is_settled { SETTLED } else { now.0 };
            let (name, path) = (name.clone(), None);
            Input { name, bytes: 0, stamp, named: false, origin: 0, path }
        };
        self.inputs = tasks.iter().map(input).collect();
        self.tasks = tasks;
    }
}

/// One request to each region, all at the same time.
fn look(regions: &[Arc<Region>], window: &Slice, aws: &Aws) -> Vec<Result<Sight, Refusal>> {
    let looks = regions.iter().map(|region| {
        let (region, window) = (region.clone(), window.clone());
        aws.runtime.spawn(async move { region.look(&window).await })
    });
    let looks: Vec<_> = looks.collect();
    let looks = looks.into_iter();
    looks.map(|look| aws.runtime.block_on(look).expect("a look does not panic")).collect()
}

/// Regions that can be read or should be, and the names of those that are not enabled.
///
/// # Errors
/// When not one of them can be read.
fn enabled(
    regions: Vec<Arc<Region>>,
    sights: &[Result<Sight, Refusal>],
    asked: &[Option<String>],
) -> Result<(Vec<Arc<Region>>, Vec<String>), Refusal> {
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for (region, sight) in regions.into_iter().zip(sights) {
        let is_named = asked.iter().flatten().any(|name| *name == region.name);
        match sight {
            Err(refusal)
                if refusal.is_unknown_key && !is_named && regions::may_be_off(&region.name) =>
            {
                off.push(region.name.clone());
            }
            _ => on.push(region),
        }
    }
    // Keys that no region knows are no keys.
    match sights.iter().find_map(|sight| sight.as_ref().err()) {
        Some(refusal) if sights.iter().all(Result::is_err) => Err(refusal.clone()),
        _ => Ok((on, off)),
    }
}

impl Source for Lookup {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn take_inputs(&mut self) -> Inputs {
        std::mem::take(&mut self.inputs)
    }

    fn skipped(&self) -> u64 {
        0
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn key<'a>(&'a self, input: &'a Input) -> Cow<'a, str> {
        Cow::Borrowed(&input.name)
    }

    fn open(&self, _: &Input) -> io::Result<Box<dyn Read + '_>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, ONLY_IN_TURN))
    }

    fn reading<'a>(
        &'a self,
        inputs: &'a Inputs,
        todo: Vec<u32>,
        window: Window,
    ) -> Box<dyn Reading + 'a> {
        let mut tasks = vec![Vec::new(); self.regions.len()];
        // The newest day first: it is what is looked at when the rest cannot be had.
        for number in todo.into_iter().rev() {
            let (region, slice) = &self.tasks[&inputs.get(number).name];
            let slice = slice.clone();
            self.covered.of_seconds.fetch_add(slice.seconds(), Ordering::Relaxed);
            tasks[*region].push(Task { number, slice, events_max: self.events_max });
        }
        let regions =
            self.regions.iter().cloned().zip(tasks).filter(|(_, tasks)| !tasks.is_empty());
        let pages = Pages::begin(
            regions.collect(),
            window.ahead_bytes,
            &self.covered,
            self.runtime.handle(),
        );
        Box::new(pages)
    }
}
