//! Facts to prose. The offline narrator is always there; a model may write instead when the user asked for one, and
//! whatever it writes passes the checker or is not printed. Nothing here can fail: a model that does is replaced.

mod answer;
#[cfg(feature = "bedrock")]
mod bedrock;
mod check;
mod claims;
mod describe;
mod index;
mod lexer;
mod offline;
#[cfg(test)]
mod tests;
mod verbs;
mod words;

use crate::digest::Digest;
use crate::model::narrative::NarratorKind;
use crate::model::{Checks, Narrative, Section, Severity};
use check::Checked;
use index::Index;
use std::collections::{BTreeMap, BTreeSet};

const SUMMARY: &str = "Executive summary";
const STORY: &str = "What happened";
const FINDINGS: &str = "Findings that matter";
const UNUSUAL: &str = "Unusual access patterns";
const ACTORS: &str = "Actors";
const COVERAGE: &str = "Coverage and blind spots";
const ACTIONS: &str = "Recommended actions";
/// Where a model's sentences under a title of its own go.
const FURTHER: &str = "Further observations";
const TITLES: [&str; 7] = [SUMMARY, STORY, FINDINGS, UNUSUAL, ACTORS, COVERAGE, ACTIONS];

/// A profile in front of the id, since base ids often refuse on-demand use.
pub const DEFAULT_MODEL: &str = "global.anthropic.claude-sonnet-5-5";

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// Offline, unless a model was named.
    #[default]
    Auto,
    Offline,
    Bedrock,
}

/// Fixed credentials in place of the usual chain, for a caller that brings its own.
#[derive(Clone)]
pub struct StaticKeys {
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl std::fmt::Debug for StaticKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StaticKeys(..)")
    }
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub narrator: Choice,
    pub model_id: Option<String>,
    pub region: Option<String>,
    pub max_tokens: u32,
    /// Not sent unless set: some models take only their own default.
    pub temperature: Option<f32>,
    /// The user's own instructions, told to the model after ours.
    pub prompt: Option<String>,
    pub endpoint_url: Option<String>,
    pub profile: Option<String>,
    /// For the whole call, retries included.
    pub timeout_seconds: u64,
    pub credentials: Option<StaticKeys>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            narrator: Choice::Auto,
            model_id: None,
            region: None,
            max_tokens: 8_000,
            temperature: None,
            prompt: None,
            endpoint_url: None,
            profile: None,
            timeout_seconds: 300,
            credentials: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Outcome {
    pub narrative: Narrative,
    /// Who was asked and who wrote, for `run.narrator`.
    pub used: String,
    pub warnings: Vec<String>,
}

/// Why a model did not write the narrative.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    /// A short kind, as in `AccessDeniedException`.
    kind: String,
    message: String,
    hint: String,
}

/// Writes the narrative of a digest.
#[must_use]
pub fn narrate(digest: &Digest, settings: &Settings) -> Outcome {
    let asked = match settings.narrator {
        Choice::Auto => settings.model_id.is_some(),
        Choice::Offline => false,
        Choice::Bedrock => true,
    };
    let index = Index::new(digest);
    if !asked {
        return by_templates(digest, &index, "offline".to_owned(), Vec::new());
    }
    match by_model(digest, &index, settings) {
        Ok(outcome) => outcome,
        Err(Failure { kind, message, hint }) => {
            let used = format!("bedrock: failed ({kind}), offline used");
            let warning = format!(
                "bedrock: {message} ({kind}); the offline narrative was used; hint: {hint}"
            );
            by_templates(digest, &index, used, vec![warning])
        }
    }
}

fn by_templates(digest: &Digest, index: &Index, used: String, warnings: Vec<String>) -> Outcome {
    let checked = check::check(offline::write(&digest.facts), index);
    Outcome { narrative: publish(digest, checked, NarratorKind::Offline, None), used, warnings }
}

fn by_model(digest: &Digest, index: &Index, settings: &Settings) -> Result<Outcome, Failure> {
    let model = settings.model_id.as_deref().unwrap_or(DEFAULT_MODEL);
    let text = ask(model, digest, settings)?;
    let sections = answer::parse(&text).map_err(|error| Failure {
        kind: "UnreadableAnswer".to_owned(),
        message: format!(
            "the answer of {model} is not the JSON asked for: {}",
            answer::excerpt(&error)
        ),
        hint: "run again, or name another model with --model-id".to_owned(),
    })?;
    let mut checked = check::check(sections, index);
    let checks = checked.checks.clone();
    if checks.grounded == 0 || checks.removed * 2 > checks.sentences {
        return Err(Failure {
            kind: "UngroundedAnswer".to_owned(),
            message: format!(
                "{} of {} sentences of {model} are not borne out by the facts",
                checks.removed, checks.sentences
            ),
            hint: "run again, or name another model with --model-id".to_owned(),
        });
    }
    complete(digest, &mut checked);
    let warnings = removal_warning(model, &checks, &checked).into_iter().collect();
    let narrative = publish(digest, checked, NarratorKind::Bedrock, Some(model.to_owned()));
    Ok(Outcome { narrative, used: format!("bedrock ({model})"), warnings })
}

fn removal_warning(model: &str, checks: &Checks, checked: &Checked) -> Option<String> {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, offence) in &checked.removed {
        *reasons.entry(offence.as_str()).or_default() += 1;
    }
    let reasons: Vec<String> =
        reasons.into_iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
    (checks.removed > 0).then(|| {
        let (removed, all) = (checks.removed, checks.sentences);
        format!(
            "bedrock: {removed} of {all} sentences of {model} were removed, as the facts do not bear them ({})",
            reasons.join(", ")
        )
    })
}

#[cfg(feature = "bedrock")]
fn ask(model: &str, digest: &Digest, settings: &Settings) -> Result<String, Failure> {
    bedrock::converse(model, &digest.json, settings)
}

#[cfg(not(feature = "bedrock"))]
fn ask(_: &str, _: &Digest, _: &Settings) -> Result<String, Failure> {
    Err(Failure {
        kind: "NotBuiltIn".to_owned(),
        message: "this build cannot call a model".to_owned(),
        hint: "build with the feature `bedrock`, or use --narrator offline".to_owned(),
    })
}

/// What a model may not leave out or change: the verdict on top, every serious finding, and what to contain.
fn complete(digest: &Digest, checked: &mut Checked) {
    let cited: BTreeSet<&String> =
        checked.sections.iter().flat_map(|s| &s.sentences).flat_map(|s| &s.cites).collect();
    let missing: Vec<_> = digest
        .facts
        .findings
        .iter()
        .filter(|fact| fact.severity >= Severity::High && !cited.contains(&fact.id))
        .flat_map(describe::finding)
        .collect();
    checked.checks.sentences += 1 + missing.len() as u64;
    checked.checks.grounded += 1 + missing.len() as u64;
    section(&mut checked.sections, SUMMARY).sentences.insert(0, offline::verdict(&digest.facts));
    if !missing.is_empty() {
        section(&mut checked.sections, FINDINGS).sentences.extend(missing);
    }
    let contain: Vec<_> = digest.facts.actors.iter().filter_map(describe::containment).collect();
    checked.checks.sentences += contain.len() as u64;
    checked.checks.grounded += contain.len() as u64;
    if !contain.is_empty() {
        section(&mut checked.sections, ACTIONS).sentences.splice(0..0, contain);
    }
}

/// The section of a title, made at its place where it is missing.
fn section<'a>(sections: &'a mut Vec<Section>, title: &str) -> &'a mut Section {
    let place =
        |title: &str| TITLES.iter().position(|known| *known == title).unwrap_or(TITLES.len());
    let at = sections.partition_point(|section| place(&section.title) < place(title));
    if sections.get(at).is_none_or(|section| section.title != title) {
        sections.insert(at, Section { title: title.to_owned(), sentences: Vec::new() });
    }
    &mut sections[at]
}

/// Puts the real names back and says what the cites refer to.
fn publish(
    digest: &Digest,
    checked: Checked,
    source: NarratorKind,
    model: Option<String>,
) -> Narrative {
    let mut sections = checked.sections;
    let mut references = BTreeMap::new();
    for sentence in sections.iter_mut().flat_map(|section| &mut section.sentences) {
        sentence.text = digest.legend.reveal(&sentence.text);
        for cite in &sentence.cites {
            if let Some(id) = digest.legend.reference(cite) {
                references.insert(cite.clone(), id.to_owned());
            }
        }
    }
    Narrative { source, model, sections, checks: checked.checks, references }
}
