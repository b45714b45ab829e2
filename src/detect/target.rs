//! What an event acted on, where its rule does not say: the field of the request that names it.

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

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

/// The same from the text of a request, most of which is passed over.
pub(super) fn of_text(json: &str) -> Option<String> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let found = reader.deserialize_map(Names).and_then(|found| reader.end().map(|()| found));
    // Keys with escapes, and what is no object.
    found.unwrap_or_else(|_| serde_json::from_str(json).ok().as_ref().and_then(of))
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Option<String>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the fields of a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut names: [Option<&RawValue>; NAMES.len()] = [None; NAMES.len()];
        let mut object = None;
        while let Some(key) = fields.next_key::<&str>()? {
            let value: &RawValue = fields.next_value()?;
            if let Some(rank) = NAMES.iter().position(|name| *name == key) {
                names[rank] = Some(value);
            } else if key == "key" {
                object = Some(value);
            }
        }
        let text = |value: &&RawValue| serde_json::from_str::<String>(value.get()).ok();
        let found = names.iter().flatten().find_map(text);
        let Some(name) = found else { return Ok(None) };
        let is_bucket = names[0].as_ref().and_then(text).is_some();
        let object = object.as_ref().and_then(text).filter(|_| is_bucket);
        let full = object.map_or_else(|| name.clone(), |object| format!("{name}/{object}"));
        Ok((!full.is_empty()).then_some(full))
    }
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
            assert_eq!(of_text(request), parsed.as_ref().and_then(of), "{request}");
        }
    }
}
