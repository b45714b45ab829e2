//! What was typed. The help texts are the reference manual.

use crate::model::{Attribute, Severity};
use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Offline forensic review of AWS CloudTrail archives.
///
/// Reads months of trail files into a columnar case, runs detection rules and heuristics over it,
/// and writes a report whose every sentence points at the events that prove it. Nothing leaves this
/// machine unless a model is asked for by name.
#[derive(Debug, Parser)]
#[command(name = "trailinsight", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub ui: Ui,
}

const EXAMPLES: &str = "\
Examples:
  trailinsight analyze ./AWSLogs                      whole archive to trailinsight-report/report.html
  trailinsight analyze ./AWSLogs --fail-on high       exit code 1 when something serious is found
  trailinsight query --case trailinsight-report/case \\
      \"SELECT event_name, count(*) AS n FROM events GROUP BY event_name ORDER BY n DESC LIMIT 10\"
  trailinsight rules explain trail_stopped

Exit codes: 0 done and whole; 1 done, and a finding reached --fail-on; 2 bad usage or configuration;
3 done, but some input could not be read; 4 nothing could be done.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The main job: ingest, detect, analyze, narrate, report
    #[command(after_help = ANALYZE_EXAMPLES)]
    Analyze(Box<Analyze>),
    /// Read an archive into a case and stop there
    Ingest(Ingest),
    /// Everything after ingest, on a case that is already there
    Report(Report),
    /// SQL over the events (and findings) of a case
    #[command(after_help = QUERY_EXAMPLES)]
    Query(Query),
    /// The detection rules: list, explain, check or try them
    Rules(Rules),
    /// Print shell completions
    #[command(
        after_help = "Example:\n  trailinsight completions bash > /etc/bash_completion.d/trailinsight"
    )]
    Completions { shell: clap_complete::Shell },
}

const ANALYZE_EXAMPLES: &str = "\
Examples:
  trailinsight analyze ./AWSLogs
  trailinsight analyze ./AWSLogs --rules ./our-sigma-rules --out /tmp/review
  trailinsight analyze cloudtrail:all --from 7d
  trailinsight analyze cloudtrail:us-east-1 --lookup AccessKeyId=AKIAIOSFODNN7EXAMPLE
  aws events list-rules > rules.json && trailinsight analyze ./AWSLogs --rules rules.json
  trailinsight analyze ./AWSLogs --narrator bedrock --model-id global.anthropic.claude-sonnet-5-5 --bedrock-region eu-west-1

The report is written to --out: report.html, report.md, report.json, findings.jsonl, timeline.csv and
digest.json (exactly what a model is, or would be, sent). --format says which, as in --format html,json,cis; cis is
controls.html, what of the CIS monitoring controls the archive shows.";

const QUERY_EXAMPLES: &str = "\
Examples:
  trailinsight query --case C \"SELECT event_time, event_name, source_ip_address FROM events WHERE actor LIKE '%user/eve' ORDER BY event_time\"
  trailinsight query --case C --format csv \"SELECT error_code, count(*) AS n FROM events GROUP BY error_code\" > errors.csv
  trailinsight query --case C \"SELECT severity, title, principal FROM findings\"
  trailinsight query --case C -o late.parquet \"SELECT * FROM events WHERE event_time > '2026-03-11T02:00:00Z'\"
  trailinsight query --case C --format ndjson \"SELECT record FROM events WHERE error_code IS NOT NULL\" > records.ndjson
  trailinsight query --case C --schema

`record` is a whole record as it was read; alone in NDJSON or JSON it is printed as it is. Times are UTC; a literal
compared with a time may have an offset. JSON, NDJSON and Parquet carry values unchanged. CSV is for spreadsheets:
control characters are shown as in [U+001B], and text that would be a formula gets an apostrophe in front.
A table whose columns do not fit is printed as one block per row.";

#[derive(Debug, Group)]
pub struct Ui {
    /// Say nothing but errors and the one-line result
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Log to standard error as JSON lines (level by RUST_LOG, default info)
    #[arg(long, global = true)]
    pub json_log: bool,
}

#[derive(Debug, Group)]
pub struct Input {
    /// Trail files: a folder, a file or s3://bucket/prefix; or cloudtrail:REGION, the event history of an account
    /// (cloudtrail:all for all regions); may be given more than once
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Threads to read with [default: all cores]
    #[arg(long, short = 'j', value_name = "N")]
    pub threads: Option<usize>,
    /// Memory that reading may use, as in 512MiB or 2GiB [default: a quarter of the machine's]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Make an existing case anew; without it, what is new in SOURCE is added
    #[arg(long)]
    pub fresh: bool,
    /// Go only so far, keep nothing, and say how much it is, with requests and price for S3
    #[arg(long, value_enum, value_name = "STAGE", conflicts_with = "case", num_args = 0..=1, require_equals = true, default_missing_value = "plan")]
    pub dry_run: Option<Stage>,
    #[command(flatten)]
    pub select: Select,
    #[command(flatten)]
    pub s3: S3,
}

/// Whatever of a run is on AWS: archives and models. Credentials are those of the AWS configuration.
#[derive(Debug, Clone, Default, Group)]
#[command(next_help_heading = "AWS")]
pub struct Aws {
    /// Profile of the AWS configuration
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Another endpoint for every service that is called; for one service alone set
    /// AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_CLOUDTRAIL or AWS_ENDPOINT_URL_BEDROCK_RUNTIME
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
}

/// How an archive in S3 is reached.
#[derive(Debug, Default, Group)]
#[command(next_help_heading = "S3")]
pub struct S3 {
    /// Region of the bucket [default: that of the AWS configuration, or where S3 says it is]
    #[arg(long, value_name = "REGION")]
    pub s3_region: Option<String>,
    /// Read a public bucket without credentials
    #[arg(long)]
    pub no_sign_request: bool,
    /// Pay for requests and transfer, where the owner of the bucket does not
    #[arg(long)]
    pub request_payer: bool,
}

/// Which events; everything by default. What is given twice takes either; `!` in front means "not";
/// `*` stands for anything; case does not matter.
#[derive(Debug, Default, Group)]
#[command(next_help_heading = "Selection")]
pub struct Select {
    /// Events from this moment on: RFC 3339, a date (UTC), or an age as in 30d or 12h
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Events before this moment, written alike; a date is its first moment
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Account the trail is of; repeatable, `!` in front for not, as in all that follow
    #[arg(long, value_name = "ID")]
    pub account: Vec<String>,
    /// Region of the event, as in eu-* or '!us-east-1'
    #[arg(long, value_name = "REGION")]
    pub region: Vec<String>,
    /// Actor, ARN, user name or access key id
    #[arg(long, value_name = "WHO")]
    pub user: Vec<String>,
    /// Name of the call, as in ConsoleLogin or 'Delete*'
    #[arg(long, value_name = "NAME")]
    pub event_name: Vec<String>,
    /// Service, as in s3 or s3.amazonaws.com
    #[arg(long, value_name = "SOURCE")]
    pub event_source: Vec<String>,
    /// Calls that only read (true), or the others (false)
    #[arg(long, value_name = "BOOL")]
    pub read_only: Option<bool>,
    /// Management, Data, Insight or NetworkActivity
    #[arg(long, value_name = "CATEGORY")]
    pub category: Vec<String>,
    /// Of cloudtrail:REGION, only events with this attribute: Username, AccessKeyId, EventName, EventSource, ReadOnly,
    /// ResourceName, ResourceType or EventId; case matters, and it may be one only
    #[arg(long, value_name = "NAME=VALUE", value_parser = Attribute::parse)]
    pub lookup: Option<Attribute>,
    /// Of cloudtrail:REGION, the newest N events of each region
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_events: Option<u64>,
}

#[derive(Debug, Group)]
#[command(next_help_heading = "Findings")]
pub struct Judging {
    /// Rules of your own: files or folders of Sigma (*.yml) and of the JSON (*.json) that `aws events list-rules`,
    /// `aws logs describe-metric-filters` and `aws cloudwatch describe-alarms` print; repeatable
    #[arg(long, value_name = "PATH")]
    pub rules: Vec<PathBuf>,
    /// Length of every list of counts [default: 100]
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Exit with code 1 when a finding of this severity or above is in the report: informational, low,
    /// medium, high or critical
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub fail_on: Option<Severity>,
    /// Settings file [default: trailinsight.toml here, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Group)]
#[command(next_help_heading = "Narrative")]
pub struct Narrating {
    /// Who writes the prose; auto is offline unless a model was configured
    #[arg(long, value_enum)]
    pub narrator: Option<Narrator>,
    /// Model or inference profile on Amazon Bedrock
    #[arg(long, value_name = "ID")]
    pub model_id: Option<String>,
    /// Region of Bedrock [default: that of the AWS configuration]
    #[arg(long, value_name = "REGION")]
    pub bedrock_region: Option<String>,
    /// Longest answer of the model, in tokens [default: 8000]
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u32>,
    /// Sampling temperature of the model [default: its own]
    #[arg(long, value_name = "T")]
    pub temperature: Option<f32>,
    /// File with further instructions for the model
    #[arg(long, value_name = "FILE")]
    pub prompt: Option<PathBuf>,
    /// Size of the digest, in tokens [default: 16000]
    #[arg(long, value_name = "N")]
    pub digest_tokens: Option<usize>,
}

#[derive(Debug, Group)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Folder for the report [default: the report folder the case lies in, else trailinsight-report]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace files in that folder that are no earlier report on this case
    #[arg(long)]
    pub force: bool,
    /// Files to write, by comma; cis is the monitoring controls of CIS AWS Foundations as a page of their own
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST", default_values_t = ReportFormat::ALL)]
    pub format: Vec<ReportFormat>,
}

#[derive(Debug, Parser)]
pub struct Analyze {
    #[command(flatten)]
    pub input: Input,
    /// Folder for the case [default: OUT/case]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub case: Option<PathBuf>,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub judging: Judging,
    #[command(flatten)]
    pub narrating: Narrating,
    #[command(flatten)]
    pub aws: Aws,
}

#[derive(Debug, Parser)]
pub struct Ingest {
    #[command(flatten)]
    pub input: Input,
    #[command(flatten)]
    pub aws: Aws,
    /// Folder for the case
    #[arg(long, value_name = "DIR", help_heading = "Output", required_unless_present = "dry_run")]
    pub case: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// List, and say what reading would take
    Plan,
    /// Read and inflate every file
    Inflate,
}

#[derive(Debug, Parser)]
pub struct Report {
    /// Folder of the case
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// Threads to work with [default: all cores]
    #[arg(long, short = 'j', value_name = "N")]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub judging: Judging,
    #[command(flatten)]
    pub narrating: Narrating,
    #[command(flatten)]
    pub aws: Aws,
}

#[derive(Debug, Parser)]
pub struct Query {
    /// Folder of the case
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// The statement; tables are `events` and `findings`
    #[arg(required_unless_present = "schema")]
    pub sql: Option<String>,
    /// How to print the answer; parquet needs --output [default: by the name of the file, else table]
    #[arg(long, value_enum)]
    pub format: Option<QueryFormat>,
    /// File for the whole answer instead of standard output: .csv, .json, .ndjson, .jsonl, .parquet
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Rows to print as a table; files and the other formats have all
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub limit: usize,
    /// List the columns of the event table and stop
    #[arg(long)]
    pub schema: bool,
}

#[derive(Debug, Parser)]
pub struct Rules {
    #[command(subcommand)]
    pub command: RulesCommand,
}

#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// All rules and heuristics, the most severe first
    List {
        /// Only rules of this level or above
        #[arg(long, value_parser = severity)]
        level: Option<Severity>,
        /// Only rules for this ATT&CK technique, as in T1098 (its sub-techniques too) or T1098.001; ids of versions
        /// up to 18 and since 19 are both known
        #[arg(long, value_name = "ID")]
        technique: Option<String>,
        /// Only rules that name this service, as in iam
        #[arg(long, value_name = "NAME")]
        service: Option<String>,
        /// A table of rules, rules by ATT&CK technique, or a layer for ATT&CK Navigator
        #[arg(long, value_enum, default_value = "rules")]
        format: ListFormat,
        #[command(flatten)]
        paths: RulePaths,
    },
    /// What is wrong with rules: broken ones (exit code 3), fields and calls that CloudTrail does not have
    Check {
        /// Rule files or folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Run the events in rule files: those that must fire and those that must not (exit code 3 when one does otherwise)
    Test {
        /// Rule files or folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// What every rule would have said of a case: hits, findings, first and last
    Hits {
        /// Folder of the case
        #[arg(long, value_name = "DIR")]
        case: PathBuf,
        /// Threads to work with [default: all cores]
        #[arg(long, short = 'j', value_name = "N")]
        threads: Option<usize>,
        #[command(flatten)]
        paths: RulePaths,
    },
    /// What a rule finds, why it matters and what to do
    Explain {
        /// Its name or its id
        name: String,
        #[command(flatten)]
        paths: RulePaths,
    },
    /// What a trail of these event selectors would have recorded of a case, and what it would have missed
    #[command(after_help = SELECTORS_EXAMPLES)]
    Selectors(Selectors),
}

const SELECTORS_EXAMPLES: &str = "\
Examples:
  aws cloudtrail get-event-selectors --trail-name main > selectors.json
  trailinsight rules selectors selectors.json --case trailinsight-report/case
  trailinsight rules selectors selectors.json --case C --format json > recorded.json

Basic and advanced selectors. Findings are those of the rules (--rules adds yours), over all events of the case and over
those the trail takes. Sizes are of the records as JSON text. Insight events are chosen by other settings and left out.";

#[derive(Debug, Parser)]
pub struct Selectors {
    /// What `aws cloudtrail get-event-selectors` prints
    pub file: PathBuf,
    /// Folder of the case
    #[arg(long, value_name = "DIR")]
    pub case: PathBuf,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = SelectorsFormat::Table)]
    pub format: SelectorsFormat,
    /// Threads to work with [default: all cores]
    #[arg(long, short = 'j', value_name = "N")]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub paths: RulePaths,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SelectorsFormat {
    Table,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    Rules,
    Coverage,
    Navigator,
}

#[derive(Debug, Group)]
pub struct RulePaths {
    /// Rules of your own besides
    #[arg(long, value_name = "PATH")]
    pub rules: Vec<PathBuf>,
    /// Settings file, for its rules [default: trailinsight.toml here, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Narrator {
    Auto,
    Offline,
    Bedrock,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueryFormat {
    Table,
    Csv,
    Json,
    Ndjson,
    Parquet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    Html,
    Md,
    Json,
    Jsonl,
    Csv,
    /// controls.html: the monitoring controls of CIS AWS Foundations as a page of their own
    Cis,
}

impl ReportFormat {
    /// What is written when nobody says.
    const ALL: [Self; 5] = [Self::Html, Self::Md, Self::Json, Self::Jsonl, Self::Csv];
}

fn severity(word: &str) -> Result<Severity, String> {
    Severity::parse(&word.to_ascii_lowercase()).ok_or_else(|| {
        let words: Vec<&str> = Severity::ALL.iter().map(|s| s.as_str()).collect();
        format!("expected one of {}", words.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
