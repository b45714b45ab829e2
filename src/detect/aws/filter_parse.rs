//! The text of a filter pattern, read: `(` before `&&` before `||`.

use super::filter::{Condition, Filter, Operand, Question, Rule, Selector, Step, Term, Terms};
use super::glob::Glob;
use super::pattern::Bad;
use super::value::Order;
use regex::{Regex, RegexBuilder};

/// Deepest nesting of parentheses.
const DEPTH_MAX: usize = 64;
/// Memory of one compiled regular expression.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// What CloudWatch Logs allows in a regular expression beside letters and digits.
const REGEX_CHARS: &str = r"_#=@/;,-:^$?[]{}|\*+. ";
/// Where an unquoted value ends, beside white space.
const ENDS: [char; 5] = ['(', ')', '{', '}', '"'];

impl Filter {
    /// # Errors
    /// When CloudWatch Logs would not take it, or it is of a kind that no record can match.
    pub fn parse(text: &str) -> Result<Self, Bad> {
        let mut reader = Reader { text, at: 0, depth: 0 };
        reader.blank();
        let filter = match reader.peek() {
            None => return Ok(Self(Rule::All)),
            Some('{') => {
                reader.at += 1;
                let condition = reader.any()?;
                reader.wants("}")?;
                Self(Rule::Json(condition))
            }
            Some('[') => {
                return Err(reader.bad("a space-delimited pattern matches no CloudTrail record; write { $.field = value }"));
            }
            Some(_) => return reader.terms(),
        };
        reader.blank();
        match reader.peek() {
            None => Ok(filter),
            Some(_) => Err(reader.bad("nothing may follow the closing brace")),
        }
    }
}

impl Selector {
    /// # Errors
    /// When it is no `$.a.b[0]`.
    pub fn parse(text: &str) -> Result<Self, Bad> {
        let mut reader = Reader { text, at: 0, depth: 0 };
        reader.blank();
        let selector = reader.selector()?;
        reader.blank();
        if reader.peek().is_some() {
            Err(reader.bad("nothing may follow a selector"))
        } else {
            Ok(selector)
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn blank(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Steps over `word`, if it is next.
    fn takes(&mut self, word: &str) -> bool {
        self.blank();
        let there = self.rest().starts_with(word);
        self.at += if there { word.len() } else { 0 };
        there
    }

    /// Steps over a keyword, in capitals or not, that ends where it ends.
    fn keyword(&mut self, word: &str) -> bool {
        self.blank();
        let rest = self.rest();
        let Some(head) = rest.get(..word.len()) else { return false };
        let more = rest[word.len()..].chars().next();
        let there = head.eq_ignore_ascii_case(word)
            && more.is_none_or(|c| c.is_whitespace() || ENDS.contains(&c) || "&|".contains(c));
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn wants(&mut self, word: &str) -> Result<(), Bad> {
        if self.takes(word) { Ok(()) } else { Err(self.bad(&format!("expected {word}"))) }
    }

    fn bad(&self, reason: &str) -> Bad {
        let column = self.text[..self.at].chars().count() + 1;
        let next: String = self.rest().chars().take(12).collect();
        let next = if next.is_empty() { "the end".to_owned() } else { format!("{next:?}") };
        Bad { place: format!("column {column}, at {next}"), reason: reason.to_owned() }
    }

    fn any(&mut self) -> Result<Condition, Bad> {
        let mut parts = vec![self.all()?];
        while self.takes("||") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
    }

    fn all(&mut self) -> Result<Condition, Bad> {
        let mut parts = vec![self.one()?];
        while self.takes("&&") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) })
    }

    fn one(&mut self) -> Result<Condition, Bad> {
        if !self.takes("(") {
            let selector = self.selector()?;
            return Ok(Condition::Is(selector, self.question()?));
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.bad("parentheses are nested too deeply"));
        }
        let inner = self.any()?;
        self.wants(")")?;
        self.depth -= 1;
        Ok(inner)
    }

    fn selector(&mut self) -> Result<Selector, Bad> {
        self.wants("$")?;
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                Some('.') => {
                    self.at += 1;
                    if self.peek() != Some('[') {
                        steps.push(Step::Key(self.key()?));
                    }
                }
                Some('[') => steps.push(self.element()?),
                _ => break,
            }
        }
        match steps.first() {
            Some(Step::Key(_)) => Ok(Selector(steps)),
            _ => Err(self.bad("a selector begins with a field, as in $.eventName")),
        }
    }

    fn key(&mut self) -> Result<String, Bad> {
        let of_key = |c: char| c.is_alphanumeric() || "_-:/@".contains(c);
        let end = self.rest().find(|c| !of_key(c)).unwrap_or(self.rest().len());
        let key = self.rest()[..end].to_owned();
        if key.is_empty() {
            return Err(self.bad("expected the name of a field"));
        }
        self.at += end;
        Ok(key)
    }

    /// `[0]`, `[*]` or `["a name"]`.
    fn element(&mut self) -> Result<Step, Bad> {
        self.wants("[")?;
        self.blank();
        let step = match self.peek() {
            Some('*') => {
                self.at += 1;
                Step::Every
            }
            Some('"' | '\'') => Step::Key(self.quoted()?),
            _ => {
                let rest = self.rest();
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let index = rest[..end].parse();
                let index = index.map_err(|_| self.bad("expected a number or * in brackets"))?;
                self.at += end;
                Step::Index(index)
            }
        };
        self.wants("]")?;
        Ok(step)
    }

    fn question(&mut self) -> Result<Question, Bad> {
        if self.keyword("NOT") {
            return if self.keyword("EXISTS") {
                Ok(Question::Missing)
            } else {
                Err(self.bad("expected EXISTS after NOT"))
            };
        }
        if self.keyword("IS") {
            for (word, question) in [
                ("TRUE", Question::Flag(true)),
                ("FALSE", Question::Flag(false)),
                ("NULL", Question::Null),
            ] {
                if self.keyword(word) {
                    return Ok(question);
                }
            }
            return Err(self.bad("expected TRUE, FALSE or NULL after IS"));
        }
        let words = ["!=", "<=", ">=", "=", "<", ">"];
        let Some(word) = words.into_iter().find(|word| self.takes(word)) else {
            return Err(
                self.bad("expected =, !=, <, <=, >, >=, IS TRUE, IS FALSE, IS NULL or NOT EXISTS")
            );
        };
        let operand = self.operand()?;
        match (word, operand, Order::parse(word)) {
            ("=", operand, _) => Ok(Question::Equals(operand)),
            ("!=", operand, _) => Ok(Question::Differs(operand)),
            (_, Operand::Text(_, Some(number)), Some(order)) => Ok(Question::Orders(order, number)),
            _ => Err(self.bad(&format!("{word} compares with a number"))),
        }
    }

    fn operand(&mut self) -> Result<Operand, Bad> {
        self.blank();
        match self.peek() {
            Some('"') => Ok(Operand::Text(Glob::new(&self.quoted()?), None)),
            Some('%') => self.regex().map(Operand::Regex),
            Some('=') => Err(self.bad("equality is written with one =")),
            _ => {
                let word = self.word("||", "&&");
                if word.is_empty() {
                    return Err(self.bad("expected a value"));
                }
                let number = word.parse().ok().filter(|n: &f64| n.is_finite());
                Ok(Operand::Text(Glob::new(word), number))
            }
        }
    }

    /// Up to white space, what ends a value, or one of two words.
    fn word(&mut self, one: &str, other: &str) -> &'t str {
        let rest = self.rest();
        let ends = rest.find(|c: char| c.is_whitespace() || ENDS.contains(&c));
        let ends = [ends, rest.find(one), rest.find(other)].into_iter().flatten().min();
        let word = &rest[..ends.unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    /// A text in the quotes it begins with; a backslash takes the next character as it is.
    fn quoted(&mut self) -> Result<String, Bad> {
        let mut chars = self.rest().char_indices();
        let quote = chars.next().map(|(_, c)| c);
        let mut out = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => out.extend(chars.next().map(|(_, c)| c)),
                c if Some(c) == quote => {
                    self.at += at + c.len_utf8();
                    return Ok(out);
                }
                c => out.push(c),
            }
        }
        Err(self.bad("the quotation mark is not closed"))
    }

    fn regex(&mut self) -> Result<Regex, Bad> {
        let rest = &self.rest()[1..];
        let Some(end) = rest.find('%') else {
            return Err(self.bad("the regular expression is not closed with %"));
        };
        let text = &rest[..end];
        let odd = text.chars().find(|c| !c.is_ascii_alphanumeric() && !REGEX_CHARS.contains(*c));
        if let Some(odd) = odd {
            return Err(
                self.bad(&format!("CloudWatch Logs allows no {odd} in a regular expression"))
            );
        }
        let regex = RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
        let regex = regex.map_err(|e| {
            let reason = e.to_string();
            let last = reason.lines().last().unwrap_or_default();
            self.bad(&format!("the regular expression cannot be used: {last}"))
        })?;
        self.at += end + 2;
        Ok(regex)
    }

    fn terms(&mut self) -> Result<Filter, Bad> {
        let mut terms = Terms::default();
        loop {
            self.blank();
            let Some(first) = self.peek() else { return Ok(Filter(Rule::Terms(terms))) };
            let list = match first {
                '?' => &mut terms.any,
                '-' => &mut terms.none,
                _ => &mut terms.all,
            };
            self.at += usize::from("?-".contains(first));
            let term = match self.peek() {
                Some('"') => Term::Text(self.quoted()?),
                Some('%') => Term::Regex(self.regex()?),
                _ => {
                    let rest = self.rest();
                    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                    self.at += end;
                    Term::Text(rest[..end].to_owned())
                }
            };
            if matches!(&term, Term::Text(text) if text.is_empty()) && first != '"' {
                return Err(self.bad("expected a term"));
            }
            list.push(term);
        }
    }
}

/// A number as the value of a metric is written.
pub(super) fn literal(text: &str) -> Option<f64> {
    let number = text.trim().parse::<f64>().ok();
    number.filter(|n| n.is_finite())
}
