//! The columns that rules are narrowed by, and how each answers for its field.

/// How a column answers for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text; without one, the field may be of another type and is in `extra`.
    Text,
    /// Text, or no field.
    Own,
    /// Text that may be elsewhere, in the JSON of identities: without one, these may have to be asked.
    Also,
    /// Text, or no field; where a part has identities that are not plain, the field is inside of these.
    Plain,
    Flag,
    /// JSON that repeats; the field is inside.
    Json,
    /// Only whether there is anything: fields that no column has.
    Extra,
    /// JSON that hardly repeats: looked at last, in the rows that are left.
    Raw,
}

/// A column that rules are narrowed by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) field: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Of few values, so that few combinations of them occur.
    pub(super) is_coarse: bool,
}

const fn column(field: &'static str, name: &'static str, kind: Kind, is_coarse: bool) -> Column {
    Column { field, name, kind, is_coarse }
}

/// The name comes first: rules are looked up by it. Fields that hardly repeat are not here.
pub(super) const COLUMNS: [Column; 61] = [
    column("eventName", "event_name", Kind::Text, true),
    column("eventSource", "event_source", Kind::Text, true),
    column("errorCode", "error_code", Kind::Text, true),
    column("userIdentity.type", "user_identity_type", Kind::Also, true),
    column("eventType", "event_type", Kind::Text, true),
    column("eventCategory", "event_category", Kind::Text, true),
    column("eventVersion", "event_version", Kind::Text, true),
    column("apiVersion", "api_version", Kind::Text, true),
    column("readOnly", "read_only", Kind::Flag, true),
    column("managementEvent", "management_event", Kind::Flag, true),
    column("trailinsight.outcome", "outcome", Kind::Own, true),
    column("trailinsight.actor_kind", "actor_kind", Kind::Own, true),
    column("trailinsight.event_name", "event_name_norm", Kind::Own, true),
    column("sessionCredentialFromConsole", "session_credential_from_console", Kind::Text, true),
    column("awsRegion", "aws_region", Kind::Text, false),
    column("recipientAccountId", "recipient_account_id", Kind::Text, false),
    column("errorMessage", "error_message", Kind::Text, false),
    column("sourceIPAddress", "source_ip_address", Kind::Text, false),
    column("userAgent", "user_agent", Kind::Text, false),
    column("trailinsight.user_agent_family", "user_agent_family", Kind::Own, false),
    column("trailinsight.ip_kind", "ip_kind", Kind::Own, false),
    column("trailinsight.actor", "actor", Kind::Own, false),
    column("vpcEndpointId", "vpc_endpoint_id", Kind::Text, false),
    column("userIdentity.arn", "user_identity_arn", Kind::Also, false),
    column("userIdentity.userName", "user_identity_user_name", Kind::Also, false),
    column("userIdentity.accountId", "user_identity_account_id", Kind::Also, false),
    column("userIdentity.principalId", "user_identity_principal_id", Kind::Also, false),
    column("userIdentity.invokedBy", "user_identity_invoked_by", Kind::Also, false),
    column("userIdentity.accessKeyId", "user_identity_access_key_id", Kind::Plain, false),
    column("userIdentity.identityProvider", "user_identity_identity_provider", Kind::Plain, false),
    column("userIdentity.credentialId", "user_identity_credential_id", Kind::Plain, false),
    column(
        "userIdentity.sessionContext.sessionIssuer.type",
        "session_issuer_type",
        Kind::Plain,
        true,
    ),
    column(
        "userIdentity.sessionContext.sessionIssuer.principalId",
        "session_issuer_principal_id",
        Kind::Plain,
        false,
    ),
    column(
        "userIdentity.sessionContext.sessionIssuer.arn",
        "session_issuer_arn",
        Kind::Plain,
        false,
    ),
    column(
        "userIdentity.sessionContext.sessionIssuer.accountId",
        "session_issuer_account_id",
        Kind::Plain,
        false,
    ),
    column(
        "userIdentity.sessionContext.sessionIssuer.userName",
        "session_issuer_user_name",
        Kind::Plain,
        false,
    ),
    column(
        "userIdentity.sessionContext.attributes.creationDate",
        "session_creation_date",
        Kind::Plain,
        false,
    ),
    column(
        "userIdentity.sessionContext.attributes.mfaAuthenticated",
        "session_mfa_authenticated",
        Kind::Plain,
        true,
    ),
    column(
        "userIdentity.sessionContext.sourceIdentity",
        "session_source_identity",
        Kind::Plain,
        false,
    ),
    column(
        "userIdentity.sessionContext.ec2RoleDelivery",
        "session_ec2_role_delivery",
        Kind::Plain,
        false,
    ),
    column("userIdentity.sessionContext.assumedRoot", "session_assumed_root", Kind::Plain, false),
    column(
        "userIdentity.sessionContext.signInSessionArn",
        "session_sign_in_session_arn",
        Kind::Plain,
        false,
    ),
    column(
        "userIdentity.sessionContext.webIdFederationData.federatedProvider",
        "session_federated_provider",
        Kind::Plain,
        false,
    ),
    column("userIdentity.onBehalfOf.userId", "on_behalf_of_user_id", Kind::Plain, false),
    column(
        "userIdentity.onBehalfOf.identityStoreArn",
        "on_behalf_of_identity_store_arn",
        Kind::Plain,
        false,
    ),
    column("userIdentity.inScopeOf.issuerType", "in_scope_of_issuer_type", Kind::Plain, false),
    column(
        "userIdentity.inScopeOf.credentialsIssuedTo",
        "in_scope_of_credentials_issued_to",
        Kind::Plain,
        false,
    ),
    column("userIdentity.inScopeOf.sourceArn", "in_scope_of_source_arn", Kind::Plain, false),
    column(
        "userIdentity.invokedByDelegate.accountId",
        "invoked_by_delegate_account_id",
        Kind::Plain,
        false,
    ),
    column("", "user_identity", Kind::Json, false),
    column("", "extra", Kind::Extra, true),
    column("", "request_parameters", Kind::Raw, false),
    column("", "response_elements", Kind::Raw, false),
    column("", "additional_event_data", Kind::Raw, false),
    column("", "resources", Kind::Raw, false),
    column("", "tls_details", Kind::Raw, false),
    column("", "service_event_details", Kind::Raw, false),
    column("", "insight_details", Kind::Raw, false),
    column("", "edge_device_details", Kind::Raw, false),
    column("", "event_context", Kind::Raw, false),
    column("", "addendum", Kind::Raw, false),
];
pub(super) const NAME: usize = 0;
pub(super) const SOURCE: usize = 1;
pub(super) const IDENTITY: usize = RAW - 2;
pub(super) const EXTRA: usize = RAW - 1;
/// Here the columns of [`Kind::Raw`] begin.
pub(super) const RAW: usize = COLUMNS.len() - RAWS.len();
pub(super) const RAWS: [&str; 10] = [
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "resources",
    "tlsDetails",
    "serviceEventDetails",
    "insightDetails",
    "edgeDeviceDetails",
    "eventContext",
    "addendum",
];

impl Column {
    /// Whether it has a field of an identity, which parts with other than plain identities may have to be asked for.
    pub(super) fn is_of_identity(&self) -> bool {
        matches!(self.kind, Kind::Also | Kind::Plain)
    }

    /// Whether it answers for its field in a part of such identities.
    pub(super) fn answers(&self, has_plain_identities: bool) -> bool {
        has_plain_identities || self.kind != Kind::Plain
    }
}

pub(super) fn of_identities() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| column.is_of_identity())
}

/// The column that says the same as a field of identities as long as these are plain.
pub(super) fn of_plain(field: &str) -> Option<&'static str> {
    COLUMNS.iter().find(|of| of.kind == Kind::Plain && of.field == field).map(|of| of.name)
}
