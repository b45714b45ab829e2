//! From what was typed and `trailinsight.toml` to what is in force. Flags win; no stage after this
//! sees an option that means "default".

use super::args::{self, Judging, Narrating, Narrator};
use super::failure::{Exit, Failure};
use crate::archive::AwsSettings;
use crate::model::{Selection, Severity, Suppression, Timestamp};
use crate::narrate::{self, Choice};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const FILE: &str = "trailinsight.toml";
const TOP: usize = 100;
/// Share of the machine's memory that ingest may use by default.
const MEMORY_SHARE: u64 = 4;
/// Where the system does not say how much memory there is.
const MEMORY_FALLBACK_BYTES: u64 = 2 << 30;
/// Below this a part is hardly larger than a file.
const MEMORY_LEAST_BYTES: u64 = 8 << 20;

/// `trailinsight.toml`: what changes findings or prose.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    rules: Option<Vec<PathBuf>>,
    top: Option<usize>,
    fail_on: Option<String>,
    digest_tokens: Option<usize>,
    narrator: Option<String>,
    model_id: Option<String>,
    bedrock_region: Option<String>,
    max_tokens: Option<u32>,
    temperature: Option<f32>,
    prompt: Option<PathBuf>,
    endpoint_url: Option<String>,
    profile: Option<String>,
    select: Option<super::select::File>,
    suppress: Option<Vec<Suppress>>,
}

/// `[[suppress]]`: as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suppress {
    rule: Option<String>,
    principal: Option<String>,
    resource: Option<String>,
    /// A date of TOML, or text.
    until: Option<toml::Value>,
    reason: String,
}

impl Suppress {
    fn resolve(self) -> Result<Suppression, Failure> {
        let bad = |what: &str| Failure::new(Exit::Usage, format!("{FILE}: suppress: {what}"));
        let Self { rule, principal, resource, until, reason } = self;
        if rule.is_none() && principal.is_none() && resource.is_none() {
            return Err(bad(
                "wants a rule, a principal or a resource, or it would keep out everything",
            ));
        }
        let until = until.map(|value| match value {
            toml::Value::String(text) => text,
            toml::Value::Datetime(date) => date.to_string(),
            _ => "something else".to_owned(),
        });
        let at = |text: &String| {
            Timestamp::parse(text)
                .ok_or_else(|| bad(&format!("until: expected a date as in 2026-12-31, got {text}")))
        };
        let until = until.as_ref().map(at).transpose()?;
        Ok(Suppression { rule, principal, resource, until, reason, events: 0 })
    }
}

/// What is in force.
pub(super) struct Settings {
    /// What the file selects, where flags do not.
    pub(super) select: super::select::File,
    pub(super) rules: Vec<PathBuf>,
    pub(super) top: usize,
    pub(super) fail_on: Option<Severity>,
    pub(super) digest_tokens: usize,
    pub(super) narrate: narrate::Settings,
    pub(super) aws: args::Aws,
    pub(super) suppressions: Vec<Suppression>,
}

impl Settings {
    pub(super) fn resolve(
        judging: Judging,
        narrating: Narrating,
        aws: args::Aws,
    ) -> Result<Self, Failure> {
        let mut file = read(judging.config.as_deref())?;
        let aws = file.aws(aws);
        let mut rules = file.rules.unwrap_or_default();
        rules.extend(judging.rules);
        let fail_on = file.fail_on.as_deref().map(severity).transpose()?;
        let defaults = narrate::Settings::default();
        let prompt = narrating.prompt.or(file.prompt);
        let narrate = narrate::Settings {
            narrator: narrator(narrating.narrator, file.narrator.as_deref())?,
            model_id: narrating.model_id.or(file.model_id),
            region: narrating.bedrock_region.or(file.bedrock_region),
            max_tokens: narrating.max_tokens.or(file.max_tokens).unwrap_or(defaults.max_tokens),
            temperature: narrating.temperature.or(file.temperature),
            prompt: prompt.map(|path| text(&path)).transpose()?,
            endpoint_url: aws.endpoint_url.clone(),
            profile: aws.profile.clone(),
            ..defaults
        };
        let digest = crate::digest::Options::default();
        let suppress = file.suppress.unwrap_or_default().into_iter().map(Suppress::resolve);
        Ok(Self {
            suppressions: suppress.collect::<Result<_, _>>()?,
            select: file.select.unwrap_or_default(),
            rules,
            top: judging.top.or(file.top).unwrap_or(TOP),
            fail_on: judging.fail_on.or(fail_on),
            digest_tokens: narrating.digest_tokens.or(file.digest_tokens).unwrap_or(digest.tokens),
            narrate,
            aws,
        })
    }

    /// For the report: what was in force.
    pub(super) fn shown(&self, selection: &Selection) -> BTreeMap<String, String> {
        let mut shown = BTreeMap::from([
            ("top".to_owned(), self.top.to_string()),
            ("digest-tokens".to_owned(), self.digest_tokens.to_string()),
        ]);
        shown.extend(selection.shown());
        if !self.rules.is_empty() {
            let rules: Vec<String> = self.rules.iter().map(|p| p.display().to_string()).collect();
            shown.insert("rules".to_owned(), rules.join(", "));
        }
        if let Some(severity) = self.fail_on {
            shown.insert("fail-on".to_owned(), severity.to_string());
        }
        if let Some(model) = &self.narrate.model_id {
            shown.insert("model-id".to_owned(), model.clone());
        }
        shown
    }
}

impl File {
    /// Flags win.
    fn aws(&mut self, typed: args::Aws) -> args::Aws {
        args::Aws {
            profile: typed.profile.or(self.profile.take()),
            endpoint_url: typed.endpoint_url.or(self.endpoint_url.take()),
        }
    }
}

/// What of `trailinsight.toml` here is about reading an archive, for a command that takes nothing
/// else from it.
pub(super) fn for_reading(
    typed: &args::Aws,
    input: &args::Input,
) -> Result<(super::select::File, AwsSettings), Failure> {
    let mut file = read(None)?;
    let aws = file.aws(typed.clone());
    Ok((file.select.unwrap_or_default(), aws_settings(&aws, input)))
}

/// How an archive on AWS is reached.
pub(super) fn aws_settings(aws: &args::Aws, input: &args::Input) -> AwsSettings {
    AwsSettings {
        profile: aws.profile.clone(),
        endpoint_url: aws.endpoint_url.clone(),
        s3_region: input.s3.s3_region.clone(),
        no_sign_request: input.s3.no_sign_request,
        request_payer: input.s3.request_payer,
        keys: None,
    }
}

fn read(named: Option<&Path>) -> Result<File, Failure> {
    let path = named.unwrap_or(Path::new(FILE));
    if named.is_none() && !path.exists() {
        return Ok(File::default());
    }
    let parsed: Result<File, _> = toml::from_str(&text(path)?);
    let mut file = parsed.map_err(|error| {
        let mut failure =
            Failure::new(Exit::Usage, format!("{} is not understood", path.display()));
        failure.causes.push(error.to_string().trim_end().to_owned());
        failure
    })?;
    // A settings file means the same from wherever it is used.
    let folder = path.parent().unwrap_or(Path::new(""));
    for path in file.rules.iter_mut().flatten().chain(&mut file.prompt) {
        *path = folder.join(&*path);
    }
    Ok(file)
}

/// Rule files and folders in force, for commands that need nothing else of the settings.
pub(super) fn rules(named: Option<&Path>, typed: Vec<PathBuf>) -> Result<Vec<PathBuf>, Failure> {
    let mut rules = read(named)?.rules.unwrap_or_default();
    rules.extend(typed);
    Ok(rules)
}

fn severity(word: &str) -> Result<Severity, Failure> {
    Severity::parse(&word.to_ascii_lowercase()).ok_or_else(|| {
        let words: Vec<&str> = Severity::ALL.iter().map(|s| s.as_str()).collect();
        let message = format!("{FILE}: fail-on: expected one of {}, got {word}", words.join(", "));
        Failure::new(Exit::Usage, message)
    })
}

fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        let mut failure = Failure::new(Exit::Usage, format!("cannot read {}", path.display()));
        failure.causes.push(error.to_string());
        failure
    })
}

fn narrator(typed: Option<Narrator>, file: Option<&str>) -> Result<Choice, Failure> {
    Ok(match (typed, file) {
        (Some(Narrator::Offline), _) | (None, Some("offline")) => Choice::Offline,
        (Some(Narrator::Bedrock), _) | (None, Some("bedrock")) => Choice::Bedrock,
        (Some(Narrator::Auto), _) | (None, None | Some("auto")) => Choice::Auto,
        (None, Some(other)) => {
            let message =
                format!("{FILE}: narrator: expected auto, offline or bedrock, got {other}");
            return Err(Failure::new(Exit::Usage, message));
        }
    })
}

/// Threads and memory of a run.
pub(super) fn threads(typed: Option<usize>) -> Result<rayon::ThreadPool, Failure> {
    if typed == Some(0) {
        return Err(Failure::new(Exit::Usage, "--threads: expected at least 1, got 0"));
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(typed.unwrap_or(0))
        .build()
        .map_err(|error| Failure::new(Exit::Nothing, format!("cannot start threads: {error}")))
}

pub(super) fn memory(typed: Option<&str>) -> Result<usize, Failure> {
    let bytes = match typed {
        None => total_memory().unwrap_or(MEMORY_FALLBACK_BYTES) / MEMORY_SHARE,
        Some(text) => size(text).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("--memory: expected a size as in 512MiB or 2GiB, got {text}"),
            )
        })?,
    };
    Ok(usize::try_from(bytes.max(MEMORY_LEAST_BYTES)).unwrap_or(usize::MAX))
}

/// `512MiB`, `2GiB`, `1.5GB`, `100000`.
fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "kb" => 1e3,
        "m" | "mib" => 1024.0 * 1024.0,
        "mb" => 1e6,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "gb" => 1e9,
        _ => return None,
    };
    let bytes = number * unit;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked just before"
    )]
    (bytes.is_finite() && (1.0..1e18).contains(&bytes)).then_some(bytes as u64)
}

fn total_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("512MiB"), Some(512 << 20));
        assert_eq!(size("1.5 GB"), Some(1_500_000_000));
        assert_eq!(size("4096"), Some(4096));
        for bad in ["", "MiB", "-1GB", "lots", "1e400GB", "0"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }
}
