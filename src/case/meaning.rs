//! Whether repeats whose bytes differ say the same all the same: with their keys in another order, or
//! numbers, texts and white space spelled otherwise. The slow way, over rows as they were stored.

use super::fetch::PartFile;
use super::folder::Folder;
use super::journal::{Part, Table};
use super::rows::Rows;
use super::{Error, aggregated, dedupe, record};
use polars::prelude::*;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::path::Path;

/// A hash of each of the `rows` (rising) of a part, as JSON values.
pub(super) fn of_rows(folder: &Folder, part: &Part, rows: &[u32]) -> Result<Vec<u64>, Error> {
    let keys = dedupe::read_keys(&folder.keys(&part.name))?;
    // Where they stand: in the table, or among the repeats beside it.
    let (mut next, mut places) = ([0, 0], [Vec::new(), Vec::new()]);
    let (mut wanted, mut beside) = (rows.iter().peekable(), Vec::new());
    for (row, key) in keys.iter().enumerate() {
        let file = usize::from(key.spare);
        if wanted.next_if(|&&wanted| wanted as usize == row).is_some() {
            places[file].push(next[file]);
            beside.push(key.spare);
        }
        next[file] += 1;
    }
    let [in_table, spare] = places;
    let mut in_table = of_file(&folder.table(part.table, &part.name), part.table, &in_table)?;
    let mut spare = of_file(&folder.spare(&part.name), part.table, &spare)?;
    let of_row = |is_spare| if is_spare { spare.next() } else { in_table.next() };
    Ok(beside.into_iter().map_while(of_row).collect())
}

fn of_file(path: &Path, table: Table, rows: &[u32]) -> Result<std::vec::IntoIter<u64>, Error> {
    if rows.is_empty() {
        return Ok(Vec::new().into_iter());
    }
    let part = PartFile::open(path)?;
    let hashes: Vec<u64> = match table {
        Table::Events => {
            let columns = record::columns().into_iter().map(|name| part.column_at(name, rows));
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            let frame = DataFrame::new(rows.len(), columns).map_err(Error::table("read"))?;
            let rows = Rows::new(&frame)?;
            (0..rows.len()).map(|row| hash(&record::print(rows.row(row)))).collect()
        }
        Table::Aggregated => {
            let column = part.column_at(aggregated::RECORD, rows)?;
            let texts = column.str().map_err(Error::table("read"))?;
            texts.iter().map(|text| hash(text.unwrap_or_default())).collect()
        }
    };
    Ok(hashes.into_iter())
}

fn hash(json: &str) -> u64 {
    let mut plain = String::new();
    spell(json, &mut plain);
    foldhash::fast::FixedState::with_seed(0).hash_one(plain)
}

/// Prints a value in the one spelling that all equal values have. What serde_json cannot read (half a
/// surrogate pair) stays as it is.
fn spell(json: &str, out: &mut String) {
    let done = match json.as_bytes().first() {
        Some(b'{') => serde_json::from_str(json).map(|members| object(&members, out)).is_ok(),
        Some(b'[') => serde_json::from_str(json).map(|elements| list(elements, out)).is_ok(),
        Some(b'"') => serde_json::from_str(json).map(|text: String| string(&text, out)).is_ok(),
        Some(b'-' | b'0'..=b'9') => number(json).map(|number| out.push_str(&number)).is_some(),
        _ => false,
    };
    if !done {
        out.push_str(json);
    }
}

fn object(members: &BTreeMap<String, &RawValue>, out: &mut String) {
    out.push('{');
    for (key, value) in members {
        string(key, out);
        out.push(':');
        spell(value.get(), out);
        out.push(',');
    }
    out.push('}');
}

fn list(elements: Vec<&RawValue>, out: &mut String) {
    out.push('[');
    for element in elements {
        spell(element.get(), out);
        out.push(',');
    }
    out.push(']');
}

fn string(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("text is JSON"));
}

/// Digits without zeros at either end, and the power of ten that they are multiplied with: exact for
/// numbers of any length.
fn number(text: &str) -> Option<String> {
    let unsigned = text.trim_start_matches('-');
    let sign = &text[..text.len() - unsigned.len()];
    let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let zeros = digits.len() - significant.len();
    let power = power.parse::<i64>().ok()?.checked_sub(fraction.len() as i64)?;
    let power = power.checked_add(zeros as i64)?;
    let significant = significant.trim_start_matches('0');
    Some(if significant.is_empty() { "0".into() } else { format!("{sign}{significant}e{power}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_spelled_alike_and_others_are_not() {
        let spelled = |json: &str| {
            let mut out = String::new();
            spell(json, &mut out);
            out
        };
        for (a, b) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("-0.50", "-5E-1"),
            ("0", "-0.0e7"),
            ("12345678901234567890123", "1234567890123456789012.30e+1"),
            (r#""\u00e9\/""#, "\"\u{e9}/\""),
            (r#"{"a":1,"b":[true,null]}"#, "{ \"b\" : [ true , null ],\n\"\\u0061\":1.0 }"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ] {
            assert_eq!(spelled(a), spelled(b));
        }
        for (a, b) in [
            ("1", "10"),
            ("1", "\"1\""),
            ("12345678901234567890123", "12345678901234567890124"),
            ("1", "-1"),
            ("[1,2]", "[2,1]"),
            ("[]", "{}"),
            (r#"{"a":null}"#, "{}"),
            (r#""\ud800""#, r#""\ud801""#),
        ] {
            assert_ne!(spelled(a), spelled(b));
        }
    }
}
