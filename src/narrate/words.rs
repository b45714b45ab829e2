//! How times, numbers and lists read in English.

use crate::model::Outcome;

/// `12,345`.
#[must_use]
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 call`, `2,000 calls`.
#[must_use]
pub(super) fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", number(n), if n == 1 { "" } else { "s" })
}

/// `a, b and c`.
#[must_use]
pub(super) fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// A stretch of time, with the date once where once is enough.
#[must_use]
pub(super) fn when(first: &str, last: &str) -> String {
    if first == last {
        return format!("at {}", moment(first));
    }
    match (date_and_clock(first), date_and_clock(last)) {
        (Some((date, from)), Some((same, to))) if date == same => {
            format!("between {from} and {to} UTC on {date}")
        }
        _ => format!("between {} and {}", moment(first), moment(last)),
    }
}

/// `2024-05-03 10:00:00 UTC`.
#[must_use]
pub(super) fn moment(time: &str) -> String {
    date_and_clock(time)
        .map_or_else(|| time.to_owned(), |(date, clock)| format!("{date} {clock} UTC"))
}

fn date_and_clock(time: &str) -> Option<(&str, &str)> {
    time.strip_suffix('Z')?.split_once('T')
}

/// How calls ended, as an end of a sentence.
#[must_use]
pub(super) fn ended(outcome: Outcome, n: u64) -> &'static str {
    match (outcome, n) {
        (Outcome::Succeeded, 1) => "it succeeded",
        (Outcome::Succeeded, _) => "all succeeded",
        (Outcome::Denied, 1) => "it was denied",
        (Outcome::Denied, _) => "all were denied",
        (Outcome::NotFound, 1) => "it failed, as the target was not found",
        (Outcome::NotFound, _) => "all failed, as the targets were not found",
        (Outcome::Throttled, 1) => "it was throttled",
        (Outcome::Throttled, _) => "all were throttled",
        (Outcome::Invalid, 1) => "it failed as an invalid request",
        (Outcome::Invalid, _) => "all failed as invalid requests",
        (Outcome::Failed, 1) => "it failed",
        (Outcome::Failed, _) => "all failed",
        (Outcome::DryRun, 1) => "it was a dry run, which changes nothing",
        (Outcome::DryRun, _) => "all were dry runs, which change nothing",
        (Outcome::Mixed, _) => "some succeeded and some failed",
    }
}

/// Ends a sentence that may have ended already.
#[must_use]
pub(super) fn stop(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_well() {
        assert_eq!(counted(1, "call"), "1 call");
        assert_eq!(counted(1_234_567, "call"), "1,234,567 calls");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(
            when("2024-05-03T10:00:00Z", "2024-05-03T11:00:00Z"),
            "between 10:00:00 and 11:00:00 UTC on 2024-05-03"
        );
        assert_eq!(
            when("2024-05-03T10:00:00Z", "2024-05-04T11:00:00Z"),
            "between 2024-05-03 10:00:00 UTC and 2024-05-04 11:00:00 UTC"
        );
        assert_eq!(when("out-of-range", "out-of-range"), "at out-of-range");
    }
}
