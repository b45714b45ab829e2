//! What an event acted on, where its rule does not say: the field of the request that names it.

use super::json::{each_member, text};
use foldhash::fast::FixedState;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Request fields that name the thing acted on, the most telling first.
const NAMES: [&str; 35] = [
    "bucketName",
    "userName",
    "roleName",
    "groupName",
    "functionName",
    "secretId",
    "trailName",
    "detectorId",
    "dBSnapshotIdentifier",
    "dBClusterSnapshotIdentifier",
    "dBInstanceIdentifier",
    "dBClusterIdentifier",
    "snapshotId",
    "imageId",
    "instanceId",
    "target",
    "groupId",
    "volumeId",
    "keyId",
    "keyName",
    "clusterName",
    "tableName",
    "topicArn",
    "queueUrl",
    "policyArn",
    "policyName",
    "roleArn",
    "samlProviderArn",
    "serialNumber",
    "stackName",
    "logGroupName",
    "repositoryName",
    "resourceArn",
    "alarmName",
    "name",
];

/// By name, its place in [`NAMES`].
static RANKS: LazyLock<HashMap<&str, usize, FixedState>> =
    LazyLock::new(|| NAMES.iter().enumerate().map(|(rank, name)| (*name, rank)).collect());

/// The name as text; nothing when the request names no single thing.
#[must_use]
pub fn of(request: &Value) -> Option<String> {
    let fields = request.as_object()?;
    let key = NAMES.iter().find(|name| fields.get(**name).is_some_and(Value::is_string))?;
    let name = fields[*key].as_str()?;
    let object = fields.get("key").and_then(Value::as_str).filter(|_| *key == "bucketName");
    let full = object.map_or_else(|| name.to_owned(), |object| format!("{name}/{object}"));
    (!full.is_empty()).then_some(full)
}

/// The same from the text of a request, most of which is passed over: a name, and of a bucket the object in it.
pub(super) fn of_text(json: &str) -> Option<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    let mut names: [Option<&str>; NAMES.len()] = [None; NAMES.len()];
    let mut object = None;
    each_member(json, |key, value| {
        if let Some(rank) = RANKS.get(&*key) {
            names[*rank] = Some(value);
        } else if key == "key" {
            object = Some(value);
        }
    });
    let bucket = names[0].and_then(text);
    let object = object.filter(|_| bucket.is_some()).and_then(text);
    let name = bucket.or_else(|| names[1..].iter().flatten().find_map(|name| text(name)))?;
    (!name.is_empty() || object.is_some()).then_some((name, object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_name_the_same_thing() {
        for request in [
            r#"{"bucketName":"b","key":"k/1"}"#,
            r#"{"key":"k","bucketName":7,"userName":"u"}"#,
            r#"{"name":"n","userName":"u","deep":{"bucketName":"b"}}"#,
            r#"{"userName":"a","userName":"b"}"#,
            r#"{"user\u004eame":"escaped \"key\""}"#,
            r#"{"userName":"","name":"n"}"#,
            r#"{"bucketName":"b","key":["k"]}"#,
            r#"{"userName":"cut"#,
            "null",
            "[]",
            "7",
            "{}",
            r#""userName""#,
        ] {
            let parsed: Option<Value> = serde_json::from_str(request).ok();
            let text = of_text(request).map(|(name, object)| match object {
                Some(object) => format!("{name}/{object}"),
                None => name.into_owned(),
            });
            assert_eq!(text, parsed.as_ref().and_then(of), "{request}");
        }
    }
}
