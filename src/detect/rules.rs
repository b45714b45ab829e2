//! Rules: our pack, which is part of the program, and the user's own.

use crate::model::{Severity, Stage};
use rsigma_eval::Engine;
use rsigma_parser::{Level, LogSource, SigmaRule, parse_sigma_yaml};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/pack.rs"));

/// The name our own rules sign with; other authors are named in every output.
const OURS: &str = "trailinsight";
/// SHA-256 digits that tell one set of rules from another in a report.
const VERSION_DIGITS: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read rules from {}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("no rule files (*.yml, *.yaml) in {}", path.display())]
    Empty { path: PathBuf },
    #[error("{}: {reason}", path.display())]
    Bad { path: PathBuf, reason: String },
}

/// What a report says of a rule.
#[derive(Debug, Clone)]
pub struct Meta {
    /// The rule's `name`, else its id, else its title.
    pub name: String,
    pub title: String,
    pub description: String,
    pub severity: Severity,
    pub attack: Vec<String>,
    pub cis: Vec<String>,
    pub stages: Vec<Stage>,
    pub remediation: String,
    pub false_positives: Vec<String>,
    pub references: Vec<String>,
    /// Dotted field that names what was acted on.
    pub target: Option<String>,
    /// `None`: ours.
    pub author: Option<String>,
}

/// Compiled rules.
pub struct Rules {
    pub(super) engine: Engine,
    metas: Vec<Meta>,
    skipped: Vec<String>,
    version: String,
}

impl Rules {
    /// Our pack, and every rule file under `extra` (files or folders).
    ///
    /// # Errors
    /// When a path cannot be read, or a file in it is no Sigma rule that can be evaluated.
    pub fn load(extra: &[PathBuf]) -> Result<Self, Error> {
        let mut engine = Engine::new();
        engine.set_include_event(false);
        let mut rules =
            Self { engine, metas: Vec::new(), skipped: Vec::new(), version: String::new() };
        let mut hash = Sha256::new();
        for (name, text) in PACK {
            hash.update(text);
            rules.add(Path::new(name), text)?;
        }
        for path in extra {
            for file in rule_files(path)? {
                let text = fs::read_to_string(&file)
                    .map_err(|source| Error::Io { path: file.clone(), source })?;
                hash.update(&text);
                rules.add(&file, &text)?;
            }
        }
        format!("{:x}", hash.finalize())[..VERSION_DIGITS].clone_into(&mut rules.version);
        Ok(rules)
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<(), Error> {
        let bad = |reason: String| Error::Bad { path: path.to_owned(), reason };
        let collection = parse_sigma_yaml(text).map_err(|e| bad(e.to_string()))?;
        if let Some(first) = collection.errors.first() {
            return Err(bad(first.clone()));
        }
        if !collection.correlations.is_empty() || !collection.filters.is_empty() {
            return Err(bad("correlation and filter documents are not supported yet; remove them or pass only detection rules".into()));
        }
        for mut rule in collection.rules {
            if let Some(log) = other_log(&rule.logsource) {
                self.skipped.push(format!("{} ({log})", rule.title));
                continue;
            }
            self.metas.push(Meta::of(&rule));
            // The engine answers with the id: our place in the list.
            rule.id = Some((self.metas.len() - 1).to_string());
            self.engine.add_rule(&rule).map_err(|e| bad(e.to_string()))?;
        }
        Ok(())
    }

    #[must_use]
    pub fn metas(&self) -> &[Meta] {
        &self.metas
    }

    /// Rules that are for other logs than CloudTrail, by title, with what they are for.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Tells one set of rules from another.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// What a rule is for, when that is not CloudTrail. A rule that does not say is taken.
fn other_log(source: &LogSource) -> Option<String> {
    let is = |value: &Option<String>, ours: &str| {
        value.as_ref().is_none_or(|v| v.trim().eq_ignore_ascii_case(ours))
    };
    let fits = is(&source.product, "aws")
        && is(&source.service, "cloudtrail")
        && source.category.is_none();
    let words = [&source.product, &source.service, &source.category];
    let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
    (!fits).then(|| words.join(" "))
}

fn rule_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    if fs::metadata(path).map_err(io)?.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files: Vec<PathBuf> = walkdir::WalkDir::new(path)
        .into_iter()
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path)
        .filter(|p| p.extension().is_some_and(|e| e == "yml" || e == "yaml"))
        .collect();
    files.sort();
    if files.is_empty() { Err(Error::Empty { path: path.to_owned() }) } else { Ok(files) }
}

impl Meta {
    fn of(rule: &SigmaRule) -> Self {
        let custom = rule.custom_attributes.get("trailinsight");
        let custom = custom.and_then(|c| serde_json::to_value(c).ok()).unwrap_or_default();
        let text = |key: &str| custom.get(key).and_then(|v| v.as_str()).map(str::to_owned);
        let cis = custom.get("cis").and_then(|v| v.as_array()).cloned().unwrap_or_default();
        let (mut attack, mut stages) = (BTreeSet::new(), BTreeSet::new());
        for tag in rule.tags.iter().filter_map(|tag| tag.strip_prefix("attack.")) {
            let word = tag.replace('_', "-");
            match Stage::parse(&word) {
                Some(stage) => _ = stages.insert(stage),
                None if is_technique(tag) => _ = attack.insert(tag.to_uppercase()),
                None => {}
            }
        }
        let author = rule.author.clone().filter(|a| a != OURS);
        let name =
            rule.name.clone().or_else(|| rule.id.clone()).unwrap_or_else(|| rule.title.clone());
        Self {
            name,
            title: rule.title.clone(),
            description: rule.description.clone().unwrap_or_default(),
            severity: severity(rule.level),
            attack: attack.into_iter().collect(),
            cis: cis.iter().filter_map(|c| c.as_str()).map(str::to_owned).collect(),
            stages: stages.into_iter().collect(),
            remediation: text("remediation").unwrap_or_else(|| {
                "Check with the owner of the principal whether this was meant; if not, revoke its credentials.".to_owned()
            }),
            false_positives: rule.falsepositives.clone(),
            references: rule.references.clone(),
            target: text("target"),
            author,
        }
    }
}

fn is_technique(tag: &str) -> bool {
    let digits = tag.strip_prefix(['t', 'T']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn severity(level: Option<Level>) -> Severity {
    match level {
        Some(Level::Critical) => Severity::Critical,
        Some(Level::High) => Severity::High,
        Some(Level::Medium) => Severity::Medium,
        Some(Level::Low) => Severity::Low,
        Some(Level::Informational) | None => Severity::Informational,
    }
}
