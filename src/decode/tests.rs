//! The structure of a text, by AVX-512 and by simd-json, and what comes of it.

#![cfg(target_arch = "x86_64")]

use super::grammar::{Grammar, Spans};
use super::structurals::Structurals;
use proptest::prelude::*;

/// What makes a difference, in pieces that are put together at random.
const PIECES: [&[u8]; 28] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\"",
    b"\"",
    b"\"a\"",
    b"\"key\":",
    b"\\",
    b"\\\\",
    b"\\\"",
    b"\\u00e9",
    b" ",
    b"\t",
    b"\n",
    b"\r",
    b"\x00",
    b"\x0c",
    b"\x1a",
    b"\x7f",
    b"true",
    b"-1.5e3",
    b"\xc3\xa9",
    b"\xe2\x82\xac",
    b"\xff",
    b"a text that reaches from one block into the next, and far",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn structure_is_found_alike_on_every_processor(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..90),
        quiet in any::<bool>(),
    ) {
        // Half of them without what is refused: most of the others are.
        let refused: [&[u8]; 6] = [b"\"", b"\x00", b"\x0c", b"\x1a", b"\xff", b"\\"];
        let kept = pieces.iter().filter(|p| !quiet || !refused.contains(p));
        // At a bracket simd-json stops; it would read on to the end of anything else.
        let text = [&b"["[..]].into_iter().chain(kept.copied()).flatten().copied().collect::<Vec<u8>>();
        let mut found = Vec::new();
        #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
        let Some(result) = super::avx512::find(&text, &mut found) else {
            eprintln!("skipped structure_is_found_alike_on_every_processor: this processor has no AVX-512");
            return Ok(());
        };
        let found = result.map(|()| found);
        // A form feed and what is a colon but for one bit are refused later, as one thing or another.
        let odd = text.iter().any(|byte| matches!(byte, 0x0c | 0x1a));
        let verdict = |found: &Result<Vec<u32>, _>| found.as_ref().ok().map(|found| is_json(&text, found));
        let mut structurals = Structurals::default();
        let expected = structurals.find_anywhere(&mut text.clone()).map(<[u32]>::to_vec);
        if odd {
            prop_assert_eq!(verdict(&found), verdict(&expected));
        } else {
            prop_assert_eq!(found, expected);
        }
    }
}

fn is_json(text: &[u8], structurals: &[u32]) -> bool {
    let mut spans = Spans::default();
    spans.make_room(structurals.len());
    let text = std::str::from_utf8(text).unwrap();
    Grammar::new(text, structurals, 128, &mut Vec::new()).document(&spans).is_ok()
}

/// A string that is a whole text is given back as it stood.
#[test]
fn a_text_that_is_one_string_stays_as_it_is() {
    let mut text = "\"\\n\u{20ac}\u{20ac}\"".as_bytes().to_vec();
    let before = text.clone();
    let _ = Structurals::default().find_anywhere(&mut text);
    assert_eq!(text, before);
}
