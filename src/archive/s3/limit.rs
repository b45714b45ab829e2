//! How many requests are under way: more while that brings more, fewer when S3 asks to slow down.
//! Pure.

use std::time::Duration;

const LEAST: usize = 2;
const FIRST: usize = 16;
const MOST: usize = 256;
/// An object costs a request whatever its size; about what a connection brings in a round trip.
const OBJECT_BYTES: u64 = 64 << 10;
/// Growth is worth it when it brings so much more.
const GAIN: f64 = 1.05;
/// And is taken back when it brings so much less.
const LOSS: f64 = 0.85;
/// Rounds without growth before it is tried again: the network may be another by then.
const PATIENCE: u32 = 8;

#[derive(Debug)]
pub(super) struct Limit {
    now: usize,
    /// Of the round: what has come and when it began.
    bytes: u64,
    objects: usize,
    began: Duration,
    /// Bytes a second that growing has to beat.
    rate: f64,
    /// The limit before it grew, as long as it is not known whether that helped.
    before: Option<usize>,
    slowed: u64,
    patience: u32,
}

impl Limit {
    pub(super) fn new() -> Self {
        Self {
            now: FIRST,
            bytes: 0,
            objects: 0,
            began: Duration::ZERO,
            rate: 0.0,
            before: None,
            slowed: 0,
            patience: 0,
        }
    }

    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// An object has come at `at`; S3 has asked to slow down `slowed` times so far; `wanted`: the
    /// workers would take more than comes.
    pub(super) fn came(&mut self, bytes: u64, at: Duration, slowed: u64, wanted: bool) {
        if slowed > self.slowed {
            self.slowed = slowed;
            self.now = (self.now / 2).max(LEAST);
            (self.rate, self.before, self.patience) = (0.0, None, PATIENCE);
            return self.begin(at);
        }
        if !wanted {
            // More would only be held: nothing to be learned.
            return self.begin(at);
        }
        self.bytes += bytes + OBJECT_BYTES;
        self.objects += 1;
        if self.objects >= 2 * self.now {
            let seconds = at.saturating_sub(self.began).as_secs_f64().max(1e-6);
            self.judge(self.bytes as f64 / seconds);
            self.begin(at);
        }
    }

    /// What the rate of a round means for the next.
    fn judge(&mut self, rate: f64) {
        if rate > self.rate * GAIN {
            self.grow(rate, self.now / 2);
        } else if let Some(before) = self.before.take() {
            (self.now, self.patience) = (before, PATIENCE);
        } else if rate < self.rate * LOSS {
            self.now = (self.now - self.now / 4).max(LEAST);
            (self.rate, self.patience) = (rate, PATIENCE);
        } else if self.patience > 0 {
            self.patience -= 1;
        } else {
            self.grow(rate, self.now / 4);
        }
    }

    fn grow(&mut self, rate: f64, by: usize) {
        (self.rate, self.before) = (rate, Some(self.now));
        self.now = (self.now + by.max(1)).min(MOST);
    }

    fn begin(&mut self, at: Duration) {
        (self.bytes, self.objects, self.began) = (0, 0, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each request after 20 ms and no more than so many at a time.
    fn after(objects: u64, side_by_side: usize, slows_above: usize) -> Limit {
        let (mut limit, mut at, mut slowed) = (Limit::new(), Duration::ZERO, 0);
        for _ in 0..objects {
            let served = limit.now().min(side_by_side) as u32;
            at += Duration::from_millis(20) / served;
            slowed += u64::from(limit.now() > slows_above);
            limit.came(1000, at, slowed, true);
        }
        limit
    }

    #[test]
    fn it_grows_while_that_brings_more_and_shrinks_when_asked_to() {
        assert_eq!(after(10_000, 1000, 1000).now(), MOST);
        let narrow = after(10_000, 8, 1000).now();
        assert!(narrow <= 2 * FIRST, "a server of 8 is asked {narrow} things at a time");
        let busy = after(10_000, 1000, 40).now();
        assert!((LEAST..=60).contains(&busy), "{busy}");
        let mut limit = Limit::new();
        for object in 0..1000 {
            limit.came(1000, Duration::from_millis(object), 0, false);
        }
        assert_eq!(limit.now(), FIRST, "workers that are slower than S3 need no more");
    }
}
