//! Correlations: rules over the hits of other rules within a sliding window of time.
//!
//! rsigma has an engine for them too. It wants events in order of time, which an archive has not, and forgets groups
//! beyond a number without a word; so the windows are ours. Hits are kept as small records from any thread, sorted
//! once, and every window is slid over them. What follows Sigma's text rather than rsigma: `temporal` without a
//! condition wants all of its rules.

use super::row::hash;
use rsigma_parser::CorrelationType::{EventCount, Temporal, TemporalOrdered, ValueCount};
use rsigma_parser::{
    ConditionExpr, ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType,
    WindowMode,
};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

const MICROSECONDS: i64 = 1_000_000;
/// Hits kept for one correlation: 480 MB. One that wants more is not applied, which is told.
pub(super) const MAX_SIGHTINGS: usize = 10_000_000;

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) part: u32,
    pub(super) row: u32,
}

/// A hit of a rule that a correlation refers to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    /// Of the values it is grouped by.
    pub(super) key: u64,
    pub(super) time: i64,
    /// Which of the rules referred to was hit.
    pub(super) reference: u16,
    /// What is counted (a hash) or added up (a number), by kind.
    pub(super) value: u64,
    /// Which of several hits of a moment comes first, on every machine.
    pub(super) tie: u64,
    pub(super) place: Place,
}

/// A moment at which the condition held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Firing {
    pub(super) key: u64,
    pub(super) time: i64,
    /// The hit that completed it.
    pub(super) tie: u64,
    pub(super) place: Place,
}

pub(super) struct Correlation {
    kind: CorrelationType,
    span: i64,
    /// How many rules it refers to.
    references: usize,
    predicates: Vec<(ConditionOperator, f64)>,
    expression: Option<Expression>,
    percentile: f64,
    /// What is counted or added up.
    pub(super) fields: Vec<String>,
}

/// A condition over which rules were hit.
enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Hit(u16),
}

impl Correlation {
    /// # Errors
    /// Says what of the rule cannot be evaluated.
    pub(super) fn compile(rule: &CorrelationRule) -> Result<Self, String> {
        if rule.window != WindowMode::Sliding {
            return Err("window: only Sigma's sliding window is supported".to_owned());
        }
        if rule.rules.is_empty() {
            return Err("correlation refers to no rules".to_owned());
        }
        let (predicates, fields, percentile, expression) = match &rule.condition {
            CorrelationCondition::Threshold { predicates, field, percentile } => {
                let predicates = predicates.iter().map(|(op, n)| (*op, *n as f64)).collect();
                let fields = field.clone().unwrap_or_default();
                (predicates, fields, percentile.unwrap_or(50) as f64, None)
            }
            CorrelationCondition::Extended(expr) => {
                (Vec::new(), Vec::new(), 0.0, Some(Expression::of(expr, &rule.rules)?))
            }
        };
        let wanted = match rule.correlation_type {
            EventCount | Temporal | TemporalOrdered => 0,
            ValueCount => fields.len().max(1),
            _ => 1,
        };
        let is_temporal = matches!(rule.correlation_type, Temporal | TemporalOrdered);
        if wanted > 0 && fields.len() != wanted {
            return Err(format!("{} wants condition.field", rule.correlation_type.as_str()));
        }
        if expression.is_some() && !is_temporal {
            return Err("a condition over rule names is for temporal correlations".to_owned());
        }
        Ok(Self {
            kind: rule.correlation_type,
            span: i64::try_from(rule.timespan.seconds)
                .unwrap_or(i64::MAX)
                .saturating_mul(MICROSECONDS),
            references: rule.rules.len(),
            predicates,
            expression,
            percentile,
            fields,
        })
    }

    /// Slides the window over the hits of each group. Answers with the hits that were in a window when the condition
    /// held (as ranges of `sightings`, which are sorted here), and with those moments.
    pub(super) fn fire(&self, sightings: &mut [Sighting]) -> (Vec<Range<usize>>, Vec<Firing>) {
        sightings.sort_unstable_by_key(|s| (s.key, s.time, s.tie, s.reference));
        let (mut ranges, mut firings) = (Vec::<Range<usize>>::new(), Vec::new());
        let mut start = 0;
        for group in sightings.chunk_by(|a, b| a.key == b.key) {
            let mut window = Window::new(self.references);
            let (mut first, mut end) = (0, 0);
            // What happens at one moment has no order.
            for moment in group.chunk_by(|a, b| a.time == b.time) {
                let now = moment[0].time;
                while group[first].time < now.saturating_sub(self.span) {
                    window.leave(&group[first], self.kind);
                    first += 1;
                }
                for sighting in moment {
                    window.enter(sighting, self.kind);
                }
                end += moment.len();
                if !self.holds(&window) {
                    continue;
                }
                let last = &moment[moment.len() - 1];
                firings.push(Firing { key: last.key, time: now, tie: last.tie, place: last.place });
                match ranges.last_mut() {
                    Some(range) if range.end >= start + first && range.start >= start => {
                        range.end = start + end;
                    }
                    _ => ranges.push(start + first..start + end),
                }
            }
            start += group.len();
        }
        (ranges, firings)
    }

    fn holds(&self, window: &Window) -> bool {
        let is_hit = |reference: u16| !window.hits[usize::from(reference)].is_empty();
        let number = match self.kind {
            Temporal | TemporalOrdered => {
                let expressed = self.expression.as_ref().map(|e| e.holds(&is_hit));
                if expressed == Some(false) {
                    return false;
                }
                if self.kind == TemporalOrdered {
                    return window.is_ordered();
                }
                let hit = window.hits.iter().filter(|times| !times.is_empty()).count();
                match &self.predicates[..] {
                    [] => return expressed == Some(true),
                    // What a rule without a condition is read as.
                    [(ConditionOperator::Gte, 1.0)] => return hit == self.references,
                    _ => hit as f64,
                }
            }
            EventCount => window.count as f64,
            ValueCount => window.values.len() as f64,
            CorrelationType::ValueSum => window.sum(),
            CorrelationType::ValueAvg => window.sum() / window.numbers.len().max(1) as f64,
            CorrelationType::ValuePercentile | CorrelationType::ValueMedian => {
                let rank =
                    if self.kind == CorrelationType::ValueMedian { 50.0 } else { self.percentile };
                let Some(number) = percentile(&window.numbers, rank) else { return false };
                // The condition of a percentile is about its value, as that of the others is.
                number
            }
        };
        !self.predicates.is_empty()
            && self.predicates.iter().all(|(operator, limit)| match operator {
                ConditionOperator::Lt => number < *limit,
                ConditionOperator::Lte => number <= *limit,
                ConditionOperator::Gt => number > *limit,
                ConditionOperator::Gte => number >= *limit,
                ConditionOperator::Eq => (number - limit).abs() < f64::EPSILON,
                ConditionOperator::Neq => (number - limit).abs() >= f64::EPSILON,
            })
    }

    /// What a hit brings along, from the texts of the fields that are counted or added up; nothing when it lacks one.
    pub(super) fn value(&self, texts: impl Iterator<Item = Option<String>>) -> Option<u64> {
        match self.kind {
            EventCount | Temporal | TemporalOrdered => Some(0),
            ValueCount => {
                let texts: Vec<String> = texts.collect::<Option<_>>()?;
                (!texts.is_empty()).then(|| hash(&texts))
            }
            _ => {
                let number: f64 = texts.flatten().next()?.parse().ok()?;
                number.is_finite().then(|| number.to_bits())
            }
        }
    }
}

impl Expression {
    fn of(expr: &ConditionExpr, rules: &[String]) -> Result<Self, String> {
        let all = |children: &[ConditionExpr]| -> Result<Vec<Self>, String> {
            children.iter().map(|c| Self::of(c, rules)).collect()
        };
        Ok(match expr {
            ConditionExpr::And(children) => Self::And(all(children)?),
            ConditionExpr::Or(children) => Self::Or(all(children)?),
            ConditionExpr::Not(child) => Self::Not(Box::new(Self::of(child, rules)?)),
            ConditionExpr::Identifier(name) => {
                let place = rules.iter().position(|rule| rule == name);
                let place = place.ok_or_else(|| {
                    format!("condition names {name}, which is not among its rules")
                })?;
                Self::Hit(place as u16)
            }
            ConditionExpr::Selector { .. } => {
                return Err("condition of a correlation: expected names of rules".to_owned());
            }
        })
    }

    fn holds(&self, is_hit: &impl Fn(u16) -> bool) -> bool {
        match self {
            Self::And(children) => children.iter().all(|c| c.holds(is_hit)),
            Self::Or(children) => children.iter().any(|c| c.holds(is_hit)),
            Self::Not(child) => !child.holds(is_hit),
            Self::Hit(reference) => is_hit(*reference),
        }
    }
}

/// What is in the window of one group.
struct Window {
    count: usize,
    /// Hashes, with how often each is there.
    values: HashMap<u64, u32>,
    /// Sorted.
    numbers: Vec<f64>,
    /// Times by rule referred to.
    hits: Vec<VecDeque<i64>>,
}

impl Window {
    fn new(references: usize) -> Self {
        let hits = vec![VecDeque::new(); references];
        Self { count: 0, values: HashMap::new(), numbers: Vec::new(), hits }
    }

    fn enter(&mut self, sighting: &Sighting, kind: CorrelationType) {
        match kind {
            EventCount => self.count += 1,
            ValueCount => *self.values.entry(sighting.value).or_default() += 1,
            Temporal | TemporalOrdered => {
                self.hits[usize::from(sighting.reference)].push_back(sighting.time);
            }
            _ => {
                let number = f64::from_bits(sighting.value);
                let place = self.numbers.partition_point(|n| *n < number);
                self.numbers.insert(place, number);
            }
        }
    }

    fn leave(&mut self, sighting: &Sighting, kind: CorrelationType) {
        match kind {
            EventCount => self.count -= 1,
            ValueCount => {
                if let Some(times) = self.values.get_mut(&sighting.value) {
                    *times -= 1;
                    if *times == 0 {
                        self.values.remove(&sighting.value);
                    }
                }
            }
            Temporal | TemporalOrdered => {
                self.hits[usize::from(sighting.reference)].pop_front();
            }
            _ => {
                let number = f64::from_bits(sighting.value);
                let place = self.numbers.partition_point(|n| *n < number);
                self.numbers.remove(place);
            }
        }
    }

    /// Added up in order of size, so that any order of hits gives the same sum.
    fn sum(&self) -> f64 {
        self.numbers.iter().sum()
    }

    /// Whether a hit of each rule can be picked so that none comes before the one of the rule before it.
    fn is_ordered(&self) -> bool {
        let mut after = i64::MIN;
        self.hits.iter().all(|times| {
            let next = times.partition_point(|t| *t < after);
            times.get(next).is_some_and(|t| {
                after = *t;
                true
            })
        })
    }
}

/// By linear interpolation between the closest ranks. `sorted` rises.
fn percentile(sorted: &[f64], percent: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = (percent / 100.0).clamp(0.0, 1.0) * last as f64;
    #[expect(clippy::cast_sign_loss, reason = "a rank is between zero and the last")]
    let (low, high) = (rank.floor() as usize, rank.ceil() as usize);
    let share = rank - rank.floor();
    Some(sorted[low] + share * (sorted[high.min(last)] - sorted[low]))
}

/// Values of the fields a correlation groups by, where another correlation wants to know them.
pub(super) type Names = BTreeMap<u64, Vec<(String, Option<String>)>>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rsigma_eval::event::JsonEvent;
    use rsigma_eval::{CorrelationConfig, CorrelationEngine};
    use rsigma_parser::parse_sigma_yaml;
    use std::collections::BTreeSet;

    /// Time, rule hit, group, value.
    type Hit = (i64, u16, u8, i64);

    const RULES: [&str; 3] = ["a", "b", "c"];

    fn collection(kind: &str, condition: &str) -> rsigma_parser::SigmaCollection {
        let rule = |name: &&str| {
            format!(
                "title: {name}\nid: {name}\nlogsource: {{product: aws}}\ndetection:\n  s: {{rule: {name}}}\n  condition: s\n---\n"
            )
        };
        let rules: String = RULES.iter().map(rule).collect();
        let text = format!(
            "{rules}title: all\nid: all\ncorrelation:\n  type: {kind}\n  rules: [a, b, c]\n  group-by: [group]\n  timespan: 10s\n  condition: {condition}\n"
        );
        let collection = parse_sigma_yaml(&text).unwrap();
        assert!(collection.errors.is_empty(), "{:?}", collection.errors);
        collection
    }

    /// Group and time of every firing, by rsigma's engine, which wants order.
    fn by_rsigma(collection: &rsigma_parser::SigmaCollection, hits: &[Hit]) -> BTreeSet<(u8, i64)> {
        let mut engine = CorrelationEngine::new(CorrelationConfig::default());
        engine.add_collection(collection).unwrap();
        let mut hits = hits.to_vec();
        hits.sort_unstable();
        let mut fired = BTreeSet::new();
        for (time, rule, group, value) in hits {
            let rule = RULES[usize::from(rule)];
            let event = serde_json::json!({"rule": rule, "group": group, "v": value});
            let results = engine.process_event_at(&JsonEvent::borrow(&event), 1_000 + time);
            if results.iter().any(rsigma_eval::EvaluationResult::is_correlation) {
                fired.insert((group, time));
            }
        }
        fired
    }

    fn by_us(collection: &rsigma_parser::SigmaCollection, hits: &[Hit]) -> BTreeSet<(u8, i64)> {
        let correlation = Correlation::compile(&collection.correlations[0]).unwrap();
        let place = Place { part: 0, row: 0 };
        let sighting = |&(time, reference, group, value): &Hit| Sighting {
            key: u64::from(group),
            time: time * MICROSECONDS,
            reference,
            value: correlation.value(std::iter::once(Some(value.to_string()))).unwrap(),
            tie: 0,
            place,
        };
        let mut sightings: Vec<Sighting> = hits.iter().map(sighting).collect();
        let (_, firings) = correlation.fire(&mut sightings);
        firings.iter().map(|f| (f.key as u8, f.time / MICROSECONDS)).collect()
    }

    proptest! {
        /// Two implementations: rsigma's engine over events in order, our windows over hits in any order.
        #[test]
        fn windows_fire_when_rsigmas_engine_does(
            mut hits in prop::collection::vec((0i64..60, 0u16..3, 0u8..2, -3i64..9), 0..40),
            limit in 1u64..6,
        ) {
            let rising = [
                ("event_count", format!("{{gte: {limit}}}")),
                ("event_count", format!("{{gt: {limit}}}")),
                ("value_count", format!("{{field: v, gte: {limit}}}")),
                ("temporal", "{gte: 3}".to_owned()),
                ("temporal", "a and (b or not c)".to_owned()),
                ("temporal_ordered", "{gte: 1}".to_owned()),
            ];
            // What more events at the same moment can undo is compared where no two are.
            let any = [
                ("event_count", format!("{{eq: {limit}}}")),
                ("event_count", format!("{{gt: 1, lte: {limit}}}")),
                ("value_count", format!("{{field: v, neq: {limit}}}")),
                ("value_sum", format!("{{field: v, gte: {limit}}}")),
                ("value_avg", format!("{{field: v, lt: {limit}}}")),
                ("value_median", format!("{{field: v, lte: {limit}}}")),
            ];
            for (kind, condition) in &rising[..4] {
                let rules = collection(kind, condition);
                prop_assert_eq!(by_us(&rules, &hits), by_rsigma(&rules, &hits), "{} {}", kind, condition);
            }
            let mut seen = BTreeSet::new();
            hits.retain(|hit| seen.insert(hit.0));
            for (kind, condition) in rising[4..].iter().chain(&any) {
                let rules = collection(kind, condition);
                prop_assert_eq!(by_us(&rules, &hits), by_rsigma(&rules, &hits), "{} {}", kind, condition);
            }
        }
    }

    fn hits(of: &[(i64, u16)]) -> Vec<Hit> {
        of.iter().map(|(time, rule)| (*time, *rule, 0, 0)).collect()
    }

    #[test]
    fn a_temporal_rule_without_a_condition_wants_all_of_its_rules() {
        let mut rules = collection("temporal", "{gte: 1}");
        assert!(by_us(&rules, &hits(&[(0, 0), (1, 1)])).is_empty());
        assert_eq!(by_us(&rules, &hits(&[(0, 0), (1, 1), (2, 2)])).len(), 1);
        rules.correlations[0].correlation_type = CorrelationType::TemporalOrdered;
        assert!(by_us(&rules, &hits(&[(0, 2), (1, 1), (2, 0)])).is_empty());
        assert_eq!(
            by_us(&rules, &hits(&[(0, 2), (0, 1), (0, 0)])).len(),
            1,
            "one moment, any order"
        );
    }

    #[test]
    fn the_window_slides_and_the_events_in_it_are_answered_with() {
        let rules = collection("event_count", "{gte: 3}");
        let correlation = Correlation::compile(&rules.correlations[0]).unwrap();
        let place = |row| Place { part: 0, row };
        let times = [0, 9, 10, 21, 40, 45, 50, 50];
        let mut sightings: Vec<Sighting> = (0..)
            .zip(times)
            .map(|(row, time)| Sighting {
                key: 0,
                time: time * MICROSECONDS,
                reference: 0,
                value: 0,
                tie: 0,
                place: place(row),
            })
            .collect();
        let (ranges, firings) = correlation.fire(&mut sightings);
        assert_eq!(ranges, [0..3, 4..8], "a calendar's buckets would have parted 9 from 10");
        assert_eq!(firings.len(), 2);
    }

    #[test]
    fn percentiles_are_read_between_ranks() {
        assert_eq!(percentile(&[], 50.0), None);
        assert_eq!(percentile(&[3.0], 99.0), Some(3.0));
        assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 50.0), Some(2.5));
        assert_eq!(percentile(&[0.0, 10.0], 95.0), Some(9.5));
    }
}
