//! Things of another account that an event works with: the key it encrypts under, the bucket it
//! writes to. What it *gives* to another account is told by `derived`.

use super::derived::{account_of, below, get, listed, texts};
use serde_json::Value;
use std::collections::BTreeSet;

/// Request fields that name a KMS key to encrypt with.
const KMS_KEYS: &str = "x-amz-server-side-encryption-aws-kms-key-id kmskeyid kmsmasterkeyid";

/// Whether the request encrypts with a KMS key of an account outside `own_accounts`. A key given by
/// its id or alias alone is one of the caller's account.
#[must_use]
pub(super) fn kms_key(request: &Value, own_accounts: &BTreeSet<String>) -> bool {
    let keys = below(request).into_iter().filter(|(name, _)| listed(KMS_KEYS, name));
    let mut arns = keys.flat_map(|(_, value)| texts(Some(value)));
    arns.any(|arn| arn.starts_with("arn:") && is_foreign(&arn, own_accounts))
}

/// Whether one of the `resources` of a record belongs to an account outside `own_accounts`.
#[must_use]
pub(super) fn resource(resources: &Value, own_accounts: &BTreeSet<String>) -> bool {
    let resources = resources.as_array().into_iter().flatten();
    let mut accounts = resources.flat_map(|resource| texts(get(resource, "accountId")));
    accounts.any(|account| is_foreign(&account, own_accounts))
}

fn is_foreign(text: &str, own_accounts: &BTreeSet<String>) -> bool {
    account_of(text).is_some_and(|account| !own_accounts.contains(&account))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn own() -> BTreeSet<String> {
        BTreeSet::from(["111122223333".to_owned()])
    }

    #[test]
    fn a_key_is_foreign_by_its_arn_wherever_it_stands() {
        let arn = |account: &str| format!("arn:aws:kms:eu-west-1:{account}:key/0d1c2b3a");
        for (key, foreign) in [
            (arn("444455556666"), true),
            (arn("111122223333"), false),
            ("0d1c2b3a".to_owned(), false),
            ("alias/data".to_owned(), false),
        ] {
            for request in [
                json!({"x-amz-server-side-encryption-aws-kms-key-id": key}),
                json!({"Rule": [{"Default": {"KMSMasterKeyID": key}}]}),
            ] {
                assert_eq!(kms_key(&request, &own()), foreign, "{request}");
            }
        }
        assert!(!kms_key(&json!({"keyId": arn("444455556666")}), &own()), "the key acted on");
    }

    #[test]
    fn a_resource_is_foreign_by_its_account() {
        let bucket = |account: Value| json!([{"ARN": "arn:aws:s3:::b/k"}, {"accountId": account}]);
        assert!(resource(&bucket(json!("444455556666")), &own()));
        for harmless in [json!("111122223333"), json!(""), json!("anonymous"), Value::Null] {
            assert!(!resource(&bucket(harmless), &own()));
        }
        assert!(!resource(&json!({}), &own()) && !resource(&json!([]), &own()));
    }
}
