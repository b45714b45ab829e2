//! Names out of the log, for a model, when the user asked for them: cut to plain short text, without identifiers,
//! and withheld altogether where they read like instructions.

use super::pseudonym::{Legend, shorten};
use std::collections::BTreeMap;

const STRING_MAX: usize = 80;
const WITHHELD: &str = "withheld: reads like instructions";
/// Parts of words that a resource name hardly needs and an injection hardly does without.
const INSTRUCTIONS: [&str; 14] = [
    "ignore",
    "disregard",
    "forget",
    "instruct",
    "prompt",
    "system:",
    "assistant",
    "you are",
    "you must",
    "http:",
    "https:",
    "www.",
    "summar",
    "report",
];

pub(super) fn of(legend: &mut Legend) -> BTreeMap<String, String> {
    let named: Vec<(String, String)> = legend.names();
    named.into_iter().map(|(token, name)| (token, said(legend, &name))).collect()
}

/// Homoglyphs and hidden characters are not worth folding: only printable ASCII passes.
fn said(legend: &mut Legend, name: &str) -> String {
    let ascii: String =
        name.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    let lower = ascii.to_ascii_lowercase();
    let squeezed: String =
        lower.chars().map(|c| if b"_-./".contains(&(c as u8)) { ' ' } else { c }).collect();
    if INSTRUCTIONS.iter().any(|part| lower.contains(part) || squeezed.contains(part)) {
        return WITHHELD.to_owned();
    }
    shorten(&legend.prose(&ascii, STRING_MAX), STRING_MAX)
}
