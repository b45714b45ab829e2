//! What an event acted on, where its rule does not say: the field of the request that names it.

use serde_json::Value;

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
