//! `report.html`: one file that asks nothing of any host, so it can be opened on an isolated machine and mailed around.
//!
//! Log text reaches the page through one formatter that shows acting characters and escapes markup; the page's own style
//! and script are named by hash in its content security policy, so markup that slipped through could still not run.

mod activity;
mod controls;
mod view;

use super::{escape, layout};
use crate::model::{Report, Timestamp};
use controls::ControlsView;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, Output, State};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use view::View;

const TEMPLATE: &str = include_str!("report.html.j2");
const CONTROLS_PAGE: &str = include_str!("controls.html.j2");
const CONTROLS_PART: &str = include_str!("controls.j2");
const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

#[must_use]
pub(super) fn render(report: &Report) -> String {
    page(TEMPLATE, View::of(report))
}

/// The controls of CIS AWS Foundations as a page of their own.
#[must_use]
pub(super) fn controls(report: &Report) -> String {
    page(CONTROLS_PAGE, ControlsView::of(report))
}

fn page(template: &str, view: impl Serialize) -> String {
    const OURS: &str = "the template is part of the program";
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    env.set_syntax(syntax.expect("the delimiters are the usual ones"));
    env.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_formatter(format_value);
    env.add_filter("number", layout::number);
    env.add_filter("clock", |at: &str| {
        Timestamp::parse(at).map_or_else(String::new, layout::clock)
    });
    env.add_filter("short", |text: &str| escape::shorten(text).into_owned());
    env.add_global("style", Value::from_safe_string(STYLE.to_owned()));
    env.add_global("script", Value::from_safe_string(SCRIPT.to_owned()));
    env.add_global("policy", policy());
    env.add_template("controls", CONTROLS_PART).expect(OURS);
    env.add_template("page", template).expect(OURS);
    let template = env.get_template("page").expect("it was added above");
    template.render(Serde(view)).expect("every field of the view is always there")
}

/// The one way out for values: all but our own style and script are text, whoever wrote them.
fn format_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => {
            let shown = Value::from(escape::visible(text).into_owned());
            minijinja::escape_formatter(out, state, &shown)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", base64(&Sha256::digest(text.as_bytes())));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let used = place <= chunk.len();
            out.push(if used { char::from(ALPHABET[bits >> (18 - 6 * place) & 63]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_browsers_expect() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (from, to) in cases {
            assert_eq!(base64(from.as_bytes()), to);
        }
    }

    #[test]
    fn style_and_script_cannot_end_their_elements() {
        assert!(!STYLE.contains("</") && !SCRIPT.contains("</") && !SCRIPT.contains("<!--"));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
