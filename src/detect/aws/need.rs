//! What a rule needs of an event at least, said over single fields: whoever knows these can leave out
//! events that cannot match. It can only be too wide; where a field is not known, nothing is said.

use super::event::Scalar;
use super::filter::{Condition, Filter, Operand, Question, Rule, Selector, Step};
use super::pattern::{Pattern, Term, detail_type, source};
use super::value::Test;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A test of the value of a field; `None` where the record has none.
type Passes = Arc<dyn Fn(Option<&Scalar<'_>>) -> bool + Send + Sync>;

pub(crate) enum Need {
    Nothing,
    All(Vec<Need>),
    Any(Vec<Need>),
    Of {
        /// Dotted, in the record.
        field: String,
        /// Equal for tests that are the same.
        key: String,
        /// The texts, in lower case, that alone can pass; nothing when there is no such list.
        only: Option<Vec<String>>,
        test: Passes,
    },
}

/// Fields of the record that the envelope of an event is made of.
const ENVELOPE: [&str; 8] = [
    "eventID",
    "eventName",
    "eventSource",
    "eventTime",
    "eventType",
    "awsRegion",
    "recipientAccountId",
    "userIdentity.accountId",
];

impl Pattern {
    pub(crate) fn needs(&self) -> Need {
        let all = |terms: &Vec<Term>| Need::All(terms.iter().map(Term::needs).collect());
        Need::Any(self.alternatives.iter().map(all).collect())
    }

    /// The fields of the record it looks at.
    pub(crate) fn fields(&self) -> BTreeSet<String> {
        let of_record = |term: &Term| match term.path.strip_prefix("detail.") {
            Some(path) => vec![path.to_owned()],
            None => ENVELOPE.map(str::to_owned).to_vec(),
        };
        self.alternatives.iter().flatten().flat_map(of_record).collect()
    }
}

impl Term {
    fn needs(&self) -> Need {
        let key = format!("pattern {}: {:?}", self.path, self.tests);
        let tests = self.tests.clone();
        let passes = move |value: Option<&Scalar<'_>>| {
            tests.iter().any(|test| match value {
                Some(value) => test.matches(value),
                None => *test == Test::Absent,
            })
        };
        let envelope = |field: &str, key: &str, make: fn(&str) -> String| Need::Of {
            field: field.to_owned(),
            key: key.to_owned(),
            only: None,
            test: Arc::new({
                let passes = passes.clone();
                move |value| {
                    let made = make(value.and_then(Scalar::text).unwrap_or_default());
                    passes(Some(&Scalar::Text(Cow::Owned(made))))
                }
            }),
        };
        if let Some(field) = self.path.strip_prefix("detail.") {
            let only = texts(&self.tests);
            return Need::Of { field: field.to_owned(), key, only, test: Arc::new(passes) };
        }
        match self.path.as_str() {
            "detail-type" => envelope("eventType", &key, |kind| detail_type(kind).to_owned()),
            // Of insights, the source is CloudTrail whatever they are about.
            "source" => Need::Any(vec![
                envelope("eventSource", &key, |from| source("", from)),
                envelope("eventType", &format!("{key} by type"), |kind| source(kind, "")),
            ]),
            _ => Need::Nothing,
        }
    }
}

/// The texts, in lower case, that alone pass.
fn texts(tests: &[Test]) -> Option<Vec<String>> {
    let text = |test: &Test| match test {
        Test::Text(text) => Some(text.to_lowercase()),
        Test::IgnoringCase(of) => match &**of {
            Test::Text(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    tests.iter().map(text).collect()
}

impl Filter {
    pub(crate) fn needs(&self) -> Need {
        match &self.0 {
            Rule::Json(condition) => condition.needs(),
            Rule::All | Rule::Terms(_) => Need::Nothing,
        }
    }

    /// The fields of the record it looks at; nothing when it looks at all of it.
    pub(crate) fn fields(&self) -> Option<BTreeSet<String>> {
        let mut fields = BTreeSet::new();
        match &self.0 {
            Rule::All => {}
            Rule::Terms(_) => return None,
            Rule::Json(condition) => condition.add_fields(&mut fields),
        }
        Some(fields)
    }
}

impl Condition {
    fn needs(&self) -> Need {
        let all = |parts: &[Self]| parts.iter().map(Self::needs).collect();
        match self {
            Self::Any(parts) => Need::Any(all(parts)),
            Self::All(parts) => Need::All(all(parts)),
            Self::Is(selector, question) => {
                let Some(field) = selector.path() else { return Need::Nothing };
                let only = match question {
                    Question::Equals(Operand::Text(glob, _)) => {
                        glob.literal().map(|text| vec![text.to_lowercase()])
                    }
                    _ => None,
                };
                let question = question.clone();
                Need::Of {
                    field: field.into_owned(),
                    key: format!("filter {question:?}"),
                    only,
                    test: Arc::new(move |value| match value {
                        Some(value) => question.is_answered_by(value),
                        None => matches!(question, Question::Missing),
                    }),
                }
            }
        }
    }

    fn add_fields(&self, fields: &mut BTreeSet<String>) {
        match self {
            Self::Any(parts) | Self::All(parts) => parts.iter().for_each(|p| p.add_fields(fields)),
            Self::Is(selector, _) => _ = fields.insert(selector.root().to_owned()),
        }
    }
}

impl Selector {
    /// The field of the record it begins with.
    pub(crate) fn root(&self) -> &str {
        match self.0.first() {
            Some(Step::Key(key)) => key,
            _ => "",
        }
    }
}
