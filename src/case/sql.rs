//! A statement as it was typed, made ready for Polars: refused when it would change something, with
//! its times spelled so that they can be compared, and its counts named as people expect.

use crate::model::Timestamp;
use sqlparser::ast::{
    BinaryOperator, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TimezoneInfo, TypedString, Value,
    VisitMut, VisitorMut,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// The virtual column that prints a row back as the record it was read from.
pub(super) const RECORD: &str = "record";
/// Columns of all tables that hold a time.
const TIMES: [&str; 5] = ["event_time", "first", "last", "window_start", "window_end"];

pub(super) struct Prepared {
    pub(super) text: String,
    /// Names the statement uses where a column can stand.
    pub(super) names: BTreeSet<String>,
}

/// # Errors
/// When it is no SQL, more than one statement, or none that only asks.
pub(super) fn prepare(sql: &str) -> Result<Prepared, String> {
    // As Polars parses, so that what is accepted here is what it sees.
    let options = ParserOptions { trailing_commas: true, ..Default::default() };
    let parsed = Parser::new(&GenericDialect)
        .with_options(options)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements());
    let mut statements =
        parsed.map_err(|e| e.to_string().replace("sql parser error: ", "not understood: "))?;
    let count = statements.len();
    let (Some(mut statement), 1) = (statements.pop(), count) else {
        return Err(format!("expected one statement, got {count}"));
    };
    if !matches!(
        statement,
        Statement::Query(_) | Statement::ShowTables { .. } | Statement::Explain { .. }
    ) {
        return Err(
            "only SELECT, WITH, SHOW TABLES and EXPLAIN are answered; a query never changes a case"
                .into(),
        );
    }
    let mut spelling = Spelling {
        times: TIMES.iter().map(|t| (*t).to_owned()).collect(),
        names: BTreeSet::new(),
        changed: false,
    };
    if let ControlFlow::Break(message) = statement.visit(&mut spelling) {
        return Err(message);
    }
    // What needs no change reaches Polars as it was typed.
    let text = if spelling.changed { statement.to_string() } else { sql.to_owned() };
    Ok(Prepared { text, names: spelling.names })
}

struct Spelling {
    times: BTreeSet<String>,
    names: BTreeSet<String>,
    changed: bool,
}

impl VisitorMut for Spelling {
    type Break = String;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<String> {
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { expr, alias } if self.is_time(expr) => {
                    self.times.insert(alias.value.clone());
                }
                // Polars would call it `len`.
                SelectItem::UnnamedExpr(expr)
                    if expr.to_string().eq_ignore_ascii_case("count(*)") =>
                {
                    let alias = Ident::new("count");
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                    self.changed = true;
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    /// Polars orders by an aggregate as if it stood outside of the groups, so it is called by name.
    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<String> {
        let (SetExpr::Select(select), Some(order)) = (&*query.body, &mut query.order_by) else {
            return ControlFlow::Continue(());
        };
        let OrderByKind::Expressions(keys) = &mut order.kind else {
            return ControlFlow::Continue(());
        };
        for key in keys.iter_mut().filter(|key| matches!(key.expr, Expr::Function(_))) {
            let text = key.expr.to_string();
            let alias = select.projection.iter().find_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias }
                    if expr.to_string().eq_ignore_ascii_case(&text) =>
                {
                    Some(alias)
                }
                _ => None,
            });
            if let Some(alias) = alias {
                key.expr = Expr::Identifier(alias.clone());
                self.changed = true;
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        match expr {
            Expr::Identifier(name) => _ = self.names.insert(name.value.clone()),
            Expr::CompoundIdentifier(path) => {
                self.names.extend(path.last().map(|name| name.value.clone()));
            }
            Expr::BinaryOp { left, op, right } if compares(op) => {
                if self.is_time(left) {
                    self.spell(right)?;
                } else if self.is_time(right) {
                    self.spell(left)?;
                }
            }
            Expr::Between { expr, low, high, .. } if self.is_time(expr) => {
                self.spell(low)?;
                self.spell(high)?;
            }
            Expr::InList { expr, list, .. } if self.is_time(expr) => {
                for item in list {
                    self.spell(item)?;
                }
            }
            Expr::Cast { expr: inner, data_type, .. }
                if is_timestamp(data_type) && literal(inner).is_some() =>
            {
                self.spell(inner)?;
                *expr = std::mem::replace(inner, Expr::Value(Value::Null.with_empty_span()));
            }
            Expr::TypedString(typed) if is_timestamp(&typed.data_type) => {
                let mut bare = Expr::Value(typed.value.clone());
                self.spell(&mut bare)?;
                *expr = bare;
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Spelling {
    /// A column of times, or its least or greatest value.
    fn is_time(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Identifier(name) => self.times.contains(&name.value),
            Expr::CompoundIdentifier(path) => {
                path.last().is_some_and(|name| self.times.contains(&name.value))
            }
            Expr::Nested(inner) => self.is_time(inner),
            Expr::Function(function) => {
                let name = function.name.to_string().to_ascii_lowercase();
                matches!(name.as_str(), "min" | "max")
                    && matches!(&function.args, FunctionArguments::List(list)
                        if matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Expr(one))] if self.is_time(one)))
            }
            _ => false,
        }
    }

    /// Polars compares a time with a time only, and reads no offset: the literal becomes one in UTC.
    fn spell(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        let Some(text) = literal(expr) else { return ControlFlow::Continue(()) };
        let Some(time) = Timestamp::parse(text) else {
            return ControlFlow::Break(format!(
                "'{text}' is no time: expected one as in '2026-03-11T02:00:00Z' or '2026-03-11'"
            ));
        };
        let value = Value::SingleQuotedString(time.to_string().trim_end_matches('Z').to_owned());
        *expr = Expr::TypedString(TypedString {
            data_type: DataType::Timestamp(None, TimezoneInfo::None),
            value: value.with_empty_span(),
            uses_odbc_syntax: false,
        });
        self.changed = true;
        ControlFlow::Continue(())
    }
}

fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        Expr::Nested(inner) => literal(inner),
        _ => None,
    }
}

fn compares(op: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(op, B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq)
}

fn is_timestamp(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Datetime(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sql: &str) -> String {
        prepare(sql).unwrap().text
    }

    #[test]
    fn times_are_spelled_in_utc_wherever_they_are_compared() {
        let same = "TIMESTAMP '2026-03-11T02:00:00'";
        for literal in [
            "'2026-03-11T02:00:00Z'",
            "'2026-03-11 03:00:00+01:00'",
            "CAST('2026-03-11T02:00:00Z' AS TIMESTAMP)",
            "'2026-03-11T02:00:00Z'::timestamp",
            "TIMESTAMP '2026-03-11T02:00:00.000Z'",
        ] {
            let sql = text(&format!("SELECT 1 FROM events AS e WHERE e.event_time > {literal}"));
            assert_eq!(sql, format!("SELECT 1 FROM events AS e WHERE e.event_time > {same}"));
        }
        assert_eq!(
            text(
                "SELECT max(event_time) AS t FROM events GROUP BY actor HAVING max(event_time) < '2026-03-11T02:00:00Z'"
            ),
            format!(
                "SELECT max(event_time) AS t FROM events GROUP BY actor HAVING max(event_time) < {same}"
            )
        );
        let between = "SELECT 1 FROM events WHERE event_time BETWEEN '2026-03-11T02:00:00Z' AND '2026-03-11T02:00:00Z'";
        assert!(text(between).ends_with(&format!("BETWEEN {same} AND {same}")));
        let other = "select request_id from events where request_id  = '2026-03-11T02:00:00Z'";
        assert_eq!(text(other), other);
        let wrong = prepare("SELECT 1 FROM events WHERE event_time > 'noon'").err().unwrap();
        assert!(wrong.starts_with("'noon' is no time"), "{wrong}");
    }

    #[test]
    fn only_questions_are_let_through() {
        for sql in ["DROP TABLE events", "DELETE FROM events", "CREATE TABLE a AS SELECT 1"] {
            assert!(prepare(sql).err().unwrap().starts_with("only SELECT"), "{sql}");
        }
        assert_eq!(
            prepare("SELECT 1; DROP TABLE events").err().unwrap(),
            "expected one statement, got 2"
        );
        assert!(prepare("SELEKT 1").is_err());
        for sql in ["SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "SHOW TABLES"] {
            assert_eq!(text(sql), sql);
        }
        assert_eq!(text("SELECT COUNT(*) FROM events"), "SELECT COUNT(*) AS count FROM events");
        assert_eq!(
            text("SELECT actor, count(*) FROM events GROUP BY actor ORDER BY COUNT(*) DESC"),
            "SELECT actor, count(*) AS count FROM events GROUP BY actor ORDER BY count DESC"
        );
    }
}
