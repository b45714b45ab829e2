//! The role that a request hands to a service. There is no event for iam:PassRole.

use super::derived::{below, get, listed, texts};
use serde_json::Value;

/// Request fields that do.
const KEYS: &str = "\
    role rolearn taskrolearn executionrolearn servicerole servicerolearn instancerolearn \
    jobflowrole iaminstanceprofile";

/// The first role, or instance profile, by its name.
#[must_use]
pub(super) fn role(request: &Value) -> Option<String> {
    let under_key = below(request).into_iter().filter(|(key, _)| listed(KEYS, key));
    let mut roles = under_key.flat_map(|(_, value)| match value {
        Value::Object(_) => [texts(get(value, "arn")), texts(get(value, "name"))].concat(),
        value => texts(Some(value)),
    });
    let role = roles.find(|text| !text.is_empty())?;
    Some(role.rsplit('/').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_passed_role_goes_by_its_name() {
        for request in [
            json!({"role": "arn:aws:iam::111122223333:role/path/r"}),
            json!({"iamInstanceProfile": {"name": "r"}}),
        ] {
            assert_eq!(role(&request).as_deref(), Some("r"));
        }
        assert_eq!(role(&json!({"roleName": "r"})), None);
    }
}
