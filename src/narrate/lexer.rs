//! Prose to tokens: which words are plain English and which are identifiers or numbers that must be proven.

/// Words with digits or inner capitals that name no thing in a log.
const COMMON: [&str; 29] = [
    "S3",
    "EC2",
    "IPv4",
    "IPv6",
    "MFA",
    "IMDSv2",
    "Route53",
    "OAuth2",
    "X509",
    "CloudTrail",
    "CloudWatch",
    "CloudShell",
    "CloudFormation",
    "GuardDuty",
    "DynamoDB",
    "EventBridge",
    "PowerShell",
    "ATT&CK",
    "SageMaker",
    "GitHub",
    "e.g",
    "i.e",
    "s3",
    "ec2",
    "route53",
    "boto3",
    "IaC",
    "IdP",
    "SaaS",
];
/// Number words that are checked like digits. "One" is an article as often as a number.
const NUMBER_WORDS: [(&str, u64); 14] = [
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("twenty", 20),
    ("hundred", 100),
    ("thousand", 1_000),
];
/// No word of English is written in this many capitals.
const CAPITALS_MAX: usize = 14;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    /// Must stand in a cited fact as it is.
    Identifier(String),
    Number(u64),
    Percent(u64),
}

/// Splits a text into tokens.
#[must_use]
pub(super) fn lex(text: &str) -> Vec<Token> {
    let inner = |c: char| c.is_alphanumeric() || "._:@-&,%#=\\".contains(c);
    text.split(|c: char| !inner(c))
        .flat_map(|run| split_commas(run))
        .map(|run| run.trim_matches(|c: char| !c.is_alphanumeric() && c != '%'))
        .filter(|run| !run.is_empty())
        .map(token)
        .collect()
}

/// A comma belongs to a number only between groups of three digits.
fn split_commas(run: &str) -> Vec<&str> {
    if grouped_number(run.trim_end_matches(['.', ',', ':', '%'])).is_some() {
        return vec![run.trim_end_matches(['.', ',', ':'])];
    }
    run.split(',').collect()
}

fn grouped_number(text: &str) -> Option<u64> {
    let mut groups = text.split(',');
    let head = groups.next()?;
    let fits = |group: &str| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit());
    if !(1..=3).contains(&head.len()) || !groups.all(fits) {
        return None;
    }
    text.replace(',', "").parse().ok()
}

fn token(run: &str) -> Token {
    if let Some(number) = run.strip_suffix('%').and_then(number) {
        return Token::Percent(number);
    }
    let run = run.trim_end_matches('%');
    if let Some(number) = number(run) {
        return Token::Number(number);
    }
    let lower = run.to_ascii_lowercase();
    if let Some((_, number)) = NUMBER_WORDS.iter().find(|(word, _)| *word == lower) {
        return Token::Number(*number);
    }
    if is_identifier(run) && !COMMON.contains(&run) {
        return Token::Identifier(run.to_owned());
    }
    Token::Word(lower)
}

fn number(run: &str) -> Option<u64> {
    run.parse().ok().or_else(|| grouped_number(run))
}

fn is_identifier(run: &str) -> bool {
    let inner_capital = run
        .as_bytes()
        .windows(2)
        .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    let capitals = run.chars().filter(char::is_ascii_uppercase).count();
    run.chars().any(|c| c.is_numeric() || !c.is_ascii())
        || run.contains(['.', ':', '@', '_', '#', '=', '\\'])
        || inner_capital
        || capitals > CAPITALS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifiers(text: &str) -> Vec<String> {
        let pick = |token| match token {
            Token::Identifier(word) => Some(word),
            _ => None,
        };
        lex(text).into_iter().filter_map(pick).collect()
    }

    #[test]
    fn identifiers_of_every_shape_are_seen() {
        assert_eq!(
            identifiers(
                "P1's call (iam:CreateUser) to arn:aws:iam::1:x/y, 198.51.100.7; a@b.c and \
                 evil.example.com at 10:42:18 UTC on 2024-05-03, CVE-2024-1, T1098.001, us-east-1, \
                 AKIAABCDEFGHIJKLMNOP, 2001:db8::1, user_name, caf\u{e9}, APT29."
            ),
            [
                "P1",
                "iam:CreateUser",
                "arn:aws:iam::1:x",
                "198.51.100.7",
                "a@b.c",
                "evil.example.com",
                "10:42:18",
                "2024-05-03",
                "CVE-2024-1",
                "T1098.001",
                "us-east-1",
                "AKIAABCDEFGHIJKLMNOP",
                "2001:db8::1",
                "user_name",
                "caf\u{e9}",
                "APT29"
            ]
        );
    }

    #[test]
    fn plain_english_is_not_an_identifier() {
        assert!(
            identifiers("The API of Amazon S3 (e.g. in CloudTrail), two-factor: MFA.").is_empty()
        );
    }

    #[test]
    fn numbers_are_read_with_their_commas() {
        assert_eq!(
            lex("2,552 calls, 12% of 1,200: three, 5."),
            [
                Token::Number(2_552),
                Token::Word("calls".into()),
                Token::Percent(12),
                Token::Word("of".into()),
                Token::Number(1_200),
                Token::Number(3),
                Token::Number(5),
            ]
        );
        assert_eq!(lex("1,22"), [Token::Number(1), Token::Number(22)]);
        assert_eq!(lex("1.5"), [Token::Identifier("1.5".into())]);
    }
}
