//! What an identifier looks like. The digest lets none out and the checker lets none in that the digest does not
//! hold, so both ask here. Plain scanning, no regular expressions: the input is hostile and may be long.

use crate::model::SEVERAL;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Prefixes of the unique ids of IAM. They encode the account number, so even a part of one gives it away.
const UNIQUE_ID_PREFIXES: [&str; 12] = [
    "ABIA", "ACCA", "AGPA", "AIDA", "AIPA", "AKIA", "ANPA", "ANVA", "APKA", "AROA", "ASCA", "ASIA",
];
/// Real ids have 16 or more characters after the prefix; shorter ones are what log scrubbers leave behind.
const UNIQUE_ID_TAIL_MIN: usize = 8;
const ACCOUNT_DIGITS: usize = 12;
/// The longest word taken over from the log: the longest event name AWS has is well below it.
const WORD_MAX: usize = 64;

/// Whether a word of AWS's own vocabulary (event name, service, region, error code) may leave as it is.
#[must_use]
pub fn is_vocabulary(word: &str) -> bool {
    let ends_well = |end: Option<&u8>| end.is_some_and(u8::is_ascii_alphanumeric);
    word.len() <= WORD_MAX
        && ends_well(word.as_bytes().first())
        && ends_well(word.as_bytes().last())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
        && !contains_identifier(word)
}

/// Whether the text holds an account number, ARN, address, e-mail address or IAM unique id anywhere.
#[must_use]
pub fn contains_identifier(text: &str) -> bool {
    text.contains('@')
        || text.to_ascii_lowercase().contains("arn:")
        || has_account_number(text)
        || has_unique_id(text)
        || has_address(text)
}

/// `iam.amazonaws.com` and the like: who acts where no person does. One label only, since a bucket's host name
/// ends alike.
#[must_use]
pub fn is_service_host(text: &str) -> bool {
    text.strip_suffix(".amazonaws.com").is_some_and(|label| {
        (1..=40).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !contains_identifier(label)
    })
}

/// A region name, or a word this program uses in place of one.
#[must_use]
pub fn is_region(word: &str) -> bool {
    let Some((zone, number)) = word.rsplit_once('-') else {
        return matches!(word, "global" | SEVERAL);
    };
    let named = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    word.len() <= 24
        && zone.split('-').count() >= 2
        && zone.split('-').all(named)
        && number.len() <= 2
        && number.bytes().all(|b| b.is_ascii_digit())
        && !number.is_empty()
}

#[must_use]
pub fn is_account_number(text: &str) -> bool {
    text.len() == ACCOUNT_DIGITS && text.bytes().all(|b| b.is_ascii_digit())
}

/// A whole IAM unique id or access key id.
#[must_use]
pub fn is_unique_id(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) && has_unique_id(text)
}

fn has_account_number(text: &str) -> bool {
    text.as_bytes()
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
        .any(|run| run[0].is_ascii_digit() && run.len() >= ACCOUNT_DIGITS)
}

fn has_unique_id(text: &str) -> bool {
    UNIQUE_ID_PREFIXES.iter().any(|prefix| {
        text.match_indices(prefix).any(|(at, _)| {
            let tail = &text.as_bytes()[at + prefix.len()..];
            let run =
                tail.iter().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
            run >= UNIQUE_ID_TAIL_MIN
        })
    })
}

fn has_address(text: &str) -> bool {
    let v4 = text
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .any(|piece| piece.trim_matches('.').parse::<Ipv4Addr>().is_ok());
    let v6 = || {
        text.split(|c: char| !c.is_ascii_hexdigit() && c != ':')
            .any(|piece| piece.len() > 2 && piece.parse::<Ipv6Addr>().is_ok())
    };
    v4 || v6()
}

/// The network two addresses must share to be called neighbours: /24, or /48 for IPv6.
#[must_use]
pub fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}")
        }
    }
}

/// Addresses that mean nothing outside the network they are used in.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vocabulary_passes_and_identifiers_do_not() {
        for word in
            ["GetSecretValue", "iam", "us-east-1", "Client.UnauthorizedOperation", "T1098.001"]
        {
            assert!(is_vocabulary(word), "{word}");
        }
        for word in [
            "",
            "two words",
            "111122223333",
            "x-111122223333",
            "10.1.2.3",
            "ip-10.1.2.3:443",
            "2001:db8::7",
            "arn:aws:iam::x",
            "AKIAIOSFODNN7EXAMPLE",
            "key-ASIA0123456789AB",
            "a@b",
            "caf\u{e9}",
            "-x",
            "x.",
        ] {
            assert!(!is_vocabulary(word), "{word}");
        }
        assert!(!is_vocabulary(&"x".repeat(65)));
    }

    #[test]
    fn regions_are_known_by_their_shape() {
        for region in ["us-east-1", "us-gov-west-1", "ap-southeast-2", "several", "global"] {
            assert!(is_region(region), "{region}");
        }
        for word in ["", "denied", "us-1", "us-east-one", "us-East-1", "us--east-1", "us-east-+1"] {
            assert!(!is_region(word), "{word}");
        }
    }

    #[test]
    fn only_single_label_hosts_are_services() {
        assert!(is_service_host("cloudtrail.amazonaws.com"));
        assert!(!is_service_host("payroll.s3.amazonaws.com"));
        assert!(!is_service_host("amazonaws.com"));
    }
}
