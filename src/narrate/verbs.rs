//! What an API call does, in plain words: past tense for what happened, base form for what was only tried. The words
//! stand in `verbs.txt`.

use super::words::{counted, list, number};
use std::sync::LazyLock;

#[derive(Debug, Clone, Copy)]
struct Verb {
    call: &'static str,
    past: &'static str,
    base: &'static str,
    with_target: &'static str,
    without_target: &'static str,
}

static VERBS: LazyLock<Vec<Verb>> = LazyLock::new(|| {
    let rows = include_str!("verbs.txt").lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let mut words = row.split(" | ");
        let mut word = || words.next().expect("five columns, as a test checks");
        Verb {
            call: word(),
            past: word(),
            base: word(),
            with_target: word(),
            without_target: word(),
        }
    })
    .collect()
});

/// A call as a reader says it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    pub(super) past: &'static str,
    pub(super) base: &'static str,
    pub(super) object: String,
}

/// Says what a call does; a call without an entry is named.
#[must_use]
pub(super) fn phrase(service: &str, call: &str, target: &str) -> Phrase {
    // Lambda puts the version of its API into the name.
    let plain = call.trim_end_matches(|c: char| c.is_ascii_digit() || c == 'v');
    let Some(verb) = find(call).or_else(|| find(plain)) else {
        let on = if target.is_empty() { String::new() } else { format!(" on {target}") };
        return Phrase { past: "called", base: "call", object: format!("{service}:{call}{on}") };
    };
    let object = if target.is_empty() {
        verb.without_target.to_owned()
    } else {
        verb.with_target.replace("{}", target)
    };
    Phrase { past: verb.past, base: verb.base, object }
}

/// Kinds of calls that are named one by one.
const NAMED: usize = 3;

/// Says a step of different calls, most frequent first.
#[must_use]
pub(super) fn several(calls: u64, names: &[String]) -> Phrase {
    let calls = counted(calls, "call");
    let object = match names.len() {
        0 => format!("{calls} of different kinds"),
        1..=NAMED => format!("{calls}: {}", list(names)),
        n => {
            let first = names[..NAMED].join(", ");
            format!("{calls} of {} kinds ({first} and others)", number(n as u64))
        }
    };
    Phrase { past: "made", base: "make", object }
}

fn find(call: &str) -> Option<&'static Verb> {
    VERBS.binary_search_by_key(&call, |verb| verb.call).ok().map(|at| &VERBS[at])
}

/// Whether a word is a past tense that claims that something was done.
pub(super) fn is_accomplishment(word: &str) -> bool {
    VERBS.iter().any(|verb| verb.past == word && word != "asked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_object_has_its_place() {
        assert!(VERBS.is_sorted_by(|a, b| a.call < b.call));
        for verb in VERBS.iter() {
            assert_eq!(verb.with_target.matches("{}").count(), 1, "{verb:?}");
            assert!(!verb.without_target.contains(['{', '|']), "{verb:?}");
        }
    }

    #[test]
    fn known_calls_are_told_and_others_named() {
        let told = phrase("iam", "CreateAccessKey", "R1");
        assert_eq!((told.past, told.object.as_str()), ("created", "an access key for R1"));
        assert_eq!(phrase("lambda", "CreateFunction20150331", "").object, "a function");
        assert_eq!(phrase("x", "Frob", "").object, "x:Frob");
        assert_eq!(phrase("x", "Frob", "R2").object, "x:Frob on R2");
    }
}
