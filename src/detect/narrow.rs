//! What a rule asks of columns alone: a condition that every hit meets, so that most rules need not be asked about
//! most events.
//!
//! It is worked out in three values. An [`Atom`] is one test of a rule on one column, by the very matcher that rsigma
//! compiled; whatever else a rule asks (keywords, what is computed from a request) is `Maybe`. What comes out `False`
//! cannot be a hit, and what comes out `True` is one: the rule need not be asked at all.

use super::columns::{COLUMNS, EXTRA, IDENTITY, NAME, RAW, RAWS, SOURCE};
use super::derived;
use super::texts::Json;
use super::words;
use crate::case::service_of;
use memchr::memmem::Finder;
use rsigma_eval::event::{EventValue, JsonEvent};
use rsigma_eval::matcher::GroupMode;
use rsigma_eval::{CompiledDetection, CompiledDetectionItem, CompiledMatcher};
use rsigma_parser::{ConditionExpr, Quantifier};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Known {
    False,
    Maybe,
    True,
}

impl Known {
    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Maybe => Self::Maybe,
            Self::True => Self::False,
        }
    }
}

impl From<bool> for Known {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// One test on one column.
pub(super) struct Atom {
    /// Place in [`COLUMNS`].
    pub(super) column: usize,
    /// Path inside of a value that is JSON; empty for all of it.
    pub(super) path: String,
    /// A number of the path, among those of all rules.
    pub(super) slot: u32,
    /// Equal for tests that are the same.
    pub(super) key: Option<String>,
    /// The texts, in lower case, that alone can pass; nothing when there is no such list.
    pub(super) only: Option<Vec<String>>,
    /// What is computed from the column, rather than in it: a rule of ours knows it, this does not.
    is_computed: bool,
    clue: Option<Clue>,
    test: Test,
}

type Test = Box<dyn Fn(Option<&EventValue<'_>>) -> bool + Send + Sync>;

/// Words of which a JSON text has one, or else the answer is known without a closer look.
struct Clue {
    words: Vec<Finder<'static>>,
    /// They are, and are to be looked for in lower case.
    is_lower: bool,
    without: bool,
}

impl Atom {
    /// Exact, for a value that is known.
    pub(super) fn passes(&self, value: Option<&EventValue<'_>>) -> bool {
        (self.test)(value)
    }

    /// Without one of these in it, in some case, a plain text needs no closer look.
    pub(super) fn clue_words(&self) -> impl Iterator<Item = &[u8]> {
        self.clue.iter().flat_map(|clue| &clue.words).map(Finder::needle)
    }

    /// What it says of rows without a text in its column, and of those whose text has none of its words; `Maybe` where
    /// that is not one answer.
    pub(super) fn without_words(&self) -> Known {
        let says_one = |clue: &&Clue| !clue.words.is_empty() && clue.without == self.passes(None);
        self.clue.as_ref().filter(says_one).map_or(Known::Maybe, |clue| clue.without.into())
    }

    /// For a column that is JSON.
    pub(super) fn passes_in(&self, json: Option<&Json<'_>>) -> Known {
        let Some(json) = json else { return self.passes(None).into() };
        let has = |word: &Finder<'_>, is_lower: bool| {
            word.find(if is_lower { json.lower() } else { json.text.as_bytes() }).is_some()
        };
        if json.text == "null" {
            let null = self.path.is_empty().then_some(&EventValue::Null);
            return self.passes(null).into();
        }
        match &self.clue {
            Some(clue) if json.is_plain() && !clue.words.iter().any(|w| has(w, clue.is_lower)) => {
                clue.without.into()
            }
            _ if self.is_computed => Known::Maybe,
            _ if self.path.is_empty() => {
                self.passes(Some(&EventValue::Str(Cow::Borrowed(json.text)))).into()
            }
            _ => json.with_value(self.slot, &self.path, |value| self.passes(value)).into(),
        }
    }
}

/// A condition over columns. `A` is an atom, or where one is kept.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Narrow<A = Atom> {
    Always(Known),
    Not(Box<Narrow<A>>),
    All(Vec<Narrow<A>>),
    Any(Vec<Narrow<A>>),
    AtLeast(u64, Vec<Narrow<A>>),
    Atom(A),
}

impl<A> Narrow<A> {
    pub(super) fn eval(&self, atom: &impl Fn(&A) -> Known) -> Known {
        match self {
            Self::Always(known) => *known,
            Self::Not(of) => of.eval(atom).not(),
            Self::Atom(of) => atom(of),
            Self::All(of) => {
                let mut least = Known::True;
                for part in of {
                    least = least.min(part.eval(atom));
                    if least == Known::False {
                        break;
                    }
                }
                least
            }
            Self::Any(of) => {
                let mut most = Known::False;
                for part in of {
                    most = most.max(part.eval(atom));
                    if most == Known::True {
                        break;
                    }
                }
                most
            }
            Self::AtLeast(wanted, of) => {
                let known: Vec<Known> = of.iter().map(|part| part.eval(atom)).collect();
                let count = |least| known.iter().filter(|k| **k >= least).count() as u64;
                match (count(Known::True) >= *wanted, count(Known::Maybe) >= *wanted) {
                    (true, _) => Known::True,
                    (false, true) => Known::Maybe,
                    (false, false) => Known::False,
                }
            }
        }
    }

    /// What is left to be asked once so much is known.
    pub(super) fn rest(&self, atom: &impl Fn(&A) -> Known) -> Self
    where
        A: Copy,
    {
        let all = |of: &[Self], certain: Known| {
            let mut rest = Vec::new();
            for part in of {
                match part.rest(atom) {
                    Self::Always(known) if known == certain => return Err(known),
                    Self::Always(known) if known == certain.not() => {}
                    part => rest.push(part),
                }
            }
            Ok(rest)
        };
        match self {
            Self::Always(known) => Self::Always(*known),
            Self::Atom(of) => match atom(of) {
                Known::Maybe => Self::Atom(*of),
                known => Self::Always(known),
            },
            Self::Not(of) => match of.rest(atom) {
                Self::Always(known) => Self::Always(known.not()),
                rest => Self::Not(Box::new(rest)),
            },
            Self::All(of) => all(of, Known::False).map_or_else(Self::Always, |rest| {
                if rest.is_empty() { Self::Always(Known::True) } else { Self::All(rest) }
            }),
            Self::Any(of) => all(of, Known::True).map_or_else(Self::Always, |rest| {
                if rest.is_empty() { Self::Always(Known::False) } else { Self::Any(rest) }
            }),
            Self::AtLeast(wanted, of) => match self.eval(atom) {
                Known::Maybe => Self::AtLeast(*wanted, of.iter().map(|p| p.rest(atom)).collect()),
                known => Self::Always(known),
            },
        }
    }

    /// What comes out, and few atoms that tell as much on their own.
    pub(super) fn decided(&self, atom: &impl Fn(&A) -> Known) -> (Known, Vec<A>)
    where
        A: Copy,
    {
        let all = |of: &[Self], certain: Known| {
            let of: Vec<_> = of.iter().map(|part| part.decided(atom)).collect();
            let decisive = of.iter().filter(|(known, _)| *known == certain);
            if let Some(one) = decisive.min_by_key(|(_, atoms)| atoms.len()) {
                return one.clone();
            }
            let is_open = of.iter().any(|(known, _)| *known == Known::Maybe);
            let known = if is_open { Known::Maybe } else { certain.not() };
            (known, of.into_iter().flat_map(|(_, atoms)| atoms).collect())
        };
        match self {
            Self::Always(known) => (*known, Vec::new()),
            Self::Atom(of) => (atom(of), vec![*of]),
            Self::Not(of) => {
                let (known, atoms) = of.decided(atom);
                (known.not(), atoms)
            }
            Self::All(of) => all(of, Known::False),
            Self::Any(of) => all(of, Known::True),
            Self::AtLeast(_, of) => {
                let of = of.iter().map(|part| part.decided(atom));
                let known = of.filter(|(known, _)| *known != Known::Maybe);
                (self.eval(atom), known.flat_map(|(_, atoms)| atoms).collect())
            }
        }
    }

    /// Whether there is such an atom.
    pub(super) fn any(&self, is_meant: &mut impl FnMut(&A) -> bool) -> bool {
        match self {
            Self::Always(_) => false,
            Self::Atom(atom) => is_meant(atom),
            Self::Not(of) => of.any(is_meant),
            Self::All(of) | Self::Any(of) | Self::AtLeast(_, of) => {
                of.iter().any(|part| part.any(is_meant))
            }
        }
    }

    /// With atoms put elsewhere.
    pub(super) fn map<B>(self, keep: &mut impl FnMut(A) -> B) -> Narrow<B> {
        let mut all = |of: Vec<Self>| of.into_iter().map(|part| part.map(&mut *keep)).collect();
        match self {
            Self::Always(known) => Narrow::Always(known),
            Self::All(of) => Narrow::All(all(of)),
            Self::Any(of) => Narrow::Any(all(of)),
            Self::AtLeast(wanted, of) => Narrow::AtLeast(wanted, all(of)),
            Self::Not(of) => Narrow::Not(Box::new(of.map(keep))),
            Self::Atom(of) => Narrow::Atom(keep(of)),
        }
    }

    /// Whether this can come out so, as far as atoms that count can tell.
    pub(super) fn can_be(&self, wanted: Known, counts: &impl Fn(&A) -> bool) -> bool {
        match (self, wanted) {
            (Self::Always(known), wanted) => *known == wanted,
            (Self::Atom(atom), _) => counts(atom),
            (Self::Not(of), wanted) => of.can_be(wanted.not(), counts),
            (Self::All(of), Known::False) | (Self::Any(of), Known::True) => {
                of.iter().any(|part| part.can_be(wanted, counts))
            }
            (Self::All(of) | Self::Any(of) | Self::AtLeast(_, of), _) => {
                of.iter().all(|part| part.can_be(wanted, counts))
            }
        }
    }
}

impl Narrow {
    /// The texts of a column, in lower case, that alone can pass; nothing when any can.
    pub(super) fn only(&self, column: usize) -> Option<BTreeSet<&str>> {
        match self {
            Self::Always(Known::False) => Some(BTreeSet::new()),
            Self::Atom(atom) if atom.column == column => {
                Some(atom.only.as_ref()?.iter().map(String::as_str).collect())
            }
            Self::All(of) => of.iter().filter_map(|of| of.only(column)).min_by_key(BTreeSet::len),
            Self::Any(of) => {
                let texts: Option<Vec<_>> = of.iter().map(|of| of.only(column)).collect();
                Some(texts?.into_iter().flatten().collect())
            }
            _ => None,
        }
    }

    /// The event names that alone can pass.
    pub(super) fn names(&self) -> Option<BTreeSet<&str>> {
        self.only(NAME)
    }

    /// The services that the rule is about, where it names them.
    pub(super) fn services(&self) -> Vec<String> {
        let sources = self.only(SOURCE).unwrap_or_default();
        sources.iter().map(|source| service_of(source).to_owned()).collect()
    }

    pub(super) fn of(
        conditions: &[ConditionExpr],
        named: &HashMap<String, CompiledDetection>,
    ) -> Self {
        Self::Any(conditions.iter().map(|c| condition(c, named)).collect())
    }

    /// A test on a field, where a column answers for it. `words`, in lower case: one of them is in any text that passes.
    pub(super) fn field(
        field: &str,
        key: Option<String>,
        only: Option<Vec<String>>,
        words: Option<Vec<String>>,
        test: impl Fn(Option<&EventValue<'_>>) -> bool + Send + Sync + 'static,
    ) -> Self {
        let Some((column, path)) = place(field) else { return Self::Always(Known::Maybe) };
        let finder = |word: &str| Finder::new(word).into_owned();
        let name = field.strip_prefix("trailinsight.").filter(|_| COLUMNS[column].field.is_empty());
        let clue = match name {
            Some(name) => derived::words(name).map(|(words, without)| Clue {
                words: words.iter().map(|word| finder(word)).collect(),
                is_lower: true,
                without: test(without.as_ref()),
            }),
            None if path.is_empty() => words.filter(|_| column >= RAW).map(|words| Clue {
                words: words.iter().map(|word| finder(word)).collect(),
                is_lower: true,
                without: false,
            }),
            // So does a value, where nothing else is spelled so.
            None if column >= RAW
                && words.as_ref().is_some_and(|w| w.iter().all(|w| words::is_own(w))) =>
            {
                words.map(|words| Clue {
                    words: words.iter().map(|word| finder(word)).collect(),
                    is_lower: true,
                    without: false,
                })
            }
            // The last key of a path is there as it is, whatever is before it.
            None => path.rsplit('.').next().filter(|key| !key.is_empty()).map(|key| Clue {
                words: vec![finder(key)],
                is_lower: false,
                without: test(None),
            }),
        };
        let (path, is_computed) = (path.to_owned(), name.is_some());
        let test = Box::new(test);
        Self::Atom(Atom { column, path, slot: 0, key, only, is_computed, clue, test })
    }
}

/// Which column answers for a field, and where in it.
fn place(field: &str) -> Option<(usize, &str)> {
    let (root, rest) = field.split_once('.').unwrap_or((field, ""));
    let named = COLUMNS.iter().position(|c| !c.field.is_empty() && c.field == field);
    if let Some(column) = named {
        // Where else it may be.
        return Some((column, if root == "userIdentity" { rest } else { "" }));
    }
    if let Some(raw) = RAWS.iter().position(|raw| *raw == root) {
        return Some((RAW + raw, rest));
    }
    match root {
        "userIdentity" => Some((IDENTITY, rest)),
        "trailinsight" if derived::FIELDS.contains(&rest) => Some((RAW, field)),
        "trailinsight" | "eventTime" => None,
        _ if super::row::is_known(root) => None,
        _ => Some((EXTRA, "")),
    }
}

fn condition(expr: &ConditionExpr, named: &HashMap<String, CompiledDetection>) -> Narrow {
    let all = |of: &[ConditionExpr]| of.iter().map(|e| condition(e, named)).collect();
    match expr {
        ConditionExpr::And(of) => Narrow::All(all(of)),
        ConditionExpr::Or(of) => Narrow::Any(all(of)),
        ConditionExpr::Not(of) => Narrow::Not(Box::new(condition(of, named))),
        ConditionExpr::Identifier(name) => {
            named.get(name).map_or(Narrow::Always(Known::False), detection)
        }
        ConditionExpr::Selector { quantifier, pattern } => {
            let of = named.iter().filter(|(name, _)| pattern.matches_detection_name(name));
            let of: Vec<Narrow> = of.map(|(_, of)| detection(of)).collect();
            match quantifier {
                Quantifier::Any => Narrow::Any(of),
                Quantifier::All => Narrow::All(of),
                Quantifier::Count(wanted) => Narrow::AtLeast(*wanted, of),
            }
        }
    }
}

fn detection(of: &CompiledDetection) -> Narrow {
    match of {
        CompiledDetection::AllOf(items) => Narrow::All(items.iter().map(item).collect()),
        CompiledDetection::AnyOf(of) => Narrow::Any(of.iter().map(detection).collect()),
        CompiledDetection::And(of) => Narrow::All(of.iter().map(detection).collect()),
        CompiledDetection::Keywords(_)
        | CompiledDetection::ArrayMatch { .. }
        | CompiledDetection::Conditional { .. } => Narrow::Always(Known::Maybe),
    }
}

fn item(of: &CompiledDetectionItem) -> Narrow {
    let Some(field) = &of.field else { return Narrow::Always(Known::Maybe) };
    if asks_other_fields(&of.matcher) {
        return Narrow::Always(Known::Maybe);
    }
    let only = only(&of.matcher);
    let key = match &only {
        Some(_) => Some(format!("{:?}", of.matcher)),
        None => simple(&of.matcher),
    };
    let words = words::of_matcher(&of.matcher).filter(|_| of.exists.is_none());
    let (matcher, exists) = (of.matcher.clone(), of.exists);
    Narrow::field(field, key, only, words, move |value| match (exists, value) {
        (Some(exists), value) => value.is_some_and(|v| !v.is_null()) == exists,
        (None, Some(value)) => matcher.matches(value, &JsonEvent::borrow(&Value::Null)),
        (None, None) => matches!(matcher, CompiledMatcher::Null),
    })
}

fn asks_other_fields(matcher: &CompiledMatcher) -> bool {
    match matcher {
        CompiledMatcher::FieldRef { .. } | CompiledMatcher::Expand { .. } => true,
        CompiledMatcher::Not(of) | CompiledMatcher::TimestampPart { inner: of, .. } => {
            asks_other_fields(of)
        }
        CompiledMatcher::AnyOf(of)
        | CompiledMatcher::AllOf(of)
        | CompiledMatcher::CaseInsensitiveGroup { children: of, .. } => {
            of.iter().any(asks_other_fields)
        }
        _ => false,
    }
}

/// The texts, in lower case, that alone can match.
fn only(matcher: &CompiledMatcher) -> Option<Vec<String>> {
    match matcher {
        CompiledMatcher::Exact { value, .. } => Some(vec![value.to_lowercase()]),
        CompiledMatcher::AnyOf(of)
        | CompiledMatcher::CaseInsensitiveGroup { children: of, mode: GroupMode::Any } => {
            let of: Option<Vec<_>> = of.iter().map(only).collect();
            Some(of?.into_iter().flatten().collect())
        }
        _ => None,
    }
}

/// What tells a simple matcher from others.
fn simple(matcher: &CompiledMatcher) -> Option<String> {
    use CompiledMatcher as M;
    match matcher {
        M::Null | M::BoolEq(_) | M::NumericEq(_) | M::Exists(_) => Some(format!("{matcher:?}")),
        M::Contains { .. } | M::StartsWith { .. } | M::EndsWith { .. } => {
            Some(format!("{matcher:?}"))
        }
        _ => None,
    }
}
