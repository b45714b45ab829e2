//! What is wrong with rules before they are run: fields and event names that CloudTrail does not have, conditions that
//! cannot hold, what a reader will miss. Each remark names the line.

use super::columns::{NAME, RAW};
use super::load::{Documents, Source};
use super::meta::Head;
use super::narrow::{Known, Narrow};
use super::row;
use super::rules::{Error, Rules, Test};
use super::sigma::{Detection, other_log};
use rsigma_eval::event::EventValue;
use rsigma_parser::lint::{LintRule, Severity, lint_yaml_str};
use rsigma_parser::{Detection as Selection, DetectionItem, Modifier, SigmaRule, SigmaValue};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Names that CloudTrail does not log, and what it does instead.
const NEVER_LOGGED: [(&str, &str); 16] = [
    ("PutLifecycleConfiguration", "it is logged as PutBucketLifecycle"),
    ("PutBucketLifecycleConfiguration", "it is logged as PutBucketLifecycle"),
    ("GetBucketLifecycleConfiguration", "it is logged as GetBucketLifecycle"),
    ("DeleteBucketLifecycleConfiguration", "it is logged as DeleteBucketLifecycle"),
    ("PutEncryptionConfiguration", "it is logged as PutBucketEncryption"),
    ("PutReplicationConfiguration", "it is logged as PutBucketReplication"),
    ("PutBucketReplicationConfiguration", "it is logged as PutBucketReplication"),
    ("PutBucketNotificationConfiguration", "it is logged as PutBucketNotification"),
    ("PutPublicAccessBlock", "it is logged as PutBucketPublicAccessBlock"),
    ("DeletePublicAccessBlock", "it is logged as DeleteBucketPublicAccessBlock"),
    ("ListObjectsV2", "it is logged as ListObjects"),
    ("ReplicateObject", "it is a permission, and no call"),
    ("PassRole", "it is a permission, and no call: look at the call that the role is passed to"),
    ("BatchDeleteObjects", "it is logged as DeleteObjects"),
    ("HeadBuckets", "it is logged as HeadBucket"),
    ("CreateAccessKeys", "it is logged as CreateAccessKey"),
];
/// Calls that Lambda logs with a date behind the name.
const DATED: &str = "CreateFunction UpdateFunctionCode UpdateFunctionConfiguration DeleteFunction GetFunction \
    ListFunctions AddPermission RemovePermission GetPolicy CreateEventSourceMapping UpdateEventSourceMapping \
    DeleteEventSourceMapping GetFunctionConfiguration PublishVersion CreateAlias UpdateAlias";
/// Letters by which a field may differ from the one that is meant.
const MISTYPED: usize = 2;
/// What `userIdentity` has.
const IDENTITY: &str = "type principalId arn accountId accessKeyId userName invokedBy sessionContext \
    identityProvider credentialId onBehalfOf inScopeOf invokedByDelegate userId";

/// One thing to change in a rule file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    pub file: String,
    pub line: u32,
    /// The rule cannot be used as it is.
    pub is_error: bool,
    pub text: String,
}

/// Everything that is to be said of the rules under `paths`, by file and line.
///
/// # Errors
/// When a path cannot be read, or holds no rule files.
pub fn check(paths: &[PathBuf]) -> Result<Vec<Remark>, Error> {
    let documents = Documents::of_files(paths)?;
    let mut remarks: BTreeSet<Remark> = BTreeSet::new();
    for broken in Rules::load(paths)?.broken() {
        let (file, text) = (broken.file.clone(), broken.reason.clone());
        remarks.insert(Remark { file, line: broken.line, is_error: true, text });
    }
    let broken: BTreeSet<(String, u32)> =
        remarks.iter().map(|r| (r.file.clone(), r.line)).collect();
    let sources = documents.rules.iter().map(|(_, source)| source);
    let sources = sources.chain(documents.correlations.iter().map(|(_, source)| source));
    for source in sources.chain(documents.filters.iter().map(|(_, source)| source)) {
        of_sigma(source, &mut |line, text| {
            if !broken.contains(&(source.file.to_string(), line)) {
                remarks.insert(source.remark(line, text));
            }
        });
    }
    for (rule, source) in &documents.rules {
        if other_log(&rule.logsource).is_some() {
            continue;
        }
        let mut tell = |word: &str, text: String| {
            remarks.insert(source.remark(source.line_with(word), text));
        };
        of_rule(rule, &mut tell);
        if !documents.is_part([&rule.id, &rule.name], source) {
            of_metadata(&Head::from(rule), &mut tell);
        }
    }
    for (rule, source) in &documents.correlations {
        if !documents.is_part([&rule.id, &rule.name], source) {
            of_metadata(&Head::from(rule), &mut |word, text| {
                remarks.insert(source.remark(source.line_with(word), text));
            });
        }
    }
    Ok(remarks.into_iter().collect())
}

impl Source {
    fn remark(&self, line: u32, text: String) -> Remark {
        Remark { file: self.file.to_string(), line, is_error: false, text }
    }
}

/// What Sigma's own rules for rules say.
fn of_sigma(source: &Source, tell: &mut impl FnMut(u32, String)) {
    let ours = |path: &str| ["trailinsight", "type", "new_terms"].iter().any(|k| path.contains(k));
    for warning in lint_yaml_str(&source.text) {
        // What a rule lacks is told below, unless it needs no more.
        let matters = matches!(warning.severity, Severity::Error | Severity::Warning)
            && warning.rule != LintRule::MissingLevel;
        if matters && !(warning.rule == LintRule::UnknownKey && ours(&warning.path)) {
            let line = source.line + warning.span.map_or(0, |span| span.start_line);
            tell(line, warning.message);
        }
    }
}

/// What CloudTrail and this program say. `tell` takes a word of the line that is meant.
fn of_rule(rule: &SigmaRule, tell: &mut impl FnMut(&str, String)) {
    let named = &rule.detection.named;
    let items: Vec<&DetectionItem> = named.values().flat_map(items_of).collect();
    for item in &items {
        if let Some(field) = &item.field.name {
            of_field(field, tell);
            if item.field.modifiers.contains(&Modifier::Expand) {
                let why = "nothing is known here to put in place of %placeholders%: it matches them as they are written";
                tell("|expand", why.to_owned());
            }
            for value in &item.values {
                of_value(field, item, value, &items, tell);
            }
        }
    }
    let text = rule.detection.condition_strings.join(" ");
    let words: BTreeSet<&str> =
        text.split(|c: char| c.is_whitespace() || "()".contains(c)).collect();
    let names: BTreeSet<&String> = named.keys().collect();
    for name in names {
        let globs =
            words.iter().any(|w| w.contains('*') && rsigma_parser::detection_name_matches(w, name));
        if !globs && !words.contains("them") && !words.contains(name.as_str()) {
            tell(&format!("{name}:"), format!("selection {name} is not in the condition"));
        }
    }
    if let Ok(detection) = Detection::compile(rule) {
        of_condition(&detection.narrow(), tell);
    }
}

/// What a reader of a finding will miss.
fn of_metadata(head: &Head<'_>, tell: &mut impl FnMut(&str, String)) {
    for (is_missing, what) in [
        (head.id.is_none(), "id"),
        (head.description.is_none(), "description"),
        (head.level.is_none(), "level (it is taken as informational)"),
        (head.false_positives.is_empty(), "falsepositives"),
        (!head.tags.iter().any(|t| t.starts_with("attack.t")), "tag of an ATT&CK technique"),
    ] {
        if is_missing {
            tell("title:", format!("no {what}"));
        }
    }
}

fn of_condition(narrow: &Narrow, tell: &mut impl FnMut(&str, String)) {
    let with_name = |name: Option<&str>| {
        narrow.eval(&|atom| match (atom.column, name) {
            (NAME, Some(name)) => atom.passes(Some(&EventValue::Str(Cow::Borrowed(name)))).into(),
            _ => Known::Maybe,
        })
    };
    // Names are in lower case here, which only a rule that minds case can tell: it is given the benefit of doubt.
    let fires = match narrow.names() {
        Some(names) => names.iter().any(|name| with_name(Some(name)) != Known::False),
        None => with_name(None) != Known::False,
    };
    if !fires {
        tell("condition:", "the condition cannot hold for any event".to_owned());
    } else if !narrow.can_be(Known::False, &|atom| atom.column < RAW) {
        let why = "no column rules it out, so that it is asked about every event: name an eventName or eventSource";
        tell("condition:", why.to_owned());
    }
}

fn of_field(field: &str, tell: &mut impl FnMut(&str, String)) {
    let (root, rest) = field.split_once('.').map_or((field, None), |(r, rest)| (r, Some(rest)));
    let first = rest.map(|rest| rest.split('.').next().unwrap_or(rest));
    let lists = |list: &str, word: &str| list.split_whitespace().any(|w| w == word);
    match (root, first) {
        ("userIdentity", Some(name)) if !lists(IDENTITY, name) => {
            tell(field, format!("userIdentity has no {name} in CloudTrail"));
        }
        ("trailinsight", Some(name)) if !row::is_ours(name) => {
            tell(field, format!("there is no field trailinsight.{name}"));
        }
        ("trailinsight", None) => tell(field, "trailinsight has fields of its own".to_owned()),
        ("trailinsight" | "eventTime", _) => {}
        _ if row::is_known(root) => {}
        _ => {
            let near = |known: &&str| {
                known.eq_ignore_ascii_case(root) || strsim::levenshtein(known, root) <= MISTYPED
            };
            let meant = row::fields().find(near);
            let meant = meant.map(|m| format!(": {m} is meant?")).unwrap_or_default();
            tell(field, format!("records of CloudTrail have no field {root}{meant}"));
        }
    }
}

fn of_value(
    field: &str,
    item: &DetectionItem,
    value: &SigmaValue,
    all: &[&DetectionItem],
    tell: &mut impl FnMut(&str, String),
) {
    let SigmaValue::String(text) = value else { return };
    let text = text.original.as_str();
    let is_plain = item.field.modifiers.is_empty();
    let is_ref = item.field.modifiers.contains(&Modifier::FieldRef);
    let source = |wanted: &str| {
        all.iter().any(|i| {
            i.field.name.as_deref() == Some("eventSource")
                && i.values
                    .iter()
                    .any(|v| matches!(v, SigmaValue::String(s) if s.original == wanted))
        })
    };
    match field {
        "eventName" if is_plain => {
            if let Some((_, why)) = NEVER_LOGGED.iter().find(|(name, _)| *name == text) {
                tell(text, format!("CloudTrail never logs {text}: {why}"));
            }
            let is_dated = DATED.split_whitespace().any(|name| name == text);
            if is_dated && source("lambda.amazonaws.com") {
                tell(
                    text,
                    format!(
                        "Lambda logs {text} with a date behind it: ask for trailinsight.event_name, or with |startswith"
                    ),
                );
            }
            let of_domains = text.contains("Domain") && !text.contains("VPC");
            if of_domains && source("route53.amazonaws.com") {
                tell(text, format!("{text} is logged by route53domains.amazonaws.com"));
            }
        }
        "errorCode"
            if is_plain && ["success", "none", "ok"].contains(&text.to_lowercase().as_str()) =>
        {
            tell(text, "a call that succeeded has no errorCode: `errorCode: null`".to_owned());
        }
        _ => {}
    }
    let root = text.split('.').next().unwrap_or_default();
    if !is_ref && text.contains('.') && row::is_known(root) {
        tell(
            text,
            format!("this compares with the text {text}; |fieldref compares with the field"),
        );
    }
    if is_ref && field.ends_with("arn") && text.to_lowercase().ends_with("name") {
        tell(text, format!("{field} is an ARN and {text} a name: they are never equal"));
    }
}

fn items_of(selection: &Selection) -> Vec<&DetectionItem> {
    match selection {
        Selection::AllOf(of) => of.iter().collect(),
        Selection::AnyOf(of) | Selection::And(of) => of.iter().flat_map(items_of).collect(),
        Selection::Keywords(_) | Selection::ArrayMatch { .. } | Selection::Conditional { .. } => {
            Vec::new()
        }
    }
}
