//! The fifteen monitoring controls of CIS AWS Foundations (section 4; numbered alike since version 1.4): which events
//! the metric filter of each counts. The same is said in two ways: over columns, and as calls to try a filter on.

use crate::case::Row;
use polars::prelude::*;
use serde_json::{Value, json};

pub(super) struct Definition {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// Of the calls, without the DNS suffix.
    pub(super) service: &'static str,
    pub(super) counts: Counts,
}

/// What a control's metric filter counts.
pub(super) enum Counts {
    /// Calls of any service that were refused.
    Refused,
    LoginWithoutSecondFactor,
    Root,
    FailedLogin,
    /// Calls by name, whatever became of them.
    Calls(&'static [&'static str]),
}

pub(super) const LOGIN: &str = "ConsoleLogin";

#[rustfmt::skip]
pub(super) const CONTROLS: [Definition; 15] = [
    of("4.1", "Calls that were refused", "", Counts::Refused),
    of("4.2", "Console logins without a second factor", "signin", Counts::LoginWithoutSecondFactor),
    of("4.3", "Use of the root user", "", Counts::Root),
    of("4.4", "Changes of IAM policies", "iam", Counts::Calls(&[
        "DeleteGroupPolicy", "DeleteRolePolicy", "DeleteUserPolicy", "PutGroupPolicy", "PutRolePolicy", "PutUserPolicy",
        "CreatePolicy", "DeletePolicy", "CreatePolicyVersion", "DeletePolicyVersion", "AttachRolePolicy",
        "DetachRolePolicy", "AttachUserPolicy", "DetachUserPolicy", "AttachGroupPolicy", "DetachGroupPolicy",
    ])),
    of("4.5", "Changes of CloudTrail itself", "cloudtrail", Counts::Calls(&[
        "CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging",
    ])),
    of("4.6", "Console logins that failed", "signin", Counts::FailedLogin),
    of("4.7", "KMS keys disabled or given up for deletion", "kms", Counts::Calls(&["DisableKey", "ScheduleKeyDeletion"])),
    of("4.8", "Changes of bucket policies and access", "s3", Counts::Calls(&[
        "PutBucketAcl", "PutBucketPolicy", "PutBucketCors", "PutBucketLifecycle", "PutBucketReplication",
        "DeleteBucketPolicy", "DeleteBucketCors", "DeleteBucketLifecycle", "DeleteBucketReplication",
    ])),
    of("4.9", "Changes of AWS Config", "config", Counts::Calls(&[
        "StopConfigurationRecorder", "DeleteDeliveryChannel", "PutDeliveryChannel", "PutConfigurationRecorder",
    ])),
    of("4.10", "Changes of security groups", "ec2", Counts::Calls(&[
        "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress",
        "RevokeSecurityGroupEgress", "CreateSecurityGroup", "DeleteSecurityGroup",
    ])),
    of("4.11", "Changes of network access lists", "ec2", Counts::Calls(&[
        "CreateNetworkAcl", "CreateNetworkAclEntry", "DeleteNetworkAcl", "DeleteNetworkAclEntry",
        "ReplaceNetworkAclEntry", "ReplaceNetworkAclAssociation",
    ])),
    of("4.12", "Changes of network gateways", "ec2", Counts::Calls(&[
        "CreateCustomerGateway", "DeleteCustomerGateway", "AttachInternetGateway", "CreateInternetGateway",
        "DeleteInternetGateway", "DetachInternetGateway",
    ])),
    of("4.13", "Changes of route tables", "ec2", Counts::Calls(&[
        "CreateRoute", "CreateRouteTable", "ReplaceRoute", "ReplaceRouteTableAssociation", "DeleteRouteTable",
        "DeleteRoute", "DisassociateRouteTable",
    ])),
    of("4.14", "Changes of VPCs and what joins them", "ec2", Counts::Calls(&[
        "CreateVpc", "DeleteVpc", "ModifyVpcAttribute", "AcceptVpcPeeringConnection", "CreateVpcPeeringConnection",
        "DeleteVpcPeeringConnection", "RejectVpcPeeringConnection", "AttachClassicLinkVpc", "DetachClassicLinkVpc",
        "DisableVpcClassicLink", "EnableVpcClassicLink",
    ])),
    of("4.15", "Changes of the organization", "organizations", Counts::Calls(&[
        "AcceptHandshake", "AttachPolicy", "CreateAccount", "CreateOrganizationalUnit", "CreatePolicy",
        "DeclineHandshake", "DeleteOrganization", "DeleteOrganizationalUnit", "DeletePolicy", "DetachPolicy",
        "DisablePolicyType", "EnablePolicyType", "InviteAccountToOrganization", "LeaveOrganization", "MoveAccount",
        "RemoveAccountFromOrganization", "UpdatePolicy", "UpdateOrganizationalUnit",
    ])),
];

const fn of(
    id: &'static str,
    title: &'static str,
    service: &'static str,
    counts: Counts,
) -> Definition {
    Definition { id, title, service, counts }
}

/// Columns that tell what names of calls do not.
pub(super) const MARKS: [&str; 3] = ["refused", "root", "failed_login"];

/// Events that some control may count, with [`MARKS`].
pub(super) fn marked(events: &LazyFrame) -> LazyFrame {
    let names = CONTROLS.iter().flat_map(Definition::names).copied().collect();
    let any = is_in("event_name", names).or(col("refused")).or(col("root"));
    with_marks(events.clone()).filter(any)
}

/// Logins of users who gave no second factor. Apart from the others, since it takes columns that hardly repeat.
pub(super) fn logins(events: &LazyFrame) -> LazyFrame {
    let has = |column: &str, text: &str| col(column).str().contains_literal(lit(text));
    let given = has("additional_event_data", "\"MFAUsed\":\"Yes\"");
    let is_user = col("user_identity_type").eq(lit("IAMUser"));
    let without = given.not().and(has("response_elements", "\"ConsoleLogin\":\"Success\""));
    with_marks(events.clone().filter(col("event_name").eq(lit(LOGIN)).and(is_user).and(without)))
}

fn with_marks(events: LazyFrame) -> LazyFrame {
    let code = || col("error_code").str();
    let code =
        code().ends_with(lit("UnauthorizedOperation")).or(code().starts_with(lit("AccessDenied")));
    // Log delivery, and a check that is made of buckets of others all the time.
    let refused = code
        .and(col("source_ip_address").neq(lit("delivery.logs.amazonaws.com")))
        .and(col("event_name").neq(lit("HeadBucket")));
    let root = col("user_identity_type")
        .eq(lit("Root"))
        .and(col("user_identity_invoked_by").is_null())
        .and(col("event_type").neq(lit("AwsServiceEvent")));
    let failed =
        col("event_name").eq(lit(LOGIN)).and(col("error_message").eq(lit("Failed authentication")));
    let marks = [refused, root, failed].into_iter().zip(MARKS);
    let marks: Vec<Expr> =
        marks.map(|(mark, name)| mark.fill_null(lit(false)).alias(name)).collect();
    events.with_columns(marks)
}

fn is_in(column: &str, values: Vec<&str>) -> Expr {
    col(column).is_in(lit(Series::new(column.into(), values)).implode(false), false)
}

impl Definition {
    pub(super) fn names(&self) -> &'static [&'static str] {
        match self.counts {
            Counts::Calls(names) => names,
            Counts::LoginWithoutSecondFactor | Counts::FailedLogin => &[LOGIN],
            Counts::Refused | Counts::Root => &[],
        }
    }

    /// Whether a row of [`marked`], or of [`logins`], is one of its events.
    pub(super) fn counts(&self, row: Row<'_>) -> bool {
        let is = |mark: &str| row.flag(mark) == Some(true);
        match self.counts {
            Counts::Refused => is("refused"),
            Counts::Root => is("root"),
            Counts::FailedLogin => is("failed_login"),
            Counts::LoginWithoutSecondFactor => true,
            Counts::Calls(names) => {
                row.text("service") == Some(self.service)
                    && row.text("event_name").is_some_and(|name| names.contains(&name))
            }
        }
    }

    /// Records that its metric filter counts, one of each kind.
    pub(super) fn probes(&self) -> Vec<Value> {
        let with = |fields: Value| {
            let mut record = harmless();
            for (key, value) in fields.as_object().into_iter().flatten() {
                record[key] = value.clone();
            }
            record
        };
        let login = |fields: Value| {
            let mut record = with(fields);
            record["eventSource"] = "signin.amazonaws.com".into();
            record["eventName"] = LOGIN.into();
            record["eventType"] = "AwsConsoleSignIn".into();
            record
        };
        match self.counts {
            Counts::Refused => {
                let codes = ["AccessDenied", "Client.UnauthorizedOperation"];
                codes.map(|code| with(json!({"errorCode": code}))).to_vec()
            }
            Counts::Root => vec![with(json!({"userIdentity": {"type": "Root"}}))],
            Counts::LoginWithoutSecondFactor => vec![login(json!({
                "additionalEventData": {"MFAUsed": "No"}, "responseElements": {"ConsoleLogin": "Success"},
            }))],
            Counts::FailedLogin => vec![login(json!({
                "additionalEventData": {"MFAUsed": "Yes"}, "responseElements": {"ConsoleLogin": "Failure"},
                "errorMessage": "Failed authentication",
            }))],
            Counts::Calls(names) => {
                let source = format!("{}.amazonaws.com", self.service);
                let call = |name| with(json!({"eventSource": source, "eventName": name}));
                names.iter().map(call).collect()
            }
        }
    }
}

/// A record that no control counts.
pub(super) fn harmless() -> Value {
    json!({
        "eventVersion": "1.11", "eventTime": "2024-05-03T08:00:00Z", "eventSource": "ec2.amazonaws.com",
        "eventName": "DescribeInstances", "eventType": "AwsApiCall", "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.1", "userAgent": "aws-cli/2.15.40", "userIdentity": {"type": "IAMUser"},
        "recipientAccountId": "111122223333", "readOnly": true, "managementEvent": true,
    })
}
