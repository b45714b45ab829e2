//! Rules of AWS itself among the others: what of them decides on single events, and the alarms over
//! what metric filters count.

use super::aws::{
    Alarm, EventBridgeRule, Field, Filter, MetricAlarm, MetricFilter, MetricValue, Named, Need,
    Pattern, Printed, Record, Scalar, Selector, Watch, reads,
};
use super::meta::Meta;
use super::narrow::{Known, Narrow};
use super::row::{FLAGS, IDENTITY, NESTED, SigmaEvent, TEXTS};
use super::rules::{Feed, Rules, Test};
use super::windows::Sighting;
use crate::case::print_record;
use crate::model::{Finding, FindingKind, Timestamp};
use rsigma_eval::event::EventValue;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

const MINUTE: i64 = 60_000_000;
const REMEDY: &str = "Your own rule says what to watch for here; check with the owner of the principal whether this was meant.";

/// An alarm, and the rule it is in a report.
pub(super) struct AlarmOf {
    pub(super) alarm: Alarm,
    pub(super) meta: usize,
}

/// What an alarm takes from a match of a filter.
pub(super) struct Reading {
    value: MetricValue,
    /// The dimensions the alarm is about.
    of: Vec<(Selector, String)>,
}

/// Moments at which alarms went off, by rule.
pub(super) type Moments = BTreeMap<usize, Vec<i64>>;

struct OnTheBus {
    pattern: Pattern,
    sees_reads: bool,
}

impl Test for OnTheBus {
    fn hits(&self, event: &SigmaEvent<'_>) -> bool {
        (self.sees_reads || !reads(event)) && self.pattern.matches(event)
    }

    fn narrow(&self) -> Narrow {
        narrowed(&self.pattern.needs())
    }

    fn fields(&self) -> Option<BTreeSet<String>> {
        let mut fields = self.pattern.fields();
        // By which it is told whether a call reads.
        let reads = ["eventName", "eventType", "eventCategory", "readOnly", "managementEvent"];
        fields.extend(reads.map(str::to_owned));
        if fields.iter().any(|field| field.starts_with("userIdentity.")) {
            // Columns hold numbers and flags as text.
            fields.insert("userIdentity".to_owned());
        }
        Some(fields)
    }
}

impl Test for Filter {
    fn hits(&self, event: &SigmaEvent<'_>) -> bool {
        self.matches(event)
    }

    fn narrow(&self) -> Narrow {
        narrowed(&self.needs())
    }

    fn fields(&self) -> Option<BTreeSet<String>> {
        let mut fields = Filter::fields(self)?;
        if FLAGS.iter().any(|(flag, _)| fields.contains(*flag)) {
            // A flag that is written as text stands with what has no column, which a name brings along.
            fields.insert("eventName".to_owned());
        }
        Some(fields)
    }
}

/// What a rule needs, as a condition over columns. It is never certain: the rule has the last word.
fn narrowed(needs: &Need) -> Narrow {
    let all = |of: &[Need]| of.iter().map(narrowed).collect();
    let maybe = Narrow::Always(Known::Maybe);
    match needs {
        Need::Nothing => maybe,
        Need::Any(of) => Narrow::Any(all(of)),
        Need::All(of) => Narrow::All(all(of)),
        Need::Of { field, key, only, test } => {
            // Deeper in an identity, other readings of a path would have to be thought of.
            let is_nested = NESTED.iter().any(|(name, _)| name == field) || field.contains('.');
            let in_identity = field.strip_prefix("userIdentity.");
            let is_identity = IDENTITY.iter().any(|(key, _)| in_identity == Some(key));
            // A flag's column does not tell whether it was written as text.
            let is_flag = FLAGS.iter().any(|(name, _)| name == field);
            if is_flag || (is_nested && !is_identity) {
                return maybe;
            }
            let test = test.clone();
            let passes = move |value: Option<&EventValue<'_>>| match value {
                None => test(None),
                // An object is another thing to AWS.
                Some(EventValue::Str(text)) if !is_text(text) || text.starts_with('{') => true,
                Some(EventValue::Str(text)) => test(Some(&Scalar::Text(Cow::Borrowed(&**text)))),
                Some(EventValue::Bool(flag)) => test(Some(&Scalar::Flag(*flag))),
                Some(_) => true,
            };
            Narrow::All(vec![
                Narrow::field(field, Some(key.clone()), only.clone(), None, passes),
                maybe,
            ])
        }
    }
}

impl Record for SigmaEvent<'_> {
    fn field(&self, name: &str) -> Option<Field<'_>> {
        // What a column does not give back exactly stands there.
        if let Some(value) = self.extra().and_then(|extra| extra.get(name)) {
            return Some(Field::Json(value));
        }
        if let Some((_, column)) = TEXTS.iter().find(|(key, _)| *key == name) {
            return self.row.text(column).map(|text| Field::Text(text.into()));
        }
        if let Some((_, column)) = FLAGS.iter().find(|(key, _)| *key == name) {
            return self.row.flag(column).map(Field::Flag);
        }
        if name == "eventTime" {
            return Some(Field::Text(self.row.time().to_string().into()));
        }
        let number = NESTED.iter().position(|(key, _)| *key == name)?;
        self.nested(number).map(Field::Json)
    }

    fn known(&self, path: &str) -> Option<&str> {
        let key = path.strip_prefix("userIdentity.");
        let columns = if key.is_some() { &IDENTITY[..] } else { &TEXTS[..] };
        let (_, column) = columns.iter().find(|(name, _)| *name == key.unwrap_or(path))?;
        let text = self.row.text(column)?;
        let exact = match key {
            Some(_) => is_text(text),
            None => self.row.text("extra").is_none(),
        };
        exact.then_some(text)
    }

    fn json(&self) -> Cow<'_, str> {
        Cow::Owned(print_record(self.row))
    }
}

/// Columns hold numbers and flags as text: what reads like one may be one.
fn is_text(text: &str) -> bool {
    text.parse::<f64>().is_err() && text != "true" && text != "false"
}

impl Reading {
    /// The fields it looks at.
    pub(super) fn fields(&self) -> Vec<&str> {
        let value = match &self.value {
            MetricValue::Literal(_) => None,
            MetricValue::Of(at) => Some(at),
        };
        self.of.iter().map(|(at, _)| at).chain(value).map(Selector::root).collect()
    }

    /// The value of a match, where it is one of the alarm's metric.
    pub(super) fn of(&self, event: &SigmaEvent<'_>) -> Option<f64> {
        let is_of = |(at, wanted): &(Selector, String)| at.text(event).as_ref() == Some(wanted);
        if !self.of.iter().all(is_of) {
            return None;
        }
        match &self.value {
            MetricValue::Literal(number) => Some(*number),
            MetricValue::Of(at) => at.number(event),
        }
    }
}

impl AlarmOf {
    /// Moments at which it went off, and the hits (sorted here) that made it.
    pub(super) fn goes_off(
        &self,
        hits: &mut [Sighting],
        watch: &Watch,
    ) -> (Vec<i64>, Vec<Range<usize>>) {
        hits.sort_unstable_by_key(|hit| (hit.time, hit.tie));
        let points: Vec<(i64, f64)> =
            hits.iter().map(|hit| (hit.time, f64::from_bits(hit.value))).collect();
        let alarms = self.alarm.goes_off(&points, watch);
        (alarms.times, alarms.points)
    }
}

impl Rules {
    /// Adds the rules of all files together: an alarm may stand in another file than its filter.
    pub(super) fn add_printed(&mut self, files: Vec<Printed>) {
        let (mut filters, mut alarms) = (Vec::new(), Vec::new());
        for file in files {
            for rule in file.rules {
                let EventBridgeRule { named, pattern, sees_reads } = rule;
                let meta = Some(self.name(&named));
                self.ask(OnTheBus { pattern, sees_reads }, meta, Vec::new());
            }
            filters.extend(file.filters);
            alarms.extend(file.alarms);
            self.skipped.extend(file.skipped);
        }
        let mut feeds: Vec<Vec<Feed>> = filters.iter().map(|_| Vec::new()).collect();
        for alarm in alarms {
            self.add_alarm(alarm, &filters, &mut feeds);
        }
        for (MetricFilter { named, filter, .. }, feeds) in filters.into_iter().zip(feeds) {
            // A filter that an alarm watches speaks through it.
            let meta = feeds.is_empty().then(|| self.name(&named));
            self.ask(filter, meta, feeds);
        }
    }

    fn add_alarm(&mut self, of: MetricAlarm, filters: &[MetricFilter], feeds: &mut [Vec<Feed>]) {
        let MetricAlarm { named, mut alarm, namespace, metric, dimensions } = of;
        let to = self.alarms.len();
        let mut fed = false;
        for (filter, feeds) in filters.iter().zip(feeds) {
            for made in
                filter.metrics.iter().filter(|m| m.namespace == namespace && m.name == metric)
            {
                // A metric with other dimensions is another metric.
                if made.dimensions.keys().ne(dimensions.keys()) {
                    continue;
                }
                let of = made.dimensions.values().cloned().zip(dimensions.values().cloned());
                let reading = Reading { value: made.value.clone(), of: of.collect() };
                feeds.push(Feed::Alarm { to, reading });
                alarm.default = alarm.default.or(made.default);
                fed = true;
            }
        }
        if fed {
            let meta = self.name(&named);
            self.alarms.push(AlarmOf { alarm, meta });
        } else {
            self.skipped
                .push(format!("{} (no metric filter here makes {namespace}/{metric})", named.name));
        }
    }

    /// Adds what a report says of a rule.
    fn name(&mut self, named: &Named) -> usize {
        let taken = |name: &str| self.metas().iter().any(|meta| meta.name == name);
        // Rules of one name in several Regions are told apart by their ARN.
        let names = [Some(named.name.clone()), named.arn.clone()].into_iter().flatten();
        let numbered = (2..).map(|number| format!("{} ({number})", named.name));
        let name = names.chain(numbered).find(|name| !taken(name));
        self.metas.push(Meta {
            name: name.unwrap_or_else(|| named.name.clone()),
            id: named.arn.clone(),
            title: named.title.clone(),
            description: named.description.clone().unwrap_or_default(),
            severity: named.severity,
            kind: FindingKind::Rule,
            attack: Vec::new(),
            cis: Vec::new(),
            stages: Vec::new(),
            remediation: REMEDY.to_owned(),
            false_positives: Vec::new(),
            references: Vec::new(),
            target: None,
            is_about_failure: false,
            per_resource: false,
            author: Some(named.owner.clone()),
            license: None,
            services: Vec::new(),
            tests: Value::Null,
            text: document(&named.logic),
        });
        self.metas.len() - 1
    }
}

/// As a rule document says how it decides.
fn document(logic: &str) -> Arc<str> {
    let mut out = "detection:\n".to_owned();
    for line in logic.lines() {
        out.push_str(&format!("  {line}\n"));
    }
    out.into()
}

/// What alarms want to know of every event.
#[derive(Debug, Default)]
pub(super) struct Watching {
    span: Option<(i64, i64)>,
    minutes: BTreeSet<i64>,
}

impl Watching {
    pub(super) fn look(&mut self, rules: &Rules, time: i64) {
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
        if rules.alarms.iter().any(|of| of.alarm.default.is_some()) {
            self.minutes.insert(time.div_euclid(MINUTE));
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        if let Some((first, last)) = other.span {
            let mine = self.span.unwrap_or((first, last));
            self.span = Some((mine.0.min(first), mine.1.max(last)));
        }
        self.minutes.extend(other.minutes);
    }

    pub(super) fn watch(self) -> Watch {
        let (first, last) = self.span.unwrap_or_default();
        Watch { first, last, minutes: self.minutes }
    }
}

/// Findings of alarms say when these went off.
pub(super) fn tell(findings: &mut [Finding], rules: &Rules, moments: &Moments) {
    for (meta, times) in moments {
        let name = &rules.metas()[*meta].name;
        let Some(first) = times.first() else { continue };
        let first = Timestamp(*first);
        let told = match times.len() {
            1 => format!(" The alarm would have gone off once, at {first}."),
            n => format!(" The alarm would have gone off {n} times, first at {first}."),
        };
        for finding in findings.iter_mut().filter(|finding| finding.rule == *name) {
            finding.summary += &told;
        }
    }
}
