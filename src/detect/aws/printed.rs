//! Rules as the AWS command line prints them: `events list-rules` and `describe-rule`, `logs
//! describe-metric-filters`, `cloudwatch describe-alarms`; what `put-*` takes; and bare patterns. One
//! file may hold several answers, one after the other.

use super::alarm::{Alarm, Missing, Statistic};
use super::filter::{Filter, Selector};
use super::filter_parse::literal;
use super::pattern::Pattern;
use super::value::Order;
use crate::model::Severity;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a rule of AWS is worth that does not say: a tag `severity` says otherwise.
const SEVERITY: Severity = Severity::Medium;
/// A pattern by itself has some of these.
const OF_PATTERNS: [&str; 10] = [
    "source",
    "detail-type",
    "detail",
    "account",
    "region",
    "resources",
    "time",
    "id",
    "version",
    "$or",
];
/// The state in which a rule sees calls that only read, too.
const ENABLED_WITH_READS: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";

/// What a report says of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    pub name: String,
    pub arn: Option<String>,
    pub title: String,
    pub description: Option<String>,
    pub severity: Severity,
    /// Whose it is: the service, and the account where an ARN tells.
    pub owner: String,
    /// How it decides, as text.
    pub logic: String,
}

#[derive(Debug, Clone)]
pub struct EventBridgeRule {
    pub named: Named,
    pub pattern: Pattern,
    pub sees_reads: bool,
}

#[derive(Debug, Clone)]
pub struct MetricFilter {
    pub named: Named,
    pub filter: Filter,
    pub metrics: Vec<Metric>,
}

/// What a filter makes of a match.
#[derive(Debug, Clone)]
pub struct Metric {
    pub namespace: String,
    pub name: String,
    pub value: MetricValue,
    pub default: Option<f64>,
    pub dimensions: BTreeMap<String, Selector>,
}

#[derive(Debug, Clone)]
pub enum MetricValue {
    Literal(f64),
    Of(Selector),
}

#[derive(Debug, Clone)]
pub struct MetricAlarm {
    pub named: Named,
    pub alarm: Alarm,
    pub namespace: String,
    pub metric: String,
    pub dimensions: BTreeMap<String, String>,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Printed {
    pub rules: Vec<EventBridgeRule>,
    pub filters: Vec<MetricFilter>,
    pub alarms: Vec<MetricAlarm>,
    /// Rules that say nothing about CloudTrail, and why.
    pub skipped: Vec<String>,
    /// Line (from 1) and reason.
    pub broken: Vec<(u32, String)>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawRule {
    name: String,
    arn: Option<String>,
    event_pattern: Option<Value>,
    state: Option<String>,
    description: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFilter {
    filter_name: String,
    #[serde(default)]
    filter_pattern: String,
    log_group_name: Option<String>,
    #[serde(default)]
    metric_transformations: Vec<Transformation>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transformation {
    metric_name: String,
    metric_namespace: String,
    metric_value: String,
    default_value: Option<f64>,
    #[serde(default)]
    dimensions: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawAlarm {
    alarm_name: String,
    alarm_arn: Option<String>,
    alarm_description: Option<String>,
    metric_name: Option<String>,
    namespace: Option<String>,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    statistic: Option<String>,
    period: Option<i64>,
    evaluation_periods: usize,
    datapoints_to_alarm: Option<usize>,
    threshold: Option<f64>,
    comparison_operator: String,
    treat_missing_data: Option<String>,
    #[serde(default)]
    metrics: Vec<Value>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension {
    name: String,
    value: String,
}

impl Printed {
    /// Reads a file. `stem`: its name, for patterns that have none.
    #[must_use]
    pub fn read(text: &str, stem: &str) -> Self {
        let mut printed = Self::default();
        let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        loop {
            let before = documents.byte_offset();
            let line = line_at(text, before);
            match documents.next() {
                None => break,
                Some(Ok(document)) => printed.document(&document, stem, (text, line)),
                Some(Err(error)) => {
                    printed.broken.push((error.line() as u32, error.to_string()));
                    break;
                }
            }
        }
        if text.trim().is_empty() {
            printed.broken.push((1, "the file is empty".to_owned()));
        }
        printed
    }

    fn document(&mut self, json: &Value, stem: &str, place: (&str, u32)) {
        let list = |key: &str| json.get(key).and_then(Value::as_array);
        let has = |key: &str| json.get(key).is_some();
        if let Some(items) = json.as_array() {
            for item in items {
                self.document(item, stem, place);
            }
        } else if let Some(rules) = list("Rules") {
            for rule in rules {
                self.of(rule, place, Self::rule);
            }
        } else if let Some(filters) = list("metricFilters") {
            for filter in filters {
                self.of(filter, place, Self::filter);
            }
        } else if has("MetricAlarms") || has("CompositeAlarms") {
            for alarm in list("MetricAlarms").into_iter().flatten() {
                self.of(alarm, place, Self::alarm);
            }
            for alarm in list("CompositeAlarms").into_iter().flatten() {
                let name = alarm.get("AlarmName").and_then(Value::as_str).unwrap_or("unnamed");
                self.skipped.push(format!("{name} (composite alarm)"));
            }
        } else if has("Name") && (has("EventPattern") || has("ScheduleExpression")) {
            self.of(json, place, Self::rule);
        } else if has("filterName") {
            self.of(json, place, Self::filter);
        } else if has("AlarmName") {
            self.of(json, place, Self::alarm);
        } else if has("EventSelectors") || has("AdvancedEventSelectors") {
            self.skipped.push(format!(
                "{stem} (event selectors: `trailinsight rules selectors` reads them)"
            ));
        } else if is_pattern(json) {
            let raw = RawRule {
                name: stem.to_owned(),
                arn: None,
                event_pattern: Some(json.clone()),
                state: None,
                description: None,
                tags: Vec::new(),
            };
            if let Err(reason) = self.rule(raw) {
                self.broken.push((place.1, reason));
            }
        } else {
            let reason = "no rules that are known: expected what `aws events list-rules` or `describe-rule`, `aws logs describe-metric-filters` or `aws cloudwatch describe-alarms` prints, or an event pattern";
            self.broken.push((place.1, reason.to_owned()));
        }
    }

    /// Adds one item, or what is wrong with it and where it is named.
    fn of<T: DeserializeOwned>(
        &mut self,
        json: &Value,
        (text, line): (&str, u32),
        add: fn(&mut Self, T) -> Result<(), String>,
    ) {
        let name =
            ["Name", "filterName", "AlarmName"].iter().find_map(|key| json.get(key)?.as_str());
        let added = serde_json::from_value(json.clone()).map_err(|e| e.to_string());
        if let Err(reason) = added.and_then(|raw| add(self, raw)) {
            let quoted = name.map(|name| Value::from(name).to_string());
            let found = quoted.and_then(|quoted| text.find(&quoted));
            let line = found.map_or(line, |at| line_at(text, at));
            self.broken.push((line, format!("{}: {reason}", name.unwrap_or("unnamed"))));
        }
    }

    fn rule(&mut self, raw: RawRule) -> Result<(), String> {
        let Some(pattern) = raw.event_pattern else {
            self.skipped.push(format!("{} (no event pattern)", raw.name));
            return Ok(());
        };
        let pattern = match pattern {
            Value::String(text) => {
                serde_json::from_str(&text).map_err(|e| format!("EventPattern: {e}"))?
            }
            pattern => pattern,
        };
        let logic = format!("{pattern:#}");
        let pattern = Pattern::parse(&pattern).map_err(|bad| format!("EventPattern: {bad}"))?;
        if raw.state.as_deref() == Some("DISABLED") {
            self.skipped.push(format!("{} (disabled)", raw.name));
            return Ok(());
        }
        if !pattern.is_of_cloudtrail() {
            self.skipped.push(format!("{} (events that do not come from CloudTrail)", raw.name));
            return Ok(());
        }
        self.rules.push(EventBridgeRule {
            named: Named {
                title: format!("EventBridge rule {}", raw.name),
                severity: severity(&raw.tags),
                owner: owner("EventBridge", raw.arn.as_deref()),
                logic,
                name: raw.name,
                arn: raw.arn,
                description: raw.description,
            },
            pattern,
            sees_reads: raw.state.as_deref() == Some(ENABLED_WITH_READS),
        });
        Ok(())
    }

    fn filter(&mut self, raw: RawFilter) -> Result<(), String> {
        let filter =
            Filter::parse(&raw.filter_pattern).map_err(|bad| format!("filterPattern: {bad}"))?;
        let metric = |raw: Transformation| -> Result<Metric, String> {
            let selector =
                |text: &str| Selector::parse(text).map_err(|bad| format!("{text}: {bad}"));
            let dimensions =
                raw.dimensions.iter().map(|(name, at)| Ok((name.clone(), selector(at)?)));
            Ok(Metric {
                namespace: raw.metric_namespace,
                name: raw.metric_name,
                value: match literal(&raw.metric_value) {
                    Some(number) => MetricValue::Literal(number),
                    None => MetricValue::Of(selector(&raw.metric_value)?),
                },
                default: raw.default_value,
                dimensions: dimensions.collect::<Result<_, String>>()?,
            })
        };
        let metrics = raw.metric_transformations.into_iter().map(metric);
        let metrics = metrics.collect::<Result<_, String>>()?;
        self.filters.push(MetricFilter {
            named: Named {
                title: format!("Metric filter {}", raw.filter_name),
                name: raw.filter_name,
                arn: None,
                description: raw.log_group_name.map(|group| format!("Of the log group {group}.")),
                severity: SEVERITY,
                owner: owner("CloudWatch Logs", None),
                logic: raw.filter_pattern,
            },
            filter,
            metrics,
        });
        Ok(())
    }

    fn alarm(&mut self, mut raw: RawAlarm) -> Result<(), String> {
        raw.spell_out();
        let skip = |why: &str| format!("{} ({why})", raw.alarm_name);
        let (Some(namespace), Some(metric)) = (raw.namespace.clone(), raw.metric_name.clone())
        else {
            self.skipped.push(skip("alarm over metric math"));
            return Ok(());
        };
        let Some(threshold) = raw.threshold else {
            self.skipped.push(skip("alarm over an anomaly band"));
            return Ok(());
        };
        let alarm = raw.compile(threshold)?;
        let logic = format!(
            "{} of {namespace}/{metric} {} {threshold} in {} of {} periods of {} s",
            raw.statistic.as_deref().unwrap_or_default(),
            raw.comparison_operator,
            alarm.datapoints_to_alarm,
            alarm.evaluation_periods,
            alarm.period_seconds
        );
        self.alarms.push(MetricAlarm {
            named: Named {
                title: format!("Alarm {}", raw.alarm_name),
                severity: severity(&raw.tags),
                owner: owner("CloudWatch", raw.alarm_arn.as_deref()),
                logic,
                name: raw.alarm_name,
                arn: raw.alarm_arn,
                description: raw.alarm_description,
            },
            alarm,
            namespace,
            metric,
            dimensions: raw.dimensions.into_iter().map(|d| (d.name, d.value)).collect(),
        });
        Ok(())
    }
}

impl RawAlarm {
    /// An alarm over a list of one metric is one over that metric.
    fn spell_out(&mut self) {
        let [only] = self.metrics.as_slice() else { return };
        let text = |path: &str| only.pointer(path).and_then(Value::as_str).map(str::to_owned);
        self.namespace = self.namespace.take().or_else(|| text("/MetricStat/Metric/Namespace"));
        self.metric_name =
            self.metric_name.take().or_else(|| text("/MetricStat/Metric/MetricName"));
        self.statistic = self.statistic.take().or_else(|| text("/MetricStat/Stat"));
        let period = only.pointer("/MetricStat/Period").and_then(Value::as_i64);
        self.period = self.period.or(period);
        let dimensions = only.pointer("/MetricStat/Metric/Dimensions").cloned();
        if let Some(Ok(dimensions)) = dimensions.map(serde_json::from_value) {
            self.dimensions = dimensions;
        }
    }

    fn compile(&self, threshold: f64) -> Result<Alarm, String> {
        let statistic = match self.statistic.as_deref().unwrap_or_default() {
            "Sum" => Statistic::Sum,
            "SampleCount" => Statistic::SampleCount,
            "Average" => Statistic::Average,
            "Minimum" => Statistic::Minimum,
            "Maximum" => Statistic::Maximum,
            other => {
                return Err(format!(
                    "Statistic is Sum, SampleCount, Average, Minimum or Maximum, got {other:?}"
                ));
            }
        };
        let comparison = match self.comparison_operator.as_str() {
            "GreaterThanOrEqualToThreshold" => Order::GreaterOrEqual,
            "GreaterThanThreshold" => Order::Greater,
            "LessThanThreshold" => Order::Less,
            "LessThanOrEqualToThreshold" => Order::LessOrEqual,
            other => return Err(format!("ComparisonOperator {other} is not supported")),
        };
        let missing = match self.treat_missing_data.as_deref() {
            None | Some("missing") => Missing::Missing,
            Some("ignore") => Missing::Ignore,
            Some("breaching") => Missing::Breaching,
            Some("notBreaching") => Missing::NotBreaching,
            Some(other) => return Err(format!("TreatMissingData {other} is not known")),
        };
        let period_seconds = self.period.filter(|p| *p > 0).ok_or("Period is missing")?;
        let evaluation_periods = self.evaluation_periods;
        let datapoints_to_alarm = self.datapoints_to_alarm.unwrap_or(evaluation_periods);
        if datapoints_to_alarm == 0 || datapoints_to_alarm > evaluation_periods {
            return Err(format!(
                "DatapointsToAlarm is 1 to EvaluationPeriods ({evaluation_periods}), got {datapoints_to_alarm}"
            ));
        }
        Ok(Alarm {
            statistic,
            period_seconds,
            comparison,
            threshold,
            evaluation_periods,
            datapoints_to_alarm,
            missing,
            default: None,
        })
    }
}

fn is_pattern(json: &Value) -> bool {
    let of_patterns =
        |key: &String| OF_PATTERNS.contains(&key.split('.').next().unwrap_or_default());
    json.as_object().is_some_and(|fields| !fields.is_empty() && fields.keys().all(of_patterns))
}

fn severity(tags: &[Tag]) -> Severity {
    let tag = tags.iter().find(|tag| tag.key.eq_ignore_ascii_case("severity"));
    tag.and_then(|tag| Severity::parse(&tag.value.to_ascii_lowercase())).unwrap_or(SEVERITY)
}

fn owner(service: &str, arn: Option<&str>) -> String {
    match arn.and_then(crate::case::arn_account) {
        Some(account) => format!("{service} of account {account}"),
        None => service.to_owned(),
    }
}

/// Line of a byte, from 1; of the next that is not white space.
fn line_at(text: &str, at: usize) -> u32 {
    let at = at.min(text.len());
    let blank = text[at..].len() - text[at..].trim_start().len();
    text[..at + blank].matches('\n').count() as u32 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(json: &Value) -> Printed {
        Printed::read(&serde_json::to_string_pretty(json).unwrap(), "my-pattern")
    }

    #[test]
    fn rules_come_with_their_state_owner_and_severity() {
        let pattern = r#"{"source":["aws.iam"],"detail":{"eventName":["CreateUser"]}}"#;
        let arn = "arn:aws:events:us-east-1:111122223333:rule/users";
        let found = read(&json!({"Rules": [
            {"Name": "users", "Arn": arn, "EventPattern": pattern, "State": "ENABLED", "Description": "d", "EventBusName": "default"},
            {"Name": "reads", "EventPattern": pattern, "State": ENABLED_WITH_READS, "Tags": [{"Key": "Severity", "Value": "High"}]},
            {"Name": "off", "EventPattern": pattern, "State": "DISABLED"},
            {"Name": "nightly", "ScheduleExpression": "rate(1 day)", "State": "ENABLED"},
            {"Name": "states", "EventPattern": r#"{"detail-type":["EC2 Instance State-change Notification"]}"#, "State": "ENABLED"},
        ]}));
        let named: Vec<(&str, bool, Severity, &str)> = found
            .rules
            .iter()
            .map(|r| {
                (r.named.name.as_str(), r.sees_reads, r.named.severity, r.named.owner.as_str())
            })
            .collect();
        assert_eq!(
            named,
            [
                ("users", false, Severity::Medium, "EventBridge of account 111122223333"),
                ("reads", true, Severity::High, "EventBridge"),
            ]
        );
        assert_eq!(found.rules[0].named.arn.as_deref(), Some(arn));
        assert_eq!(
            found.skipped,
            [
                "off (disabled)",
                "nightly (no event pattern)",
                "states (events that do not come from CloudTrail)"
            ]
        );
        assert!(found.broken.is_empty());
        let bare =
            read(&json!({"source": ["aws.s3"], "detail": {"eventName": ["PutBucketPolicy"]}}));
        assert_eq!(bare.rules[0].named.name, "my-pattern");
        assert!(!bare.rules[0].sees_reads);
    }

    #[test]
    fn filters_and_alarms_come_with_their_metric() {
        let found = read(&json!({"metricFilters": [{
            "filterName": "denied", "filterPattern": "{ $.errorCode = \"AccessDenied*\" }", "logGroupName": "trail",
            "metricTransformations": [{"metricName": "Denied", "metricNamespace": "CIS", "metricValue": "1",
                "defaultValue": 0.0, "dimensions": {"Region": "$.awsRegion"}}], "creationTime": 1
        }]}));
        let metric = &found.filters[0].metrics[0];
        assert_eq!(
            (metric.namespace.as_str(), metric.name.as_str(), metric.default),
            ("CIS", "Denied", Some(0.0))
        );
        assert!(
            matches!(metric.value, MetricValue::Literal(1.0))
                && metric.dimensions.contains_key("Region")
        );
        let alarm = json!({"AlarmName": "denied", "MetricName": "Denied", "Namespace": "CIS", "Statistic": "Sum",
            "Dimensions": [], "Period": 300, "EvaluationPeriods": 3, "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold", "TreatMissingData": "notBreaching"});
        let found =
            read(&json!({"MetricAlarms": [alarm], "CompositeAlarms": [{"AlarmName": "all"}]}));
        assert_eq!(found.alarms[0].alarm.datapoints_to_alarm, 3);
        assert_eq!(found.alarms[0].alarm.missing, Missing::NotBreaching);
        assert_eq!(found.skipped, ["all (composite alarm)"]);
        let listed = json!({"AlarmName": "one", "EvaluationPeriods": 1, "Threshold": 5, "ComparisonOperator": "GreaterThanThreshold",
            "Metrics": [{"Id": "m", "MetricStat": {"Metric": {"Namespace": "CIS", "MetricName": "Denied",
                "Dimensions": [{"Name": "Region", "Value": "eu-west-1"}]}, "Period": 60, "Stat": "Maximum"}}]});
        let found = read(&listed);
        assert_eq!(
            (found.alarms[0].metric.as_str(), found.alarms[0].alarm.period_seconds),
            ("Denied", 60)
        );
        assert_eq!(found.alarms[0].dimensions["Region"], "eu-west-1");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let found = read(&json!({"Rules": [
            {"Name": "good", "EventPattern": "{\"source\":[\"aws.iam\"]}"},
            {"Name": "bad", "EventPattern": "{\"source\":[{\"like\":\"aws\"}]}"},
        ]}));
        assert_eq!((found.rules.len(), found.broken.len()), (1, 1));
        assert_eq!(found.broken[0].0, 8);
        assert!(
            found.broken[0]
                .1
                .starts_with("bad: EventPattern: source[0]: there is no operator like;")
        );
        let wrong = |text: &str| Printed::read(text, "x").broken.remove(0);
        assert_eq!(wrong("{\n  \"a\": }").0, 2);
        assert!(wrong("{\"dependencies\": {}}").1.starts_with("no rules that are known"));
        assert_eq!(wrong("\n{\"filterName\": \"f\", \"filterPattern\": \"{ $.a ~ 1 }\"}").0, 2);
        let alarm = |more: &str| {
            wrong(&format!("{{\"AlarmName\": \"a\", \"Namespace\": \"n\", \"MetricName\": \"m\", \"Threshold\": 1, \"EvaluationPeriods\": 1, {more}}}")).1
        };
        assert!(
            alarm("\"Statistic\": \"p99\", \"ComparisonOperator\": \"GreaterThanThreshold\"")
                .contains("got \"p99\"")
        );
        assert!(
            alarm("\"Statistic\": \"Sum\", \"ComparisonOperator\": \"GreaterThanThreshold\"")
                .ends_with("Period is missing")
        );
    }

    #[test]
    fn one_file_may_hold_several_answers() {
        let text = "{\"source\": [\"aws.iam\"]}\n{\"EventSelectors\": []}\n{\"metricFilters\": []}";
        let found = Printed::read(text, "x");
        assert_eq!((found.rules.len(), found.skipped.len(), found.broken.len()), (1, 1, 0));
    }
}
