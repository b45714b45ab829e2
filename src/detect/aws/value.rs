//! What an EventBridge pattern asks of one value: the operators, each with how it is written.

use self::Order::{Greater, GreaterOrEqual, Less, LessOrEqual};
use super::event::Scalar;
use super::glob::Glob;
use ipnet::IpNet;
use serde_json::{Number, Value};
use std::net::IpAddr;

/// EventBridge compares numbers within these bounds only.
const NUMBER_MAX: f64 = 5.0e9;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Text(String),
    /// An address in any of its spellings.
    Address(IpAddr),
    Number(Number),
    Flag(bool),
    Null,
    Prefix(String),
    Suffix(String),
    Wildcard(Glob),
    /// What is asked of the text in lower case.
    IgnoringCase(Box<Test>),
    AnythingBut(Vec<Test>),
    Numeric(Vec<(Order, f64)>),
    Cidr(IpNet),
    Exists,
    /// Not there; asked of the event, not of a value.
    Absent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "=" => Self::Equal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    #[expect(clippy::float_cmp, reason = "equal numbers are asked for")]
    pub(super) fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

impl Test {
    pub(super) fn matches(&self, value: &Scalar<'_>) -> bool {
        let text = value.text();
        match self {
            Self::Text(wanted) => text == Some(wanted),
            Self::Address(wanted) => {
                text.and_then(|t| t.parse::<IpAddr>().ok()).as_ref() == Some(wanted)
            }
            Self::Number(wanted) => match value {
                Scalar::Number(number) => *number == wanted || number.as_f64() == wanted.as_f64(),
                _ => false,
            },
            Self::Flag(wanted) => *value == Scalar::Flag(*wanted),
            Self::Null => *value == Scalar::Null,
            Self::Prefix(prefix) => text.is_some_and(|t| t.starts_with(prefix.as_str())),
            Self::Suffix(suffix) => text.is_some_and(|t| t.ends_with(suffix.as_str())),
            Self::Wildcard(glob) => text.is_some_and(|t| glob.matches(t)),
            Self::IgnoringCase(test) => {
                text.is_some_and(|t| test.matches(&Scalar::Text(t.to_lowercase().into())))
            }
            Self::AnythingBut(tests) => !tests.iter().any(|test| test.matches(value)),
            Self::Numeric(bounds) => value.number().is_some_and(|number| {
                bounds.iter().all(|(order, bound)| order.holds(number, *bound))
            }),
            Self::Cidr(net) => {
                let address = text.and_then(|t| t.parse::<IpAddr>().ok());
                address.is_some_and(|address| net.contains(&address))
            }
            Self::Exists => true,
            Self::Absent => false,
        }
    }
}

/// Reads one member of the list of a field.
pub(super) fn read(value: &Value) -> Result<Test, String> {
    match value {
        Value::String(text) => Ok(exact(text)),
        Value::Number(number) => Ok(Test::Number(number.clone())),
        Value::Bool(flag) => Ok(Test::Flag(*flag)),
        Value::Null => Ok(Test::Null),
        Value::Array(_) => Err("a list inside the list of a field is not allowed".to_owned()),
        Value::Object(_) => {
            let (name, value) = operator(value)?;
            match name {
                "anything-but" => anything_but(value),
                "numeric" => numeric(value),
                "exists" => match value {
                    Value::Bool(true) => Ok(Test::Exists),
                    Value::Bool(false) => Ok(Test::Absent),
                    _ => Err("exists is true or false".to_owned()),
                },
                "cidr" => cidr(text(name, value)?),
                _ => of_text(name, value),
            }
        }
    }
}

/// The only key of an object, and its value.
fn operator(value: &Value) -> Result<(&str, &Value), String> {
    match value.as_object().map(|fields| fields.iter().collect::<Vec<_>>()).as_deref() {
        Some([(name, value)]) => Ok((name.as_str(), value)),
        Some(other) => Err(format!("one operator was expected, got {}", other.len())),
        None => Err(format!("an operator was expected, got {value}")),
    }
}

fn text<'v>(name: &str, value: &'v Value) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("{name} wants a text, got {value}"))
}

fn exact(text: &str) -> Test {
    text.parse().map_or_else(|_| Test::Text(text.to_owned()), Test::Address)
}

fn ignoring_case(test: fn(String) -> Test, text: &str) -> Test {
    Test::IgnoringCase(Box::new(test(text.to_lowercase())))
}

/// Operators over texts, which `anything-but` may turn round.
fn of_text(name: &str, value: &Value) -> Result<Test, String> {
    let part = |test: fn(String) -> Test| match value {
        Value::Object(_) => match operator(value)? {
            ("equals-ignore-case", value) => Ok(ignoring_case(test, text(name, value)?)),
            (other, _) => Err(format!("{name} does not take {other}")),
        },
        _ => Ok(test(text(name, value)?.to_owned())),
    };
    match name {
        "prefix" => part(Test::Prefix),
        "suffix" => part(Test::Suffix),
        "equals-ignore-case" => Ok(ignoring_case(Test::Text, text(name, value)?)),
        "wildcard" => Glob::escaped(text(name, value)?).map(Test::Wildcard),
        _ => Err(format!(
            "there is no operator {name}; there are prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr and exists"
        )),
    }
}

fn anything_but(value: &Value) -> Result<Test, String> {
    let Value::Object(_) = value else { return but_values(value) };
    let (name, value) = operator(value)?;
    let tests: Result<Vec<Test>, String> = match value {
        Value::Array(values) => values.iter().map(|value| of_text(name, value)).collect(),
        _ => of_text(name, value).map(|test| vec![test]),
    };
    let tests = tests?;
    let all =
        |test: &Test| matches!(test, Test::Prefix(part) | Test::Suffix(part) if part.is_empty());
    if tests.is_empty() || tests.iter().any(all) {
        return Err(format!("anything-but wants a {name} that says something, got {value}"));
    }
    Ok(Test::AnythingBut(tests))
}

fn but_values(value: &Value) -> Result<Test, String> {
    let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let texts = values.iter().filter(|v| v.is_string()).count();
    let numbers = values.iter().filter(|v| v.is_number()).count();
    if values.is_empty() || (texts != values.len() && numbers != values.len()) {
        return Err("anything-but wants texts or numbers, and not both".to_owned());
    }
    // Of a text that is an address, its spelling is meant.
    let test = |value: &Value| match value {
        Value::String(text) => Ok(Test::Text(text.clone())),
        other => read(other),
    };
    values.iter().map(test).collect::<Result<Vec<_>, _>>().map(Test::AnythingBut)
}

fn numeric(value: &Value) -> Result<Test, String> {
    let wrong = || format!("numeric wants [order, number] or a range, got {value}");
    let terms = value.as_array().filter(|terms| matches!(terms.len(), 2 | 4)).ok_or_else(wrong)?;
    let mut bounds = Vec::new();
    for pair in terms.chunks(2) {
        let order = pair[0].as_str().and_then(Order::parse).ok_or_else(wrong)?;
        let number = pair[1].as_f64().ok_or_else(wrong)?;
        if number.abs() > NUMBER_MAX {
            return Err(format!("numeric compares numbers up to 5,000,000,000, got {number}"));
        }
        bounds.push((order, number));
    }
    match bounds.as_slice() {
        [_] => Ok(Test::Numeric(bounds)),
        [(Greater | GreaterOrEqual, low), (Less | LessOrEqual, high)] if low < high => {
            Ok(Test::Numeric(bounds))
        }
        _ => Err(format!(
            "a range goes from > or >= a lower to < or <= a higher number, got {value}"
        )),
    }
}

fn cidr(text: &str) -> Result<Test, String> {
    let net = text.parse::<IpNet>();
    net.map(Test::Cidr).map_err(|_| format!("{text} is no range of addresses such as 10.0.0.0/24"))
}
