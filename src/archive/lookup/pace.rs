//! How often the API may be asked: evenly, so that the limit is never reached.

use std::sync::Mutex;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// One for each region: LookupEvents allows an account two requests a second in each of them.
pub(super) struct Pace {
    interval: Duration,
    began: Instant,
    /// The first moment, since it began, that nobody has taken.
    free: Mutex<Duration>,
}

impl Pace {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, began: Instant::now(), free: Mutex::new(Duration::ZERO) }
    }

    /// Returns when it is the caller's turn.
    pub(super) async fn turn(&self) {
        let at = {
            let mut free = self.free.lock().expect("nobody panics with the lock");
            take(&mut free, self.began.elapsed(), self.interval)
        };
        sleep_until(self.began + at).await;
    }
}

/// The moment that whoever asks at `now` gets.
fn take(free: &mut Duration, now: Duration, interval: Duration) -> Duration {
    let at = now.max(*free);
    *free = at + interval;
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_than_two_turns_however_they_are_asked_for() {
        let millis = Duration::from_millis;
        let mut free = Duration::ZERO;
        // A burst, a pause, a trickle, a burst.
        let asked = [0, 0, 0, 0, 0, 4000, 4100, 4900, 5050, 5050, 5050, 9000];
        let turns: Vec<Duration> =
            asked.iter().map(|&ms| take(&mut free, millis(ms), millis(500))).collect();
        let expected = [0, 500, 1000, 1500, 2000, 4000, 4500, 5000, 5500, 6000, 6500, 9000];
        assert_eq!(turns, expected.map(millis));
        for turn in &turns {
            let within = turns.iter().filter(|t| *t >= turn && **t < *turn + millis(1000));
            assert!(within.count() <= 2);
        }
    }
}
