//! What a model answers: JSON of a fixed shape, or nothing. Section titles are ours, so that a title cannot claim
//! anything; an answer in another shape is an error, not a puzzle.

use super::{FURTHER, TITLES};
use crate::digest::clean;
use crate::model::{Section, Sentence};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    sections: Vec<AnsweredSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnsweredSection {
    title: String,
    sentences: Vec<AnsweredSentence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnsweredSentence {
    text: String,
    #[serde(default)]
    cites: Vec<String>,
}

/// Reads an answer; the sections come in the order of the report, those of one title as one.
///
/// # Errors
/// When it is not JSON of the shape asked for.
pub(super) fn parse(answer: &str) -> Result<Vec<Section>, String> {
    let answer: Answer =
        serde_json::from_str(without_fence(answer)).map_err(|error| error.to_string())?;
    let mut sections: Vec<Section> = TITLES
        .iter()
        .chain([&FURTHER])
        .map(|title| Section { title: (*title).to_owned(), sentences: Vec::new() })
        .collect();
    for section in answer.sections {
        let asked = section.title.trim();
        let at = sections
            .iter()
            .position(|known| known.title.eq_ignore_ascii_case(asked))
            .unwrap_or(sections.len() - 1);
        sections[at].sentences.extend(section.sentences.iter().map(sentence));
    }
    sections.retain(|section| !section.sentences.is_empty());
    Ok(sections)
}

/// Models like to wrap JSON in a Markdown fence.
fn without_fence(answer: &str) -> &str {
    let inner = answer.trim();
    let Some(inner) = inner.strip_prefix("```") else {
        return inner;
    };
    let inner = inner.strip_prefix("json").unwrap_or(inner);
    inner.strip_suffix("```").unwrap_or(inner).trim()
}

fn sentence(answered: &AnsweredSentence) -> Sentence {
    let brackets = |c: char| c == '[' || c == ']' || c.is_whitespace();
    Sentence {
        text: clean_spaces(&answered.text),
        cites: answered.cites.iter().map(|c| c.trim_matches(brackets).to_owned()).collect(),
    }
}

/// Line breaks become spaces; markup stays, for the checker to find.
fn clean_spaces(text: &str) -> String {
    let text: Vec<&str> = text.split_whitespace().collect();
    text.join(" ")
}

/// A model's own words in a message of ours: short and harmless.
#[must_use]
pub(super) fn excerpt(text: &str) -> String {
    crate::digest::shorten(&clean(text), 120)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_come_in_our_order_under_our_titles() {
        let answer = r#"```json
            {"sections": [
                {"title": "All is well", "sentences": [{"text": "a\n b", "cites": ["[F1]"]}]},
                {"title": "actors", "sentences": [{"text": "c"}]},
                {"title": "Executive summary", "sentences": [{"text": "d", "cites": []}]}
            ]}
        ```"#;
        let sections = parse(answer).unwrap();
        let titles: Vec<&str> = sections.iter().map(|s| s.title.as_str()).collect();
        assert_eq!(titles, ["Executive summary", "Actors", "Further observations"]);
        assert_eq!(sections[2].sentences[0].text, "a b");
        assert_eq!(sections[2].sentences[0].cites, ["F1"]);
    }

    #[test]
    fn any_other_shape_is_an_error() {
        for answer in [
            "",
            "Here is the report.",
            "{}",
            r#"{"sections": [{"title": 1}]}"#,
            r#"{"sections": [], "verdict": "x"}"#,
        ] {
            assert!(parse(answer).is_err(), "{answer}");
        }
    }
}
