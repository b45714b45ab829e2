//! `userIdentity`, read once for every distinct text of it.

use crate::model::ActorKind;
use serde_json::Value;

/// The scalar columns taken from `userIdentity`: column name and path.
pub(super) const COLUMNS: [(&str, &[&str]); 27] = [
    ("user_identity_type", &["type"]),
    ("user_identity_principal_id", &["principalId"]),
    ("user_identity_arn", &["arn"]),
    ("user_identity_account_id", &["accountId"]),
    ("user_identity_access_key_id", &["accessKeyId"]),
    ("user_identity_user_name", &["userName"]),
    ("user_identity_invoked_by", &["invokedBy"]),
    ("user_identity_identity_provider", &["identityProvider"]),
    ("user_identity_credential_id", &["credentialId"]),
    ("session_issuer_type", &["sessionContext", "sessionIssuer", "type"]),
    ("session_issuer_principal_id", &["sessionContext", "sessionIssuer", "principalId"]),
    ("session_issuer_arn", &["sessionContext", "sessionIssuer", "arn"]),
    ("session_issuer_account_id", &["sessionContext", "sessionIssuer", "accountId"]),
    ("session_issuer_user_name", &["sessionContext", "sessionIssuer", "userName"]),
    ("session_creation_date", &["sessionContext", "attributes", "creationDate"]),
    ("session_mfa_authenticated", &["sessionContext", "attributes", "mfaAuthenticated"]),
    ("session_source_identity", &["sessionContext", "sourceIdentity"]),
    ("session_ec2_role_delivery", &["sessionContext", "ec2RoleDelivery"]),
    ("session_assumed_root", &["sessionContext", "assumedRoot"]),
    ("session_sign_in_session_arn", &["sessionContext", "signInSessionArn"]),
    ("session_federated_provider", &["sessionContext", "webIdFederationData", "federatedProvider"]),
    ("on_behalf_of_user_id", &["onBehalfOf", "userId"]),
    ("on_behalf_of_identity_store_arn", &["onBehalfOf", "identityStoreArn"]),
    ("in_scope_of_issuer_type", &["inScopeOf", "issuerType"]),
    ("in_scope_of_credentials_issued_to", &["inScopeOf", "credentialsIssuedTo"]),
    ("in_scope_of_source_arn", &["inScopeOf", "sourceArn"]),
    ("invoked_by_delegate_account_id", &["invokedByDelegate", "accountId"]),
];

/// What the program makes of one identity.
pub(super) struct Identity {
    value: Value,
}

impl Identity {
    /// Never fails: an identity that is no object has no fields and is of kind `unknown`.
    pub(super) fn parse(raw: &[u8]) -> Self {
        Self { value: serde_json::from_slice(raw).unwrap_or(Value::Null) }
    }

    /// A scalar as text; booleans and numbers are taken as CloudTrail's own strings would be.
    pub(super) fn text(&self, path: &[&str]) -> Option<String> {
        let value = path.iter().try_fold(&self.value, |value, key| value.get(key))?;
        match value {
            Value::String(s) => Some(s.clone()),
            Value::Bool(b) => Some(b.to_string()),
            Value::Number(n) => Some(n.to_string()),
            _ => None,
        }
    }

    /// Who acted, whatever session they wore: session issuer, else user, else service, else account.
    pub(super) fn actor(&self) -> Option<String> {
        let text = |path: &[&str]| self.text(path).filter(|t| !t.is_empty());
        let kind = text(&["type"]);
        match kind.as_deref() {
            Some("Root") => text(&["arn"])
                .or_else(|| text(&["accountId"]).map(|a| format!("arn:aws:iam::{a}:root"))),
            Some("AWSService") => text(&["invokedBy"]).or_else(|| text(&["principalId"])),
            Some("IdentityCenterUser") => text(&["onBehalfOf", "userId"]),
            _ => None,
        }
        .or_else(|| text(&["sessionContext", "sessionIssuer", "arn"]))
        .or_else(|| text(&["arn"]).map(role_of_session))
        .or_else(|| text(&["userName"]))
        .or_else(|| text(&["onBehalfOf", "userId"]))
        .or_else(|| text(&["invokedBy"]))
        .or_else(|| text(&["principalId"]))
        .or_else(|| text(&["accountId"]))
    }

    pub(super) fn kind(&self) -> ActorKind {
        let text = |path: &[&str]| self.text(path).filter(|t| !t.is_empty());
        let anonymous = |a: Option<String>| {
            a.is_some_and(|a| a.eq_ignore_ascii_case("anonymous") || a == "ANONYMOUS_PRINCIPAL")
        };
        match text(&["type"]).as_deref() {
            Some("Root") => ActorKind::Root,
            Some("IAMUser") => ActorKind::User,
            Some("AssumedRole" | "Role") => ActorKind::Role,
            Some(
                "FederatedUser" | "SAMLUser" | "WebIdentityUser" | "IdentityCenterUser"
                | "Directory",
            ) => ActorKind::Federated,
            Some("AWSService") => ActorKind::Service,
            Some("AWSAccount") if anonymous(text(&["accountId"])) => ActorKind::Anonymous,
            Some("AWSAccount") => ActorKind::Account,
            None if text(&["invokedBy"]).is_some() => ActorKind::Service,
            None if text(&["accountId"]).is_some() => ActorKind::Account,
            _ => ActorKind::Unknown,
        }
    }
}

/// `arn:aws:sts::1:assumed-role/R/session` is the role `arn:aws:iam::1:role/R` where no issuer is named.
fn role_of_session(arn: String) -> String {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [head, partition, "sts", region, account, rest] = parts[..] else { return arn };
    match rest.strip_prefix("assumed-role/").and_then(|r| r.split_once('/')) {
        Some((role, _)) => format!("{head}:{partition}:iam:{region}:{account}:role/{role}"),
        None => arn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_actor_is_the_same_in_every_session() {
        let cases = [
            (
                r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/R/s","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::1:role/p/R"}}}"#,
                "arn:aws:iam::1:role/p/R",
                ActorKind::Role,
            ),
            (
                r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/R/s"}"#,
                "arn:aws:iam::1:role/R",
                ActorKind::Role,
            ),
            (
                r#"{"type":"IAMUser","arn":"arn:aws:iam::1:user/u","invokedBy":"x.amazonaws.com"}"#,
                "arn:aws:iam::1:user/u",
                ActorKind::User,
            ),
            (r#"{"type":"Root","accountId":"1"}"#, "arn:aws:iam::1:root", ActorKind::Root),
            (
                r#"{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}"#,
                "ec2.amazonaws.com",
                ActorKind::Service,
            ),
            (r#"{"accountId":"1","invokedBy":"AWS Internal"}"#, "AWS Internal", ActorKind::Service),
            (
                r#"{"type":"AWSAccount","accountId":"anonymous","principalId":""}"#,
                "anonymous",
                ActorKind::Anonymous,
            ),
            (
                r#"{"type":"FederatedUser","arn":"arn:aws:sts::1:federated-user/f","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::1:user/u"}}}"#,
                "arn:aws:iam::1:user/u",
                ActorKind::Federated,
            ),
        ];
        for (raw, actor, kind) in cases {
            let identity = Identity::parse(raw.as_bytes());
            assert_eq!(identity.actor().as_deref(), Some(actor), "{raw}");
            assert_eq!(identity.kind(), kind, "{raw}");
        }
        assert_eq!(Identity::parse(b"null").kind(), ActorKind::Unknown);
    }
}
