//! `userIdentity`, read once for every distinct text of it, in one pass and without a tree.

use crate::model::ActorKind;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Objects of `userIdentity` that hold scalars of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    SessionContext,
    SessionIssuer,
    Attributes,
    WebIdFederationData,
    OnBehalfOf,
    InScopeOf,
    InvokedByDelegate,
}
use Place::{
    Attributes, InScopeOf, InvokedByDelegate, OnBehalfOf, SessionContext, SessionIssuer, Top,
    WebIdFederationData,
};

/// Where each of them is.
const INTO: [(Place, &str, Place); 7] = [
    (Top, "sessionContext", SessionContext),
    (SessionContext, "sessionIssuer", SessionIssuer),
    (SessionContext, "attributes", Attributes),
    (SessionContext, "webIdFederationData", WebIdFederationData),
    (Top, "onBehalfOf", OnBehalfOf),
    (Top, "inScopeOf", InScopeOf),
    (Top, "invokedByDelegate", InvokedByDelegate),
];

/// The scalars taken: column, and where it stands.
const FIELDS: [(&str, Place, &str); 27] = [
    ("user_identity_type", Top, "type"),
    ("user_identity_principal_id", Top, "principalId"),
    ("user_identity_arn", Top, "arn"),
    ("user_identity_account_id", Top, "accountId"),
    ("user_identity_access_key_id", Top, "accessKeyId"),
    ("user_identity_user_name", Top, "userName"),
    ("user_identity_invoked_by", Top, "invokedBy"),
    ("user_identity_identity_provider", Top, "identityProvider"),
    ("user_identity_credential_id", Top, "credentialId"),
    ("session_issuer_type", SessionIssuer, "type"),
    ("session_issuer_principal_id", SessionIssuer, "principalId"),
    ("session_issuer_arn", SessionIssuer, "arn"),
    ("session_issuer_account_id", SessionIssuer, "accountId"),
    ("session_issuer_user_name", SessionIssuer, "userName"),
    ("session_creation_date", Attributes, "creationDate"),
    ("session_mfa_authenticated", Attributes, "mfaAuthenticated"),
    ("session_source_identity", SessionContext, "sourceIdentity"),
    ("session_ec2_role_delivery", SessionContext, "ec2RoleDelivery"),
    ("session_assumed_root", SessionContext, "assumedRoot"),
    ("session_sign_in_session_arn", SessionContext, "signInSessionArn"),
    ("session_federated_provider", WebIdFederationData, "federatedProvider"),
    ("on_behalf_of_user_id", OnBehalfOf, "userId"),
    ("on_behalf_of_identity_store_arn", OnBehalfOf, "identityStoreArn"),
    ("in_scope_of_issuer_type", InScopeOf, "issuerType"),
    ("in_scope_of_credentials_issued_to", InScopeOf, "credentialsIssuedTo"),
    ("in_scope_of_source_arn", InScopeOf, "sourceArn"),
    ("invoked_by_delegate_account_id", InvokedByDelegate, "accountId"),
];

/// All columns made of an identity: two of our own, then [`FIELDS`].
pub(super) const NAMES: [&str; FIELDS.len() + 2] = {
    let mut names = ["actor"; FIELDS.len() + 2];
    names[1] = "actor_kind";
    let mut i = 0;
    while i < FIELDS.len() {
        names[i + 2] = FIELDS[i].0;
        i += 1;
    }
    names
};

/// What the program makes of one identity.
pub(super) struct Identity<'a> {
    fields: [Option<Cow<'a, str>>; FIELDS.len()],
    /// Fields are texts or not there, in whatever way they are looked for: no other value, no key twice or in another
    /// case, none that may be a path, no list on the way.
    pub(super) is_plain: bool,
}

impl<'a> Identity<'a> {
    /// Never fails: an identity that is no object has no fields and is of kind `unknown`.
    pub(super) fn read(raw: &'a [u8]) -> Self {
        let mut identity = Self { fields: Default::default(), is_plain: true };
        // It was UTF-8 when it was decoded: seen once more as a whole, which is faster than string by string.
        let text = std::str::from_utf8(raw).unwrap_or_default();
        let mut json = serde_json::Deserializer::from_str(text);
        let Self { fields, is_plain } = &mut identity;
        // The text was parsed before; what only this reader refuses leaves the fields so far.
        let read = Walk { fields, is_plain, place: Top }.deserialize(&mut json);
        identity.is_plain &= read.is_ok();
        identity
    }

    /// The value of column `i` of [`NAMES`].
    pub(super) fn column(&self, i: usize) -> Option<Cow<'_, str>> {
        match i {
            0 => self.actor(),
            1 => Some(Cow::Borrowed(self.kind().as_str())),
            _ => self.fields[i - 2].as_deref().map(Cow::Borrowed),
        }
    }

    /// A scalar by the name of its column.
    pub(super) fn field(&self, column: &str) -> Option<&str> {
        let i = FIELDS.iter().position(|(name, ..)| *name == column)?;
        self.fields[i].as_deref()
    }

    /// A field that says something.
    fn text(&self, place: Place, key: &str) -> Option<Cow<'_, str>> {
        let i = FIELDS.iter().position(|(_, p, k)| *p == place && *k == key)?;
        self.fields[i].as_deref().filter(|text| !text.is_empty()).map(Cow::Borrowed)
    }

    /// Who acted, whatever session they wore: session issuer, else user, else service, else account.
    pub(super) fn actor(&self) -> Option<Cow<'_, str>> {
        let text = |place, key| self.text(place, key);
        let root = || Some(format!("arn:aws:iam::{}:root", text(Top, "accountId")?).into());
        match text(Top, "type").as_deref() {
            Some("Root") => text(Top, "arn").or_else(root),
            Some("AWSService") => text(Top, "invokedBy").or_else(|| text(Top, "principalId")),
            Some("IdentityCenterUser") => text(OnBehalfOf, "userId"),
            _ => None,
        }
        .or_else(|| text(SessionIssuer, "arn"))
        .or_else(|| text(Top, "arn").map(role_of_session))
        .or_else(|| text(Top, "userName"))
        .or_else(|| text(OnBehalfOf, "userId"))
        .or_else(|| text(Top, "invokedBy"))
        .or_else(|| text(Top, "principalId"))
        .or_else(|| text(Top, "accountId"))
    }

    fn kind(&self) -> ActorKind {
        let text = |key| self.text(Top, key);
        let anonymous = |account: Option<Cow<'_, str>>| {
            account
                .is_some_and(|a| a.eq_ignore_ascii_case("anonymous") || a == "ANONYMOUS_PRINCIPAL")
        };
        match text("type").as_deref() {
            Some("Root") => ActorKind::Root,
            Some("IAMUser") => ActorKind::User,
            Some("AssumedRole" | "Role") => ActorKind::Role,
            Some(
                "FederatedUser" | "SAMLUser" | "WebIdentityUser" | "IdentityCenterUser"
                | "Directory",
            ) => ActorKind::Federated,
            Some("AWSService") => ActorKind::Service,
            Some("AWSAccount") if anonymous(text("accountId")) => ActorKind::Anonymous,
            Some("AWSAccount") => ActorKind::Account,
            None if text("invokedBy").is_some() => ActorKind::Service,
            None if text("accountId").is_some() => ActorKind::Account,
            _ => ActorKind::Unknown,
        }
    }
}

/// Reads one object into the fields, and the objects within that matter.
struct Walk<'f, 'a> {
    fields: &'f mut [Option<Cow<'a, str>>; FIELDS.len()],
    is_plain: &'f mut bool,
    place: Place,
}

impl<'a> DeserializeSeed<'a> for Walk<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Walk<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identity")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut within = [false; INTO.len()];
        while let Some(key) = map.next_key::<Key<'a>>()? {
            // Tables that know no case give everything back in lower case.
            let is = |k: &str| key.0.eq_ignore_ascii_case(k);
            let Walk { fields, is_plain, place } = &mut self;
            **is_plain &= !key.0.contains('.');
            if let Some(i) = INTO.iter().position(|(p, k, _)| p == place && is(k)) {
                let (_, name, place) = INTO[i];
                **is_plain &= key.0 == name && !std::mem::replace(&mut within[i], true);
                map.next_value_seed(Walk { fields, is_plain, place })?;
            } else if let Some(i) = FIELDS.iter().position(|(_, p, k)| p == place && is(k)) {
                **is_plain &= key.0 == FIELDS[i].2;
                fields[i] = map.next_value_seed(Scalar { is_plain })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        // A path goes on in any element.
        *self.is_plain = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A scalar as text; booleans and numbers are taken as CloudTrail's own strings would be.
struct Scalar<'f> {
    is_plain: &'f mut bool,
}

impl<'a> DeserializeSeed<'a> for Scalar<'_> {
    type Value = Option<Cow<'a, str>>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Scalar<'_> {
    type Value = Option<Cow<'a, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        *self.is_plain = false;
        Ok(Some(Cow::Borrowed(if value { "true" } else { "false" })))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        *self.is_plain = false;
        Ok(Some(value.to_string().into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        *self.is_plain = false;
        Ok(Some(value.to_string().into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        *self.is_plain = false;
        Ok(Some(value.to_string().into()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        *self.is_plain = false;
        Ok(None)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        *self.is_plain = false;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        *self.is_plain = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// `arn:aws:sts::1:assumed-role/R/session` is the role `arn:aws:iam::1:role/R` where no issuer is named.
fn role_of_session(arn: Cow<'_, str>) -> Cow<'_, str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [head, partition, "sts", region, account, rest] = parts[..] else { return arn };
    match rest.strip_prefix("assumed-role/").and_then(|r| r.split_once('/')) {
        Some((role, _)) => format!("{head}:{partition}:iam:{region}:{account}:role/{role}").into(),
        None => arn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_columns_do_not_say_exactly_is_told() {
        for (raw, is_plain) in [
            (r#"{"type":"Root","sessionContext":{"attributes":{}},"unknown":[1]}"#, true),
            (r#"{"sessionContext":{"attributes":{"mfaAuthenticated":"true"}}}"#, true),
            (r#"{"sessionContext":{"attributes":{"mfaAuthenticated":true}}}"#, false),
            (r#"{"accessKeyId":7}"#, false),
            (r#"{"userName":"a","userName":"b"}"#, true),
            (r#"{"username":"a"}"#, false),
            (r#"{"sessionContext":{},"sessionContext":{}}"#, false),
            (r#"{"sessionContext":{"Attributes":{}}}"#, false),
            ("null", true),
            (r#""text""#, true),
            (r#"{"type":null}"#, false),
            (r#"{"type":{"a":"b"}}"#, false),
            (r#"{"type":["Root"]}"#, false),
            (r#"{"sessionContext":[{"sourceIdentity":"a"}]}"#, false),
            (r#"{"sessionContext.sourceIdentity":"a"}"#, false),
            (r#"{"sessionContext":{"sessionIssuer.type":"Role"}}"#, false),
            (r#"[{"type":"Root"}]"#, false),
            (r#"{"type":"Root""#, false),
        ] {
            assert_eq!(Identity::read(raw.as_bytes()).is_plain, is_plain, "{raw}");
        }
    }

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
            let identity = Identity::read(raw.as_bytes());
            assert_eq!(identity.actor().as_deref(), Some(actor), "{raw}");
            assert_eq!(identity.kind(), kind, "{raw}");
        }
        assert_eq!(Identity::read(b"null").kind(), ActorKind::Unknown);
    }
}
