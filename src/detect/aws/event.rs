//! An event as the rule languages of AWS see it: the JSON of the record, of which a path gives the
//! leaves. Columns are read as they are; nested JSON is looked into only below a path that asks.

use serde_json::{Number, Value};
use std::borrow::Cow;

/// Deeper than any record that is kept; what lies below is not followed.
const DEPTH_MAX: usize = 128;

/// A CloudTrail record, however it is held.
pub trait Record {
    /// A field of the record itself, such as `eventName` or `requestParameters`.
    fn field(&self, name: &str) -> Option<Field<'_>>;

    /// The text at a dotted path, where that is known without opening what is nested. `None` says
    /// nothing.
    fn known(&self, path: &str) -> Option<&str>;

    /// The whole record as JSON text.
    fn json(&self) -> Cow<'_, str>;
}

/// A field of a record.
#[derive(Debug, Clone)]
pub enum Field<'e> {
    Text(Cow<'e, str>),
    Flag(bool),
    Json(&'e Value),
}

/// A value that holds no others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'e> {
    Text(Cow<'e, str>),
    Number(&'e Number),
    Flag(bool),
    Null,
}

/// Which elements of which arrays lead to a leaf. Two leaves of one array agree when they are below
/// the same element of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place(Vec<(usize, usize)>);

/// A scalar and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Leaf<'e> {
    pub value: Scalar<'e>,
    pub place: Place,
}

impl Place {
    /// Both together, unless they are below different elements of one array.
    pub(super) fn with(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        for &(array, element) in &other.0 {
            match self.0.iter().find(|(a, _)| *a == array) {
                Some((_, mine)) if *mine != element => return None,
                Some(_) => {}
                None => both.0.push((array, element)),
            }
        }
        Some(both)
    }
}

impl Scalar<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            _ => None,
        }
    }
}

/// The leaves at a dotted path: all readings of the dots, all elements of arrays on the way.
pub(super) fn leaves<'e>(record: &'e (impl Record + ?Sized), path: &str) -> Vec<Leaf<'e>> {
    if let Some(text) = record.known(path) {
        let value = Scalar::Text(Cow::Borrowed(text));
        return vec![Leaf { value, place: Place::default() }];
    }
    let mut out = Vec::new();
    for (name, rest) in readings(path) {
        match (record.field(name), rest) {
            (Some(Field::Json(value)), rest) => walk(value, rest, &Place::default(), &mut out),
            (Some(Field::Text(text)), None) => {
                out.push(Leaf { value: Scalar::Text(text), place: Place::default() });
            }
            (Some(Field::Flag(flag)), None) => {
                out.push(Leaf { value: Scalar::Flag(flag), place: Place::default() });
            }
            _ => {}
        }
    }
    out
}

/// A path as a key and the rest, for every dot it could be split at.
fn readings(path: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let split = path.match_indices('.').map(|(dot, _)| (&path[..dot], Some(&path[dot + 1..])));
    split.chain([(path, None)])
}

fn walk<'e>(value: &'e Value, path: Option<&str>, place: &Place, out: &mut Vec<Leaf<'e>>) {
    let leaf = |value| Leaf { value, place: place.clone() };
    match (value, path) {
        (Value::Array(items), _) => {
            // An array is the one at its address for as long as the record is held.
            let array = std::ptr::from_ref(items).addr();
            for (element, item) in items.iter().enumerate() {
                // Scalars of one array are no alternatives to each other.
                let inside = item.is_object() || item.is_array();
                let mut below = place.clone();
                if inside && below.0.len() < DEPTH_MAX {
                    below.0.push((array, element));
                }
                walk(item, path, &below, out);
            }
        }
        (Value::Object(fields), Some(path)) => {
            for (key, rest) in readings(path) {
                if let Some(value) = fields.get(key) {
                    walk(value, rest, place, out);
                }
            }
        }
        (Value::Object(_), None) | (_, Some(_)) => {}
        (Value::String(text), None) => out.push(leaf(Scalar::Text(Cow::Borrowed(text)))),
        (Value::Number(number), None) => out.push(leaf(Scalar::Number(number))),
        (Value::Bool(flag), None) => out.push(leaf(Scalar::Flag(*flag))),
        (Value::Null, None) => out.push(leaf(Scalar::Null)),
    }
}

/// A record that was parsed as a whole: for tests of rules, and for rules that bring their events.
impl Record for Value {
    fn field(&self, name: &str) -> Option<Field<'_>> {
        self.get(name).map(Field::Json)
    }

    fn known(&self, _: &str) -> Option<&str> {
        None
    }

    fn json(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(record: &Value, path: &str) -> Vec<String> {
        leaves(record, path).iter().map(|leaf| format!("{:?}", leaf.value)).collect()
    }

    #[test]
    fn a_path_is_read_in_every_way_and_ends_at_scalars() {
        let record = json!({
            "a": {"b.c": 1, "b": {"c": [2, {"d": 3}, [4]]}},
            "empty": [], "none": null, "object": {"x": {}},
        });
        assert_eq!(
            texts(&record, "a.b.c"),
            ["Number(Number(2))", "Number(Number(4))", "Number(Number(1))"]
        );
        assert_eq!(texts(&record, "a.b.c.d"), ["Number(Number(3))"]);
        assert_eq!(texts(&record, "none"), ["Null"]);
        for nothing in ["empty", "object", "object.x", "a", "absent", "none.x"] {
            assert!(texts(&record, nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn leaves_agree_below_one_element_and_across_arrays() {
        let record = json!({"items": [{"x": 1, "y": 1}, {"x": 2, "y": 2}], "other": [{"z": 3}], "plain": [1, 2]});
        let at = |path: &str| -> Vec<Place> {
            leaves(&record, path).into_iter().map(|l| l.place).collect()
        };
        let (x, y, z) = (at("items.x"), at("items.y"), at("other.z"));
        assert!(x[0].with(&y[0]).is_some() && x[1].with(&y[1]).is_some());
        assert!(x[0].with(&y[1]).is_none() && x[1].with(&y[0]).is_none());
        assert!(x[0].with(&z[0]).is_some());
        let plain = at("plain");
        assert_eq!(plain[0], plain[1], "scalars of an array have no place of their own");
    }
}
