//! Words of a test: every text that passes has one of them in it, so that most texts need not be tested at all.

use regex_syntax::hir::{Class, ClassUnicodeRange, Hir, HirKind};
use rsigma_eval::CompiledMatcher;
use rsigma_eval::matcher::GroupMode;
use std::cmp::Reverse;

/// More words than this are no help.
const MOST: usize = 64;

/// Words, in lower case, of which a text must have one to match.
pub(super) fn of_matcher(matcher: &CompiledMatcher) -> Option<Vec<String>> {
    use CompiledMatcher as M;
    match matcher {
        M::Exact { value, .. }
        | M::Contains { value, .. }
        | M::StartsWith { value, .. }
        | M::EndsWith { value, .. } => Some(vec![value.to_lowercase()]),
        M::AhoCorasickSet { needles, .. } => {
            Some(needles.iter().map(|needle| needle.to_lowercase()).collect())
        }
        M::AnyOf(of) | M::CaseInsensitiveGroup { children: of, mode: GroupMode::Any } => {
            let of: Option<Vec<_>> = of.iter().map(of_matcher).collect();
            Some(of?.into_iter().flatten().collect())
        }
        M::AllOf(of) | M::CaseInsensitiveGroup { children: of, mode: GroupMode::All } => {
            of.iter().find_map(of_matcher)
        }
        M::Regex(regex) => of_regex(regex.as_str()),
        M::RegexSetMatch { set, mode: GroupMode::Any } => {
            let of: Option<Vec<_>> = set.patterns().iter().map(|of| of_regex(of)).collect();
            Some(of?.into_iter().flatten().collect())
        }
        _ => None,
    }
}

/// Whether a word is in the spelling of every value that it is in: no number, which has several, and nothing that may
/// stand between the values of a container.
pub(super) fn is_own(word: &str) -> bool {
    let between = |byte| matches!(byte, b'"' | b',' | b':' | b'[' | b']' | b'{' | b'}');
    let of_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e');
    !word.bytes().any(between) && !word.bytes().all(of_number)
}

/// The same of a regular expression, for texts of ASCII alone.
fn of_regex(pattern: &str) -> Option<Vec<String>> {
    of(&regex_syntax::parse(pattern).ok()?)
}

fn of(pattern: &Hir) -> Option<Vec<String>> {
    match pattern.kind() {
        HirKind::Capture(group) => of(&group.sub),
        HirKind::Repetition(repeated) if repeated.min > 0 => of(&repeated.sub),
        HirKind::Alternation(ways) => {
            let words: Option<Vec<Vec<String>>> = ways.iter().map(of).collect();
            let words: Vec<String> = words?.into_iter().flatten().collect();
            (words.len() <= MOST).then_some(words)
        }
        HirKind::Repetition(_) => None,
        HirKind::Concat(parts) => most_telling(parts),
        _ => most_telling(std::slice::from_ref(pattern)),
    }
}

/// Of what stands behind each other, that with the longest words.
fn most_telling(parts: &[Hir]) -> Option<Vec<String>> {
    let (mut found, mut run) = (Vec::new(), String::new());
    for part in parts {
        if let Some(letters) = letters(part) {
            run.push_str(&letters);
            continue;
        }
        found.extend((!run.is_empty()).then(|| vec![std::mem::take(&mut run)]));
        if matches!(
            part.kind(),
            HirKind::Capture(_) | HirKind::Repetition(_) | HirKind::Alternation(_)
        ) {
            found.extend(of(part));
        }
    }
    found.extend((!run.is_empty()).then(|| vec![run]));
    let shortest = |words: &Vec<String>| words.iter().map(String::len).min();
    let letters = |words: &Vec<String>| words.iter().map(String::len).sum::<usize>() / words.len();
    let worth = |words: &Vec<String>| (shortest(words), letters(words), Reverse(words.len()));
    found.into_iter().max_by_key(worth)
}

/// The text that a part always is, in lower case.
fn letters(part: &Hir) -> Option<String> {
    match part.kind() {
        // It takes no room.
        HirKind::Look(_) | HirKind::Empty => Some(String::new()),
        HirKind::Literal(text) => {
            let text = std::str::from_utf8(&text.0).ok().filter(|text| text.is_ascii())?;
            Some(text.to_ascii_lowercase())
        }
        HirKind::Class(Class::Unicode(class)) => {
            // A letter in any case. What else it may be is no letter of ASCII.
            let mut ascii = class.iter().filter(|range| range.start().is_ascii());
            let one = |range: &ClassUnicodeRange| {
                (range.start() == range.end()).then(|| range.start().to_ascii_lowercase())
            };
            let first = one(ascii.next()?)?;
            ascii.all(|range| one(range) == Some(first)).then(|| first.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_words_are_taken() {
        let of = |pattern: &str| of_regex(pattern).map(|words| words.join(" "));
        assert_eq!(of("^arn:.*Admin$").as_deref(), Some("admin"));
        assert_eq!(
            of(r"(?i)(^|/)(\.env|id_(rsa|dsa)|kubeconfig)$").as_deref(),
            Some(".env id_ kubeconfig")
        );
        assert_eq!(of(r"(?i)[^/]*\.(pem|jks)$").as_deref(), Some("pem jks"));
        assert_eq!(of("(ab|c)+x?").as_deref(), Some("ab c"));
        for none in ["x?", "(long|[a-z]+)", ".*", "[ab]", "", "("] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn what_is_matched_has_a_word(
            pattern in r"(\(\?i\))?[ab^$|?+*()\[\].]{0,12}(kit|\.x)?[ab|)]{0,4}",
            text in "[abABkitK.xX]{0,12}",
        ) {
            let Ok(regex) = regex::Regex::new(&pattern) else { return Ok(()) };
            if let (true, Some(words)) = (regex.is_match(&text), of_regex(&pattern)) {
                let lower = text.to_ascii_lowercase();
                prop_assert!(words.iter().any(|word| lower.contains(word)), "{words:?} of {pattern} in {text}");
            }
        }
    }
}
