//! Prose against facts, sentence by sentence. A sentence stays only if everything checkable in it stands in the
//! facts it cites; what an injected or invented claim cannot do is cite. Severity, verdict and numbers are never
//! taken from prose. The offline text passes the same gate.

use super::claims::{self, Claims};
use super::index::Index;
use super::lexer::{Token, lex};
use crate::model::{Checks, Section, Sentence};
use std::collections::BTreeSet;

/// Longer sentences are not sentences; more of them than this is not a report.
const SENTENCE_CHARS_MAX: usize = 900;
const SENTENCES_MAX: usize = 2_000;
const FRAMING_WORDS_MAX: usize = 20;

/// Why a sentence was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Offence {
    TooLong,
    Markup,
    NoCite,
    UnknownCite,
    UnknownIdentifier,
    UnknownNumber,
    Polarity,
    Certainty,
    Forbidden,
}

impl Offence {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "empty or too long",
            Self::Markup => "markup",
            Self::NoCite => "no cite",
            Self::UnknownCite => "unknown cite",
            Self::UnknownIdentifier => "identifier not in the cited facts",
            Self::UnknownNumber => "number not in the cited facts",
            Self::Polarity => "wrong outcome",
            Self::Certainty => "certainty beyond the verdict",
            Self::Forbidden => "attribution",
        }
    }
}

#[derive(Debug)]
pub(super) struct Checked {
    pub(super) sections: Vec<Section>,
    pub(super) checks: Checks,
    /// What was taken out and why, for the log and for tests.
    pub(super) removed: Vec<(String, Offence)>,
}

/// Takes out every sentence the facts do not bear.
#[must_use]
pub(super) fn check(sections: Vec<Section>, index: &Index) -> Checked {
    let mut checks = Checks::default();
    let mut removed = Vec::new();
    let mut kept_sections = Vec::new();
    for section in sections {
        let mut kept = Vec::new();
        for sentence in section.sentences {
            checks.sentences += 1;
            let over = checks.sentences > SENTENCES_MAX as u64;
            match if over { Some(Offence::TooLong) } else { offence(&sentence, index) } {
                None => {
                    checks.grounded += u64::from(!sentence.cites.is_empty());
                    kept.push(sentence);
                }
                Some(offence) => {
                    checks.removed += 1;
                    removed.push((sentence.text, offence));
                }
            }
        }
        if !kept.is_empty() {
            kept_sections.push(Section { title: section.title, sentences: kept });
        }
    }
    Checked { sections: kept_sections, checks, removed }
}

/// The first thing wrong with a sentence.
#[must_use]
pub(super) fn offence(sentence: &Sentence, index: &Index) -> Option<Offence> {
    let text = &sentence.text;
    if text.trim().is_empty() || text.chars().count() > SENTENCE_CHARS_MAX {
        return Some(Offence::TooLong);
    }
    if sentence.cites.iter().any(|cite| !index.has(cite)) {
        return Some(Offence::UnknownCite);
    }
    // A title or a remedy quoted word by word is the program's own text; only what is around it can be wrong.
    let said = index.without_quotes(text, &sentence.cites);
    if claims::has_markup(&said) {
        return Some(Offence::Markup);
    }
    let tokens = lex(&said);
    if claims::is_forbidden(&tokens) {
        return Some(Offence::Forbidden);
    }
    if sentence.cites.is_empty() {
        return (!is_framing(&tokens)).then_some(Offence::NoCite);
    }
    let known = index.closure(&sentence.cites);
    if tokens.iter().any(|token| !identifier_is_known(token, &known)) {
        return Some(Offence::UnknownIdentifier);
    }
    if tokens.iter().any(|token| !number_is_known(token, &known)) {
        return Some(Offence::UnknownNumber);
    }
    let claims = Claims::of(&tokens);
    if !claims.fit_outcomes(&index.outcomes(&sentence.cites)) {
        return Some(Offence::Polarity);
    }
    (!claims::fit_verdict(&said, &tokens, index.verdict())).then_some(Offence::Certainty)
}

/// A sentence that only leads over to the next: nothing in it can be checked, so nothing in it may be claimed.
fn is_framing(tokens: &[Token]) -> bool {
    tokens.len() <= FRAMING_WORDS_MAX
        && tokens
            .iter()
            .all(|token| matches!(token, Token::Word(word) if !claims::is_judgement(word)))
}

/// What a set of cited facts allows a sentence to say.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) words: BTreeSet<String>,
    pub(super) numbers: BTreeSet<u64>,
    pub(super) percents: BTreeSet<u64>,
}

fn identifier_is_known(token: &Token, known: &Known) -> bool {
    let Token::Identifier(word) = token else {
        return true;
    };
    if known.words.contains(word) {
        return true;
    }
    // `iam:CreateUser` where the facts hold both halves, `F1-F3` where they hold both ends.
    let both_known = |between: char| {
        let mut parts = word.split(between).filter(|part| !part.is_empty());
        word.contains(between) && parts.all(|part| known.words.contains(part))
    };
    !word.starts_with("arn:") && (both_known(':') || both_known('-'))
}

fn number_is_known(token: &Token, known: &Known) -> bool {
    match token {
        Token::Number(number) => known.numbers.contains(number),
        Token::Percent(percent) => known.percents.contains(percent),
        _ => true,
    }
}
