//! What a rule wants to know of a request but cannot say in Sigma: does it grant something to
//! another account, to everyone, to an administrator, to the whole internet? Policies hide in JSON
//! text, in URL-encoded text and in objects, so this is computed once here and offered to rules as
//! `trailinsight.*`. Pure functions over the request; a shape that is not understood grants
//! nothing, and nothing here follows a request deeper than `MAX_DEPTH`.

use rsigma_eval::EventValue;
use serde_json::Value;
use std::collections::BTreeSet;

/// Names that [`field`] answers to, without the `trailinsight.` in front.
pub(super) const FIELDS: [&str; 7] = [
    "foreign_accounts",
    "foreign_kms_key",
    "public_grant",
    "admin_grant",
    "world_open_admin_port",
    "other_user",
    "passed_role",
];

/// Words of which a request has one, in lower case and however it is spelled without escapes, or else the field is what
/// stands beside them. Only for fields that rules ask of what is done all day.
pub(super) fn words(name: &str) -> Option<(&'static [&'static str], Option<EventValue<'static>>)> {
    match name {
        "foreign_kms_key" => Some((&["kms"], Some(EventValue::Bool(false)))),
        "passed_role" => Some((&["role", "iaminstanceprofile"], None)),
        _ => None,
    }
}

/// Deeper than any request AWS accepts; what lies below is hostile and is not followed.
const MAX_DEPTH: usize = 32;

/// Request fields whose value is an account, or the ARN of a principal, that is given something.
const GRANTEE_KEYS: &str = "\
    valuestoadd accountidstoadd sharedaccounts sharedaccountids targetaccount targetaccountid \
    destinationaccountid peerownerid awsaccountid awsaccountids principal principals \
    granteeprincipal sourceaccount sourcearn consumeraccountid consumeridentifier peeraccountid \
    transferaccountid accountwithrestoreaccess destinationbackupvaultarn addallowedprincipals";

/// Ports through which a machine is administered or a database is read.
const ADMIN_PORTS: [i64; 20] = [
    20, 21, 22, 23, 135, 445, 1433, 1521, 2375, 3306, 3389, 5432, 5900, 5985, 5986, 6379, 9200,
    9300, 11211, 27017,
];

/// Accounts of AWS itself which deliver load balancer access logs (Regions opened before August
/// 2022): their place in a bucket policy is what the AWS guide asks for.
const LOAD_BALANCER_ACCOUNTS: &str = "\
    009996457667 027434742980 033677994240 048591011584 054676820928 076674570225 098369216593 \
    114774131450 127311923021 156460612806 190560391635 383597477331 507241528517 582318560864 \
    589379963580 600734575887 635631232127 652711504416 718504428378 754344448648 783225319266 \
    797873946194 897822967062 985666609251";

/// Condition keys that tie "everyone" down to callers somebody chose. Others (a transport, an ACL
/// header, an external id that the caller supplies) leave the door open.
const NARROWING_KEYS: &str = "\
    aws:principalorgid aws:principalorgpaths aws:principalaccount aws:principalarn \
    aws:sourceaccount aws:sourcearn aws:sourceowner aws:sourceorgid aws:sourceorgpaths \
    aws:sourceip aws:sourcevpc aws:sourcevpce aws:userid kms:calleraccount \
    lambda:sourcefunctionarn s3:dataaccesspointaccount";

/// The value of the derived field `name` for one event, or nothing where it does not apply.
#[must_use]
pub(super) fn field(
    name: &str,
    request: Option<&Value>,
    caller_user_name: Option<&str>,
    own_accounts: &BTreeSet<String>,
) -> Option<EventValue<'static>> {
    let request = request.filter(|request| !request.is_null())?;
    let answer = match name {
        "foreign_accounts" => {
            let accounts = foreign_accounts(request, own_accounts);
            let texts = accounts.into_iter().map(|account| EventValue::Str(account.into()));
            let texts: Vec<_> = texts.collect();
            return (!texts.is_empty()).then_some(EventValue::Array(texts));
        }
        "foreign_kms_key" => super::foreign::kms_key(request, own_accounts),
        "public_grant" => public_grant(request),
        "admin_grant" => admin_grant(request),
        "world_open_admin_port" => open_to_world(request),
        "other_user" => other_user(request, caller_user_name)?,
        "passed_role" => {
            return super::passed::role(request).map(|role| EventValue::Str(role.into()));
        }
        _ => return None,
    };
    Some(EventValue::Bool(answer))
}

/// Accounts outside `own_accounts` to which the request grants something, sorted.
#[must_use]
pub(super) fn foreign_accounts(request: &Value, own_accounts: &BTreeSet<String>) -> Vec<String> {
    let mut named = added(request, "userid");
    for statement in allowing_statements(request) {
        let principals = principals(&statement);
        if principals.iter().any(|text| text == "*") {
            named.extend(narrowing_values(&statement));
        }
        named.extend(principals);
    }
    for (key, value) in members(request) {
        if listed(GRANTEE_KEYS, key) {
            named.extend(texts(Some(value)));
            named.extend(below(value).into_iter().flat_map(|(_, value)| texts(Some(value))));
        }
    }
    for (key, value) in below(request) {
        // Where replication of a bucket goes to, and who owns the copies.
        if key == "destination" {
            named.extend(texts(get(value, "Account")));
        }
    }
    let accounts: BTreeSet<String> = named.iter().filter_map(|text| account_of(text)).collect();
    let foreign = accounts.into_iter().filter(|account| {
        !own_accounts.contains(account) && !listed(LOAD_BALANCER_ACCOUNTS, account)
    });
    foreign.collect()
}

/// Whether the request gives something to everyone: by policy, ACL, share list or permission.
#[must_use]
pub(super) fn public_grant(request: &Value) -> bool {
    let by_policy = allowing_statements(request).iter().any(|statement| {
        let everyone = principals(statement).iter().any(|text| text == "*")
            || get(statement, "NotPrincipal").is_some_and(|but| !but.is_null());
        everyone && narrowing_values(statement).is_empty()
    });
    by_policy || public_share(request) || public_permission(request)
}

/// Whether a policy in the request allows everything, or everything in IAM, on every resource.
#[must_use]
pub(super) fn admin_grant(request: &Value) -> bool {
    allowing_statements(request).iter().any(|statement| {
        let all = |text: &String| listed("* *:* iam:*", text);
        let spared = texts(get(statement, "NotAction"));
        let spares_iam = spared.iter().any(|text| all(text) || text.starts_with("iam:"));
        texts(get(statement, "Resource")).iter().any(|text| text == "*")
            && (texts(get(statement, "Action")).iter().any(all)
                || (!spared.is_empty() && !spares_iam))
    })
}

/// Whether a security group request lets the whole internet reach a port of `ADMIN_PORTS`.
#[must_use]
pub(super) fn open_to_world(request: &Value) -> bool {
    opens_admin_port(request) || below(request).iter().any(|(_, value)| opens_admin_port(value))
}

/// Whether the IAM user named in the request is another than the caller, where one is named.
#[must_use]
pub(super) fn other_user(request: &Value, caller_user_name: Option<&str>) -> Option<bool> {
    let named = get(request, "userName")?.as_str().filter(|name| !name.is_empty())?;
    // IAM keeps user names unique without regard to case.
    Some(!caller_user_name.is_some_and(|caller| caller.eq_ignore_ascii_case(named)))
}

/// Share lists and ACLs: `all` among what is added, a canned or a granted public ACL.
fn public_share(request: &Value) -> bool {
    let shared_with_all = below(request).into_iter().any(|(key, value)| {
        // Where a table has kept the event, keys may have lost their hyphens.
        let key = key.replace('_', "-");
        texts(Some(value)).iter().any(|text| match key.as_str() {
            "valuestoadd" | "accountidstoadd" => text.eq_ignore_ascii_case("all"),
            "x-amz-acl" | "acl" => listed("public-read public-read-write authenticated-read", text),
            key if key == "uri" || key.starts_with("x-amz-grant-") => {
                text.contains("/global/AllUsers") || text.contains("/global/AuthenticatedUsers")
            }
            _ => false,
        })
    });
    shared_with_all || added(request, "group").iter().any(|group| group == "all")
}

/// `AddPermission` and its kin: a bare `principal: "*"` beside no field that narrows it.
fn public_permission(request: &Value) -> bool {
    let narrowed = ["principalOrgID", "sourceAccount", "sourceArn", "condition"]
        .iter()
        .any(|key| get(request, key).is_some_and(|value| !value.is_null() && value != ""));
    !narrowed && get(request, "principal").is_some_and(|principal| principal == "*")
}

/// Whether this object, taken alone, is a rule that opens an administration port to the world.
fn opens_admin_port(rule: &Value) -> bool {
    let world = ["cidrIp", "cidrIpv4", "cidrIpv6", "ipRanges", "ipv6Ranges"].iter().any(|ranges| {
        get(rule, ranges).is_some_and(|value| {
            let deeper = below(value).into_iter().filter(|(key, _)| key.starts_with("cidrip"));
            let deeper = deeper.flat_map(|(_, value)| texts(Some(value)));
            texts(Some(value)).into_iter().chain(deeper).any(|text| is_world(&text))
        })
    });
    world && covers_admin_port(rule)
}

fn covers_admin_port(rule: &Value) -> bool {
    let port = |key| -> Option<i64> {
        let value = get(rule, key)?;
        value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
    };
    let protocol = match get(rule, "ipProtocol") {
        Some(Value::String(text)) => text.to_ascii_lowercase(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return false,
    };
    match (protocol.as_str(), port("fromPort"), port("toPort")) {
        ("-1" | "all", ..) => true,
        ("tcp" | "6" | "udp" | "17", from, to) => {
            let every = from.unwrap_or(-1) < 0 && to.unwrap_or(-1) < 0;
            let (from, to) = (from.or(to).unwrap_or(0), to.or(from).unwrap_or(0));
            every || ADMIN_PORTS.iter().any(|port| (from..=to).contains(port))
        }
        _ => false,
    }
}

/// A range no one network holds. Not only `/0`: two halves of the internet are the internet.
fn is_world(cidr: &str) -> bool {
    let Some((address, bits)) = cidr.trim().split_once('/') else { return false };
    let Ok(bits) = bits.parse::<u8>() else { return false };
    bits < if address.contains(':') { 4 } else { 8 }
}

/// Statements with `Effect: Allow` of every policy document in the request, however wrapped.
fn allowing_statements(request: &Value) -> Vec<Value> {
    let mut statements = Vec::new();
    let mut collect = |document: &Value| match get(document, "Statement") {
        Some(Value::Array(many)) => statements.extend(many.iter().cloned()),
        Some(one) => statements.push(one.clone()),
        None => {}
    };
    collect(request);
    for (_, value) in below(request) {
        match value {
            Value::String(text) => parse_document(text).iter().for_each(&mut collect),
            other => collect(other),
        }
    }
    statements.retain(|statement| {
        let effect = get(statement, "Effect").and_then(Value::as_str);
        effect.is_some_and(|effect| effect.eq_ignore_ascii_case("Allow"))
    });
    statements
}

/// A policy that travels as text, plain or URL-encoded.
fn parse_document(text: &str) -> Option<Value> {
    let text = text.trim_start();
    if text.starts_with('{') {
        return serde_json::from_str(text).ok();
    }
    let encoded = text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%7b"));
    if encoded { serde_json::from_slice(&percent_decoded(text)).ok() } else { None }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let value = hex.filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(value.unwrap_or(if byte == b'+' { b' ' } else { byte }));
        at += if value.is_some() { 3 } else { 1 };
    }
    decoded
}

/// The AWS identities and identity providers of a statement's `Principal`; services are left out.
fn principals(statement: &Value) -> Vec<String> {
    match get(statement, "Principal") {
        Some(kinds @ Value::Object(_)) => {
            let mut principals = texts(get(kinds, "AWS"));
            principals.extend(texts(get(kinds, "Federated")));
            principals
        }
        other => texts(other),
    }
}

/// Values of the conditions that really narrow a statement. `...IfExists`, `ForAllValues:`, `Null`
/// and the negated operators hold for a caller who simply lacks the key, so they narrow nothing;
/// nor does a wildcard for the account.
fn narrowing_values(statement: &Value) -> Vec<String> {
    let operators = get(statement, "Condition").and_then(Value::as_object).into_iter().flatten();
    let strict = operators.filter(|(operator, _)| {
        let operator = operator.to_ascii_lowercase();
        !["not", "null", "ifexists", "forallvalues"].iter().any(|word| operator.contains(word))
    });
    let keys = strict.filter_map(|(_, keys)| keys.as_object()).flatten();
    let values = keys.filter(|(key, _)| listed(NARROWING_KEYS, key));
    let values = values.flat_map(|(_, values)| texts(Some(values)));
    let wild = |text: &str| text.bytes().all(|byte| matches!(byte, b'*' | b'?'));
    values.filter(|text| !wild(text) && !text.contains(":iam::*") && !is_world(text)).collect()
}

/// The account in a bare twelve-digit id or in an ARN.
pub(super) fn account_of(text: &str) -> Option<String> {
    let text = text.trim();
    let account = if text.starts_with("arn:") { text.split(':').nth(4)? } else { text };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    is_account.then(|| account.to_owned())
}

/// The members of a request, and those of the `<Action>Request` object that newer EC2 calls wrap it
/// in. Not deeper: a `Principal` further down belongs to a policy, where it may as well be denied.
fn members(request: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let outer = request.as_object().into_iter().flatten();
    outer.flat_map(|(key, value)| {
        let wrapped = value.as_object().filter(|_| key.ends_with("Request"));
        wrapped.into_iter().flatten().chain(std::iter::once((key, value)))
    })
}

/// Texts under the key `wanted` inside a share list's `add`.
fn added(request: &Value, wanted: &str) -> Vec<String> {
    let lists = below(request).into_iter().filter(|(key, _)| key == "add");
    let entries = lists.flat_map(|(_, list)| below(list)).filter(|(key, _)| key == wanted);
    entries.flat_map(|(_, value)| texts(Some(value))).collect()
}

/// The text itself, or every text of a list. A number is an account id that lost its quotes, unless
/// it is small: EC2 numbers the elements of its lists.
pub(super) fn texts(value: Option<&Value>) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => {
            number.as_u64().filter(|n| *n > 999_999).map(|number| format!("{number:012}"))
        }
        _ => None,
    };
    match value {
        Some(Value::Array(many)) => many.iter().filter_map(one).collect(),
        value => value.and_then(one).into_iter().collect(),
    }
}

/// Everything below `value` with its key in lower case; elements of a list go by the key of the
/// list. What a request takes away (`remove`, `valuesToRemove`) is left out.
pub(super) fn below(value: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), value, 0)];
    while let Some((key, value, depth)) = open.pop() {
        let mut add = |key: String, inner| {
            if !key.ends_with("remove") && depth < MAX_DEPTH {
                found.push((key.clone(), inner));
                open.push((key, inner, depth + 1));
            }
        };
        match value {
            Value::Object(map) => map.iter().for_each(|(k, v)| add(k.to_ascii_lowercase(), v)),
            Value::Array(many) => many.iter().for_each(|inner| add(key.clone(), inner)),
            _ => {}
        }
    }
    found
}

pub(super) fn listed(words: &str, wanted: &str) -> bool {
    words.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(wanted))
}

/// A member of an object by name. Services differ in the case of the first letter.
pub(super) fn get<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let map = value.as_object()?;
    let other_case = || map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    map.get(name).or_else(|| Some(other_case()?.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn own() -> BTreeSet<String> {
        BTreeSet::from(["111122223333".to_owned()])
    }

    fn foreign(request: &Value) -> Vec<String> {
        foreign_accounts(request, &own())
    }

    /// JSON texts, one after another.
    fn requests(texts: &str) -> Vec<Value> {
        serde_json::Deserializer::from_str(texts).into_iter().map(Result::unwrap).collect()
    }

    /// A trust policy from the text of its principal and of its condition.
    fn policy(principal: &str, condition: &str) -> Value {
        let text = format!(
            r#"{{"Statement": [{{"Effect": "Allow", "Principal": {principal}, "Action": "sts:AssumeRole",
                "Condition": {condition}}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn reads_policies_in_every_wrapping() {
        let document =
            policy(r#"{"AWS": ["arn:aws:iam::444455556666:root", "111122223333"]}"#, "{}");
        let text = document.to_string();
        let encoded = text.replace('{', "%7B").replace('"', "%22").replace(' ', "+");
        for request in [
            json!({"policyDocument": text, "roleName": "r"}),
            json!({"policyDocument": format!("\n  {text}")}),
            json!({"assumeRolePolicyDocument": encoded}),
            json!({"bucketPolicy": document, "policy": [""]}),
            json!({"attributes": {"Policy": text}}),
            document.clone(),
        ] {
            assert_eq!(foreign(&request), ["444455556666"], "{request}");
            assert!(!public_grant(&request), "{request}");
        }
        assert_eq!(foreign(&policy(r#"{"AWS": 444455556666}"#, "{}")), ["444455556666"]);
        assert_eq!(foreign(&policy(r#"{"AWS": 44455556666}"#, "{}")), ["044455556666"]);
    }

    #[test]
    fn a_denial_a_service_or_log_delivery_grants_nothing() {
        let mut harmless = requests(
            r#"{"bucketPolicy": {"Statement": {"Effect": "Deny",
            "Principal": {"AWS": ["*", "444455556666"]}}}}"#,
        );
        harmless.push(policy(r#"{"Service": "ec2.amazonaws.com"}"#, "{}"));
        harmless.push(policy(r#"{"AWS": "arn:aws:iam::127311923021:root"}"#, "{}"));
        for request in harmless {
            assert!(foreign(&request).is_empty() && !public_grant(&request), "{request}");
        }
    }

    #[test]
    fn reads_share_lists_and_permissions() {
        for request in requests(
            r#"
            {"createVolumePermission": {"add": {"items": [{"userId": "444455556666"}]}}}
            {"launchPermission": {"add": {"items": [{"userId": "444455556666"},
            {"userId": "111122223333"}]}}}
            {"attributeName": "restore", "valuesToAdd": ["444455556666"]}
            {"principal": "arn:aws:iam::444455556666:root"}
            {"CreateVpcPeeringConnectionRequest": {"PeerOwnerId": "444455556666"}}
            {"granteePrincipal": "arn:aws:iam::444455556666:role/r", "keyId": "k"}
            {"ReplicationConfiguration": {"Rule": {"Destination": {"Account": 444455556666}}}}
            {"destinationBackupVaultArn": "arn:aws:backup:eu-west-1:444455556666:backup-vault:v"}
            {"aWSAccountIds": ["444455556666"], "label": "l"}"#,
        ) {
            assert_eq!(foreign(&request), ["444455556666"], "{request}");
        }
        for request in requests(
            r#"
            {"createVolumePermission": {"remove": {"items": [{"userId": "444455556666"},
            {"group": "all"}]}}}
            {"valuesToRemove": ["444455556666", "all"], "valuesToAdd": []}
            {"AddAllowedPrincipals": {"tag": 1, "content": "111122223333"}}
            {"userId": "444455556666", "group": "all"}"#,
        ) {
            assert!(foreign(&request).is_empty() && !public_grant(&request), "{request}");
        }
    }

    #[test]
    fn everyone_is_everyone_unless_truly_narrowed() {
        for (principal, condition) in [
            (r#""*""#, "{}"),
            (r#"{"AWS": ["*"]}"#, r#"{"Bool": {"aws:SecureTransport": "true"}}"#),
            (r#""*""#, r#"{"StringEquals": {"sts:ExternalId": "x"}}"#),
            (r#""*""#, r#"{"StringLike": {"aws:PrincipalArn": ["*", "arn:aws:iam::*:role/r"]}}"#),
            (r#""*""#, r#"{"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}"#),
            (r#""*""#, r#"{"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}"#),
        ] {
            assert!(public_grant(&policy(principal, condition)), "{principal} {condition}");
        }
        for condition in [
            r#"{"StringEquals": {"aws:PrincipalOrgID": "o-1"}}"#,
            r#"{"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}}"#,
            r#"{"StringEquals": {"aws:PrincipalAccount": "444455556666"}}"#,
        ] {
            assert!(!public_grant(&policy(r#""*""#, condition)), "{condition}");
        }
        let narrowed =
            policy(r#""*""#, r#"{"StringEquals": {"aws:PrincipalAccount": "444455556666"}}"#);
        assert_eq!(foreign(&narrowed), ["444455556666"]);
    }

    #[test]
    fn everyone_by_acl_share_list_or_permission() {
        for request in requests(
            r#"
            {"p": {"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}}}}
            {"launchPermission": {"add": {"items": [{"group": "all"}]}}}
            {"valuesToAdd": ["all"]}
            {"x-amz-acl": ["public-read"]}
            {"AccessControlPolicy": {"Grant": [{"Grantee":
            {"URI": "http://acs.amazonaws.com/groups/global/AllUsers"}}]}}
            {"x-amz-grant-read": "uri=\"http://acs.amazonaws.com/groups/global/AuthenticatedUsers\""}
            {"acl": "", "x_amz_grant_read": "uri=http://acs.amazonaws.com/groups/global/AllUsers"}
            {"principal": "*", "functionUrlAuthType": "NONE"}"#,
        ) {
            assert!(public_grant(&request), "{request}");
        }
        for request in requests(
            r#"
            {"principal": "*", "principalOrgID": "o-1"}
            {"principal": "s3.amazonaws.com"}
            {"x-amz-acl": "private"}
            {"AccessControlPolicy": {"Grant": [{"Grantee":
            {"URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}}]}}"#,
        ) {
            assert!(!public_grant(&request), "{request}");
        }
    }

    #[test]
    fn knows_an_administrator_policy() {
        let grants = |statement: &str| {
            admin_grant(&json!({"policyDocument": format!(r#"{{"Statement": {statement}}}"#)}))
        };
        assert!(grants(r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#));
        assert!(grants(
            r#"[{"Effect": "Allow", "Action": ["s3:*", "IAM:*"], "Resource": ["a", "*"]}]"#
        ));
        assert!(grants(r#"{"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"}"#));
        assert!(!grants(r#"{"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"}"#));
        assert!(!grants(r#"{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b"}"#));
        assert!(!grants(r#"{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}"#));
        assert!(!grants(r#"{"Effect": "Deny", "Action": "*", "Resource": "*"}"#));
    }

    /// A security group rule: protocol, ports, IPv4 range.
    fn opening(protocol: &str, from: i64, to: i64, cidr: &str) -> Value {
        json!({"ipProtocol": protocol, "fromPort": from, "toPort": to,
            "ipRanges": {"items": [{"cidrIp": cidr}]}, "ipv6Ranges": {}})
    }

    #[test]
    fn knows_a_world_open_admin_port() {
        let opens = |rules: Value| open_to_world(&json!({"ipPermissions": {"items": rules}}));
        assert!(opens(json!([opening("tcp", 22, 22, "0.0.0.0/0")])));
        assert!(opens(json!([opening("tcp", 0, 65535, "0.0.0.0/0")])));
        assert!(opens(json!([opening("-1", -1, -1, "128.0.0.0/1")])));
        assert!(!opens(json!([opening("tcp", 443, 443, "0.0.0.0/0")])));
        assert!(!opens(json!([opening("tcp", 22, 22, "10.0.0.0/8")])));
        assert!(!opens(json!([opening("icmp", -1, -1, "0.0.0.0/0")])));
        let apart = [opening("tcp", 22, 22, "192.0.2.1/32"), opening("tcp", 80, 80, "0.0.0.0/0")];
        assert!(!opens(json!(apart)));
        for request in requests(
            r#"
            {"cidrIp": "0.0.0.0/0", "fromPort": "3389", "toPort": "3389", "ipProtocol": "tcp"}
            {"ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 20, "toPort": 30,
            "ipv6Ranges": {"items": [{"cidrIpv6": "::/0"}]}}]}}
            {"ModifySecurityGroupRulesRequest": {"SecurityGroupRule": {"SecurityGroupRule":
            {"CidrIpv4": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}}}}"#,
        ) {
            assert!(open_to_world(&request), "{request}");
        }
    }

    #[test]
    fn another_user_is_told_by_name() {
        let request = json!({"userName": "bob"});
        assert_eq!(other_user(&request, Some("alice")), Some(true));
        assert_eq!(other_user(&request, Some("Bob")), Some(false));
        assert_eq!(other_user(&request, None), Some(true));
        assert_eq!(other_user(&json!({"userName": ""}), None), None);
        assert_eq!(other_user(&json!({}), Some("alice")), None);
    }

    #[test]
    fn hostile_shapes_grant_nothing_and_never_panic() {
        let mut deep = json!("x");
        for level in 0..1_000 {
            deep = match level % 2 {
                0 => Value::Array(vec![deep]),
                _ => Value::Object(std::iter::once(("add".to_owned(), deep)).collect()),
            };
        }
        let mut hostile = vec![deep];
        for odd in
            requests("null\ntrue\n-1.5\n\"%7B%\"\n\"%7b%é\"\n\"{\"\n[[[\"x\"]]]\n{\"a\": []}")
        {
            for key in "Statement principal add valuesToAdd ipRanges x-amz-acl Condition".split(' ')
            {
                hostile.push(json!({key: odd}));
                hostile
                    .push(json!({"Statement": [{"Effect": "Allow", key: odd, "ipProtocol": odd}]}));
            }
            hostile.push(odd);
        }
        for request in &hostile {
            for name in FIELDS {
                let answer = field(name, Some(request), Some("u"), &own());
                assert!(answer.is_none_or(|a| a == EventValue::Bool(false)), "{name} of {request}");
            }
        }
        assert_eq!(field("public_grant", None, None, &own()), None);
        assert_eq!(field("no_such_field", Some(&json!({})), None, &own()), None);
    }
}
