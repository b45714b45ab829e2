//! Reading ahead of the workers: objects are fetched side by side and given to whichever worker
//! asks, in the order in which they come.
//!
//! How many are under way is found out (`limit`), how much is held is bounded in bytes. Whoever
//! takes an object starts the next ones, so nobody waits while there is something to decode.

use super::super::{Body, Input, Inputs, Next, Reading, Window};
use super::S3;
use super::limit::Limit;
use super::pieces::{self, Blocking};
use crate::model::ReadError;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often those who wait look whether to stop.
const GLANCE: Duration = Duration::from_millis(100);

pub(super) struct Ahead<'a> {
    s3: &'a S3,
    inputs: &'a Inputs,
    window: Window,
    /// What is not under way yet; the last is next.
    todo: Mutex<Todo>,
    shared: Arc<Shared>,
}

struct Todo {
    left: Vec<u32>,
    /// Ended when the reading is dropped.
    tasks: JoinSet<()>,
    /// Larger than the window: each is streamed to the worker that takes it.
    large: VecDeque<u32>,
}

struct Shared {
    ready: Mutex<Ready>,
    came: Condvar,
    began: Instant,
}

struct Ready {
    bodies: VecDeque<(u32, Result<Vec<u8>, ReadError>)>,
    under_way: usize,
    /// Listed bytes of what is under way or ready.
    held_bytes: u64,
    limit: Limit,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(s3: &'a S3, inputs: &'a Inputs, mut todo: Vec<u32>, window: Window) -> Self {
        todo.reverse();
        let ready =
            Ready { bodies: VecDeque::new(), under_way: 0, held_bytes: 0, limit: Limit::new() };
        let shared =
            Shared { ready: Mutex::new(ready), came: Condvar::new(), began: Instant::now() };
        let todo = Todo { left: todo, tasks: JoinSet::new(), large: VecDeque::new() };
        let ahead = Self { s3, inputs, window, todo: Mutex::new(todo), shared: Arc::new(shared) };
        ahead.fill();
        ahead
    }

    /// Starts as many requests as may be under way; whether anything is still to come.
    fn fill(&self) -> bool {
        let mut todo = self.todo.lock().expect("no worker panics with the lock");
        while todo.tasks.try_join_next().is_some_and(|ended| {
            ended.expect("fetching an object does not panic");
            true
        }) {}
        while let Some(&number) = todo.left.last() {
            let bytes = self.inputs.bytes_of(number);
            if bytes > self.window.file_bytes {
                todo.left.pop();
                todo.large.push_back(number);
                self.shared.came.notify_one();
                continue;
            }
            let mut ready = self.shared.lock();
            let fits = ready.held_bytes + bytes <= self.window.ahead_bytes;
            let idle = ready.under_way == 0 && ready.bodies.is_empty();
            if ready.under_way >= ready.limit.now() || !fits && !idle {
                break;
            }
            ready.under_way += 1;
            ready.held_bytes += bytes;
            drop(ready);
            todo.left.pop();
            self.start(&mut todo.tasks, number, &self.inputs.get(number));
        }
        let ready = self.shared.lock();
        !todo.left.is_empty()
            || !todo.large.is_empty()
            || ready.under_way > 0
            || !ready.bodies.is_empty()
    }

    fn start(&self, tasks: &mut JoinSet<()>, number: u32, input: &Input) {
        let (bucket, shared) = (self.s3.bucket.clone(), self.shared.clone());
        let lost = self.s3.lost.get(&input.name).cloned();
        let (key, bytes) = (self.s3.key_of(input), input.bytes);
        let work = async move {
            let body = match lost {
                Some(error) => Err(error),
                None => pieces::whole(&bucket, &key, bytes).await,
            };
            shared.put(number, bytes, body, bucket.slowed());
        };
        tasks.spawn_on(work, self.s3.aws.runtime.handle());
    }

    fn large(&self) -> Option<u32> {
        self.todo.lock().expect("no worker panics with the lock").large.pop_front()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().expect("no worker panics with the lock")
    }

    fn put(&self, number: u32, bytes: u64, body: Result<Vec<u8>, ReadError>, slowed: u64) {
        let mut ready = self.lock();
        // What lies about shows that the workers are the slow ones.
        let wanted = ready.bodies.len() <= ready.limit.now() / 2;
        ready.under_way -= 1;
        ready.limit.came(bytes, self.began.elapsed(), slowed, wanted);
        ready.bodies.push_back((number, body));
        drop(ready);
        self.came.notify_one();
    }
}

impl Reading for Ahead<'_> {
    fn next(&self, buffer: &mut Vec<u8>) -> Option<Next<'_>> {
        buffer.clear();
        loop {
            if self.s3.stop.is_asked() {
                return None;
            }
            if let Some(number) = self.large() {
                let pieces = self.s3.pieces(&self.inputs.get(number), self.window.ahead_bytes);
                let stream = Blocking::new(&self.s3.aws, &self.s3.stop, pieces);
                return Some(Next { number, body: Ok(Body::Stream(Box::new(stream))) });
            }
            let mut ready = self.shared.lock();
            if let Some((number, body)) = ready.bodies.pop_front() {
                ready.held_bytes -= self.inputs.bytes_of(number);
                drop(ready);
                self.fill();
                let body = body.map_err(io::Error::from).map(|bytes| {
                    *buffer = bytes;
                    Body::Whole
                });
                return Some(Next { number, body });
            }
            drop(ready);
            if !self.fill() {
                return None;
            }
            let ready = self.shared.lock();
            if ready.bodies.is_empty() {
                // Left at once by what comes; the time limit is for what nobody announces.
                drop(self.shared.came.wait_timeout(ready, GLANCE));
            }
        }
    }
}
