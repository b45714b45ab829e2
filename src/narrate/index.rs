//! The digest as the checker needs it: for every fact, the words, numbers and outcome a sentence citing it may use.

use super::check::Known;
use super::lexer::{Token, lex};
use crate::digest::{Digest, Verdict};
use crate::model::Outcome;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Fields that name other facts which a cite of this one covers too.
const LINKS: [&str; 5] = ["because", "findings", "ev", "steps", "gaps"];
/// Fields of our own prose and of rules, which a sentence may quote whole.
const QUOTED: [&str; 4] = ["title", "rule", "remedy", "text"];
/// A shorter text is not a quotation but a coincidence.
const QUOTE_MIN: usize = 4;
/// The scale of risk scores, which no fact repeats.
const RISK_SCALE: u64 = 100;

#[derive(Debug, Default)]
struct Entry {
    words: BTreeSet<String>,
    numbers: BTreeSet<u64>,
    percents: BTreeSet<u64>,
    quotes: Vec<String>,
    links: Vec<String>,
    count: Option<u64>,
    outcome: Option<Outcome>,
}

#[derive(Debug)]
pub(super) struct Index {
    entries: BTreeMap<String, Entry>,
    verdict: Verdict,
}

impl Index {
    /// # Panics
    /// Never: facts have string keys and finite numbers.
    #[must_use]
    pub(super) fn new(digest: &Digest) -> Self {
        let facts = serde_json::to_value(&digest.facts).expect("facts serialize");
        let mut entries = BTreeMap::new();
        let rows = facts.as_object().into_iter().flatten().flat_map(|(_, part)| match part {
            Value::Array(rows) => rows.as_slice(),
            one => std::slice::from_ref(one),
        });
        for fact in rows {
            if let Some(id) = fact.get("id").and_then(Value::as_str) {
                entries.insert(id.to_owned(), Entry::of(id, fact));
            }
        }
        // A principal without a fact of its own is still known by its kind.
        for (token, kind) in &digest.facts.legend {
            if token.starts_with('P') && !entries.contains_key(token) {
                let fact = serde_json::json!({"id": token, "kind": kind});
                entries.insert(token.clone(), Entry::of(token, &fact));
            }
        }
        Self { entries, verdict: digest.facts.verdict.verdict }
    }

    #[must_use]
    pub(super) fn has(&self, id: &str) -> bool {
        self.entries.contains_key(id)
    }

    #[must_use]
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How the cited facts ended, where they are about calls.
    #[must_use]
    pub(super) fn outcomes(&self, cites: &[String]) -> Vec<Outcome> {
        cites.iter().filter_map(|id| self.entries.get(id)?.outcome).collect()
    }

    /// The text without what it quotes from the facts it cites.
    #[must_use]
    pub(super) fn without_quotes(&self, text: &str, cites: &[String]) -> String {
        let mut quotes: Vec<&String> =
            cites.iter().filter_map(|id| self.entries.get(id)).flat_map(|e| &e.quotes).collect();
        quotes.sort_by_key(|quote| std::cmp::Reverse(quote.len()));
        quotes.iter().fold(text.to_owned(), |text, quote| without(&text, quote))
    }

    /// Everything the cited facts and the facts they stand on allow a sentence to say.
    #[must_use]
    pub(super) fn closure(&self, cites: &[String]) -> Known {
        let mut known = Known::default();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = cites.iter().map(String::as_str).collect();
        while let Some(id) = open.pop() {
            let Some(entry) = self.entries.get(id).filter(|_| seen.insert(id)) else {
                continue;
            };
            known.words.extend(entry.words.iter().cloned());
            known.numbers.extend(&entry.numbers);
            known.percents.extend(&entry.percents);
            open.extend(entry.links.iter().map(String::as_str));
        }
        known.numbers.extend(self.derived(cites));
        known
    }

    /// Numbers that follow from the cited facts: how many there are of a kind, and the sum of their counts.
    fn derived(&self, cites: &[String]) -> Vec<u64> {
        let mut of_kind: BTreeMap<char, u64> = BTreeMap::new();
        let mut sum_of_kind: BTreeMap<char, u64> = BTreeMap::new();
        for id in cites.iter().collect::<BTreeSet<_>>() {
            let Some(kind) = id.chars().next() else {
                continue;
            };
            *of_kind.entry(kind).or_default() += 1;
            let count = self.entries.get(id).and_then(|entry| entry.count);
            *sum_of_kind.entry(kind).or_default() += count.unwrap_or(0);
        }
        of_kind.into_values().chain(sum_of_kind.into_values()).collect()
    }
}

/// The text without a quote where it stands by itself and is no part of a longer word.
fn without(text: &str, quote: &str) -> String {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_:-@/".contains(c));
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(quote) {
        let (before, after) = (&rest[..at], &rest[at + quote.len()..]);
        out.push_str(before);
        let inside = joins(out.chars().next_back()) || joins(after.chars().next());
        out.push_str(if inside { quote } else { " " });
        rest = after;
    }
    out + rest
}

impl Entry {
    fn of(id: &str, fact: &Value) -> Self {
        let mut entry = Self::default();
        entry.words.insert(id.to_owned());
        entry.read("", fact);
        let number = |key: &str| fact.get(key).and_then(Value::as_u64);
        entry.count = number("n");
        entry.outcome = fact.get("outcome").and_then(Value::as_str).and_then(Outcome::parse);
        if let (Some(denied), Some(all)) = (number("denied"), number("n").or(number("events"))) {
            // Rounded either way: 12.5 % may be called 12 or 13.
            let percent = denied * 100 / all.max(1);
            entry.percents.extend([percent, percent + u64::from(denied * 100 % all.max(1) > 0)]);
        }
        if fact.get("risk").is_some() {
            entry.numbers.insert(RISK_SCALE);
        }
        entry
    }

    fn read(&mut self, key: &str, value: &Value) {
        match value {
            Value::String(text) => self.read_text(key, text),
            Value::Number(number) => self.numbers.extend(number.as_u64()),
            Value::Array(rows) => {
                // A list may be counted.
                self.numbers.insert(rows.len() as u64);
                for row in rows {
                    self.read(key, row);
                }
            }
            Value::Object(fields) => {
                for (key, field) in fields {
                    self.words.insert(key.clone());
                    self.read(key, field);
                }
            }
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn read_text(&mut self, key: &str, text: &str) {
        if LINKS.contains(&key) {
            self.links.push(text.to_owned());
        }
        if QUOTED.contains(&key) && text.len() >= QUOTE_MIN {
            self.quotes.push(text.to_owned());
        }
        self.words.insert(text.to_owned());
        let parts = text.strip_suffix('Z').and_then(|time| time.split_once('T'));
        if let Some((date, clock)) =
            parts.filter(|(date, clock)| (date.len(), clock.len()) == (10, 8))
        {
            // A time may be given in parts: the date, and the clock to the second or the minute.
            self.words.extend([date.to_owned(), clock.to_owned()]);
            self.words.extend(clock.get(..5).map(str::to_owned));
            return;
        }
        for token in lex(text) {
            match token {
                Token::Identifier(word) => {
                    self.words.extend(word.split(':').map(str::to_owned));
                    self.words.insert(word);
                }
                Token::Word(word) => drop(self.words.insert(word)),
                Token::Number(number) => self.numbers.extend([number]),
                Token::Percent(percent) => self.percents.extend([percent]),
            }
        }
    }
}
