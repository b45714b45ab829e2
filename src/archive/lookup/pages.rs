//! Days of a region, page by page, ahead of the workers that decode them.
//!
//! A page is printed as the answer it came from, which the decoder reads like one that was saved.
//! Pages are whole, so whatever was read before an error is kept.

use super::region::Region;
use super::window::Slice;
use crate::archive::{Body, Covered, Next, Reading};
use crate::model::{ReadError, Timestamp};
use aws_sdk_cloudtrail::operation::lookup_events::LookupEventsOutput;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::Event;
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Days of one region that are read at a time: an answer takes longer than a turn.
const DAYS_AT_A_TIME: usize = 2;
/// Pages held of a day that is being decoded.
const PAGES_AHEAD: usize = 4;
/// Days that wait for a worker.
const DAYS_READY: usize = 8;

/// What is to be read as one input.
#[derive(Clone)]
pub(super) struct Task {
    pub(super) number: u32,
    pub(super) slice: Slice,
    /// The newest so many events of it.
    pub(super) events_max: u64,
}

type Text = Result<Vec<u8>, ReadError>;

/// A day that a worker may take: all of it, or as much as is held, and then what comes.
struct Day {
    number: u32,
    text: Vec<u8>,
    more: mpsc::Receiver<Text>,
}

/// Reads all regions at the same time. Dropping it ends that.
pub(super) struct Pages {
    days: Mutex<mpsc::Receiver<Day>>,
    _walks: JoinSet<()>,
}

impl Pages {
    pub(super) fn begin(
        regions: Vec<(Arc<Region>, Vec<Task>)>,
        ahead_bytes: u64,
        covered: &Arc<Covered>,
        runtime: &Handle,
    ) -> Self {
        let walks_count = regions.len() * DAYS_AT_A_TIME + DAYS_READY;
        let held_bytes = usize::try_from(ahead_bytes).unwrap_or(usize::MAX) / walks_count;
        let (ready, days) = mpsc::channel(DAYS_READY);
        let mut walks = JoinSet::new();
        for (region, tasks) in regions {
            let tasks = Arc::new(Mutex::new(VecDeque::from(tasks)));
            for _ in 0..DAYS_AT_A_TIME {
                let walk = Walk {
                    region: region.clone(),
                    tasks: tasks.clone(),
                    ready: ready.clone(),
                    held_bytes,
                    covered: covered.clone(),
                };
                walks.spawn_on(walk.run(), runtime);
            }
        }
        Self { days: Mutex::new(days), _walks: walks }
    }
}

impl Reading for Pages {
    fn next(&self, _: &mut Vec<u8>) -> Option<Next<'_>> {
        let day = self.days.lock().expect("nobody panics with the lock").blocking_recv();
        let mut day = day?;
        if day.text.is_empty() {
            match day.more.blocking_recv() {
                Some(Ok(text)) => day.text = text,
                Some(Err(error)) => {
                    return Some(Next { number: day.number, body: Err(error.into()) });
                }
                None => {}
            }
        }
        let body = Body::Stream(Box::new(DayReader { day: day.text, at: 0, more: day.more }));
        Some(Next { number: day.number, body: Ok(body) })
    }
}

struct DayReader {
    day: Vec<u8>,
    at: usize,
    more: mpsc::Receiver<Text>,
}

impl Read for DayReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.day.len() {
            match self.more.blocking_recv() {
                Some(text) => (self.day, self.at) = (text?, 0),
                None => return Ok(0),
            }
        }
        let len = buffer.len().min(self.day.len() - self.at);
        buffer[..len].copy_from_slice(&self.day[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

/// Nobody takes days any more.
struct Gone;

/// Days of one region, one after the other.
struct Walk {
    region: Arc<Region>,
    tasks: Arc<Mutex<VecDeque<Task>>>,
    ready: mpsc::Sender<Day>,
    held_bytes: usize,
    covered: Arc<Covered>,
}

impl Walk {
    async fn run(self) {
        loop {
            let task = self.tasks.lock().expect("nobody panics with the lock").pop_front();
            let Some(task) = task else { return };
            if self.read(task).await.is_err() {
                return;
            }
        }
    }

    /// Holds a day until it is whole or large, then hands it over.
    async fn read(&self, task: Task) -> Result<(), Gone> {
        let (pages, more) = mpsc::channel(PAGES_AHEAD);
        let mut held = Some(Day { number: task.number, text: Vec::new(), more });
        let mut answers = Answers::of(&self.region, &task);
        loop {
            let text = match answers.next(&self.covered).await {
                Ok(Some(text)) => text,
                Ok(None) => break,
                Err(error) => {
                    // The first in the channel where the day is still held: never waits there.
                    pages.send(Err(error)).await.map_err(|_| Gone)?;
                    break;
                }
            };
            match held.take() {
                Some(mut day) => {
                    day.text.extend_from_slice(&text);
                    if day.text.len() < self.held_bytes {
                        held = Some(day);
                    } else {
                        self.ready.send(day).await.map_err(|_| Gone)?;
                    }
                }
                None => pages.send(Ok(text)).await.map_err(|_| Gone)?,
            }
        }
        match held {
            Some(day) => self.ready.send(day).await.map_err(|_| Gone),
            None => Ok(()),
        }
    }
}

/// The answers for one task, to the last.
struct Answers<'r> {
    region: &'r Region,
    task: &'r Task,
    left: u64,
    token: Option<String>,
    /// The newest is given first: what is behind this moment has been read.
    reached: Timestamp,
    is_done: bool,
}

impl<'r> Answers<'r> {
    fn of(region: &'r Region, task: &'r Task) -> Self {
        let (left, reached) = (task.events_max, task.slice.to);
        Self { region, task, left, token: None, reached, is_done: false }
    }

    async fn next(&mut self, covered: &Covered) -> Result<Option<Vec<u8>>, ReadError> {
        if self.is_done {
            return Ok(None);
        }
        if let Some(refusal) = self.region.refusal() {
            return Err(refusal.error);
        }
        if self.region.is_empty_in(&self.task.slice) {
            self.is_done = true;
            self.cover(self.task.slice.from, covered);
            return Ok(Some(print(&[])));
        }
        let page = self.region.page(&self.task.slice, self.token.clone()).await;
        let page = page.map_err(|refusal| refusal.error)?;
        let events = page.events();
        let events = &events[..events.len().min(usize::try_from(self.left).unwrap_or(usize::MAX))];
        self.left -= events.len() as u64;
        let text = print(events);
        let token = token_of(&page);
        if token.is_some() && token == self.token {
            return Err(ReadError {
                detail: "the event history gave one page twice".to_owned(),
                remedy: Some("run the same command again".to_owned()),
                fatal: false,
            });
        }
        self.is_done = token.is_none() || self.left == 0;
        self.token = token;
        let oldest = events.last().and_then(|e| e.event_time()).map(|t| t.secs() * 1_000_000);
        let rest = self.is_done.then_some(self.task.slice.from);
        self.cover(rest.or(oldest.map(Timestamp)).unwrap_or(self.reached), covered);
        Ok(Some(text))
    }

    fn cover(&mut self, to: Timestamp, covered: &Covered) {
        let seconds = u64::try_from(self.reached.seconds() - to.seconds()).unwrap_or(0);
        covered.seconds.fetch_add(seconds, Ordering::Relaxed);
        self.reached = self.reached.min(to);
    }
}

fn token_of(page: &LookupEventsOutput) -> Option<String> {
    page.next_token().filter(|token| !token.is_empty()).map(str::to_owned)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page<'e> {
    events: Vec<Entry<'e>>,
}

/// As the API spells it; what is absent there is absent here.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_name: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_source: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'e str>,
    resources: Vec<Resource<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_trail_event: Option<&'e str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Resource<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<&'e str>,
}

fn print(events: &[Event]) -> Vec<u8> {
    let page = Page { events: events.iter().map(entry).collect() };
    let mut text = serde_json::to_vec(&page).expect("a page is plain data");
    text.push(b'\n');
    text
}

fn entry(event: &Event) -> Entry<'_> {
    let resources = event
        .resources()
        .iter()
        .map(|r| Resource { resource_type: r.resource_type(), resource_name: r.resource_name() });
    Entry {
        event_id: event.event_id(),
        event_name: event.event_name(),
        read_only: event.read_only(),
        access_key_id: event.access_key_id(),
        event_time: event.event_time().map(DateTime::as_secs_f64),
        event_source: event.event_source(),
        username: event.username(),
        resources: resources.collect(),
        cloud_trail_event: event.cloud_trail_event(),
    }
}
