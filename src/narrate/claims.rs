//! Words that claim: that something succeeded or failed, that it is certain, that it is harmless, who did it. Small
//! fixed lists; a sentence that needs other words to deceive has no facts to cite for them.

use super::lexer::Token;
use super::verbs;
use crate::digest::Verdict;
use crate::model::Outcome;
use std::collections::BTreeSet;

const SUCCESS: [&str; 5] = ["succeeded", "successful", "successfully", "success", "succeeds"];
const DENIAL: [&str; 7] =
    ["denied", "refused", "rejected", "blocked", "unauthorized", "forbidden", "denial"];
const FAILURE: [&str; 7] =
    ["failed", "failing", "unsuccessful", "unsuccessfully", "failure", "failures", "fails"];
/// Words that say that an attempt is only that.
const ATTEMPT: [&str; 9] = [
    "tried",
    "attempted",
    "attempt",
    "attempts",
    "trying",
    "attempting",
    "error",
    "errors",
    "throttled",
];
const NEGATION: [&str; 6] = ["not", "no", "never", "none", "without", "nor"];
const CARRYING: [&str; 7] = ["was", "were", "been", "call", "calls", "of", "it"];
/// Words allowed only under a verdict that bears them.
const CERTAIN: [&str; 8] = [
    "confirmed",
    "definitely",
    "certainly",
    "undoubtedly",
    "proven",
    "proves",
    "conclusively",
    "indisputably",
];
const COMPROMISED: [&str; 3] = ["compromised", "breached", "hacked"];
/// Words that judge, which a sentence without a cite may not.
const JUDGEMENT: [&str; 34] = [
    "benign",
    "legitimate",
    "harmless",
    "innocent",
    "malicious",
    "suspicious",
    "safe",
    "clean",
    "normal",
    "expected",
    "authorized",
    "approved",
    "attack",
    "attacker",
    "attackers",
    "intruder",
    "intrusion",
    "compromise",
    "breach",
    "stolen",
    "exfiltrated",
    "incident",
    "threat",
    "evidence",
    "all",
    "every",
    "ignore",
    "disregard",
    "false",
    "password",
    "action",
    "actions",
    "needed",
    "required",
];
/// Who did it is not in a log; what the law says neither.
const FORBIDDEN: [&str; 18] = [
    "lazarus",
    "scattered",
    "spider",
    "lapsus",
    "shinyhunters",
    "teamtnt",
    "nobelium",
    "kimsuky",
    "hafnium",
    "nation-state",
    "state-sponsored",
    "russian",
    "chinese",
    "korean",
    "iranian",
    "guilty",
    "illegal",
    "criminal",
];

/// What a word says about how things ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Success,
    Denial,
    Failure,
    Attempt,
    /// A past tense that says that something was done.
    Done,
}

#[derive(Debug, Default)]
pub(super) struct Claims(BTreeSet<Claim>);

impl Claims {
    pub(super) fn of(tokens: &[Token]) -> Self {
        let mut claims = BTreeSet::new();
        let mut negated = false;
        for token in tokens {
            let Token::Word(word) = token else {
                negated = false;
                continue;
            };
            claims.extend(claim(word, negated));
            // "was not denied", "no call was denied": the negation reaches over the little words after it.
            let carries = negated && CARRYING.contains(&word.as_str());
            negated = NEGATION.contains(&word.as_str()) || carries;
        }
        Self(claims)
    }

    /// Whether the claims can be true of facts that ended like this. Where the cited facts disagree among
    /// themselves, the sentence may speak of either.
    pub(super) fn fit_outcomes(&self, outcomes: &[Outcome]) -> bool {
        let says = |claim| self.0.contains(&claim);
        let all = |of: fn(&Outcome) -> bool| !outcomes.is_empty() && outcomes.iter().all(of);
        if all(|o| *o == Outcome::Succeeded) {
            return !says(Claim::Denial) && !says(Claim::Failure);
        }
        if all(|o| !matches!(o, Outcome::Succeeded | Outcome::Mixed)) {
            let owns_up = [Claim::Denial, Claim::Failure, Claim::Attempt].into_iter().any(says);
            let denial_fits = !says(Claim::Denial) || outcomes.contains(&Outcome::Denied);
            return !says(Claim::Success) && denial_fits && (owns_up || !says(Claim::Done));
        }
        true
    }
}

fn claim(word: &str, negated: bool) -> Option<Claim> {
    let claim = if SUCCESS.contains(&word) {
        Claim::Success
    } else if DENIAL.contains(&word) {
        Claim::Denial
    } else if FAILURE.contains(&word) {
        Claim::Failure
    } else if ATTEMPT.contains(&word) {
        Claim::Attempt
    } else if verbs::is_accomplishment(word) {
        Claim::Done
    } else {
        return None;
    };
    match claim {
        Claim::Success if negated => Some(Claim::Failure),
        Claim::Denial | Claim::Failure if negated => Some(Claim::Success),
        Claim::Done if negated => None,
        claim => Some(claim),
    }
}

/// Certainty goes no further than the verdict the rules reached.
pub(super) fn fit_verdict(text: &str, tokens: &[Token], verdict: Verdict) -> bool {
    let says = |words: &[&str]| {
        tokens
            .iter()
            .any(|token| matches!(token, Token::Word(word) if words.contains(&word.as_str())))
    };
    let lower = text.to_lowercase();
    let other_verdict =
        Verdict::ALL.iter().any(|other| *other != verdict && lower.contains(other.as_str()));
    !other_verdict
        && (verdict == Verdict::Confirmed || !says(&CERTAIN))
        && (verdict >= Verdict::Likely || !says(&COMPROMISED))
}

pub(super) fn is_judgement(word: &str) -> bool {
    [&SUCCESS[..], &DENIAL, &FAILURE, &NEGATION, &CERTAIN, &COMPROMISED, &JUDGEMENT]
        .iter()
        .any(|list| list.contains(&word))
        || verbs::is_accomplishment(word)
}

pub(super) fn is_forbidden(tokens: &[Token]) -> bool {
    tokens.iter().any(|t| matches!(t, Token::Word(word) if FORBIDDEN.contains(&word.as_str())))
}

/// Reports are plain text: no links, no HTML, no Markdown, nothing that steers a terminal.
pub(super) fn has_markup(text: &str) -> bool {
    let marks = ["<", ">", "`", "](", "://", "www.", "\u{feff}"];
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
    };
    marks.iter().any(|mark| text.contains(mark)) || text.chars().any(hidden)
}

#[cfg(test)]
mod tests {
    use super::super::lexer::lex;
    use super::*;

    fn fits(text: &str, outcomes: &[Outcome]) -> bool {
        Claims::of(&lex(text)).fit_outcomes(outcomes)
    }

    #[test]
    fn polarity_must_match_the_outcome() {
        use Outcome::{Denied, Failed, Mixed, Succeeded};
        assert!(fits("P1 created the user R1.", &[Succeeded]));
        assert!(!fits("P1 created the user R1.", &[Denied]));
        assert!(fits("P1 tried to create R1 and was denied.", &[Denied, Denied]));
        assert!(!fits("The calls were denied.", &[Succeeded]));
        assert!(fits("The calls were not denied.", &[Succeeded]));
        assert!(!fits("The calls were not denied.", &[Denied]));
        assert!(!fits("All calls succeeded.", &[Failed]));
        assert!(fits("No call succeeded.", &[Failed]));
        assert!(!fits("The call was denied.", &[Failed]));
        assert!(fits("It failed, then succeeded.", &[Failed, Succeeded]));
        assert!(fits("Some failed.", &[Mixed]));
        assert!(fits("This matters.", &[Denied]));
        assert!(fits("It failed.", &[]));
    }

    #[test]
    fn certainty_stays_within_the_verdict() {
        let fit = |text: &str, verdict| fit_verdict(text, &lex(text), verdict);
        assert!(!fit("The account was compromised.", Verdict::Suspicious));
        assert!(fit("The account was compromised.", Verdict::Likely));
        assert!(!fit("This proves theft.", Verdict::Likely));
        assert!(!fit("There is no evidence of compromise.", Verdict::Likely));
        assert!(fit("There is no evidence of compromise.", Verdict::NoEvidence));
    }

    #[test]
    fn markup_of_any_kind_is_seen() {
        for text in ["<b>", "see http://x", "![x](y)", "a`b`", "\u{1b}[31m", "\u{202e}x"] {
            assert!(has_markup(text), "{text:?}");
        }
        assert!(!has_markup("plain (text), 5 - 3."));
    }
}
