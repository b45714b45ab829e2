//! What the program says about one event, and how a report points back at it.

use super::Timestamp;
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant),+ }
        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $word),+ } }
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> { match word { $($word => Some(Self::$variant),)+ _ => None } }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.as_str()) }
        }
    };
}
pub(crate) use words;

words! {
    /// How a call ended, by class of error code.
    Outcome {
        Succeeded = "succeeded",
        Denied = "denied",
        NotFound = "not_found",
        Throttled = "throttled",
        Invalid = "invalid",
        Failed = "failed",
        /// It was only asked whether the call would be allowed, and it would have been: nothing was done.
        DryRun = "dry_run",
        /// Of a group of events only: they did not all end alike.
        Mixed = "mixed",
    }
}

words! {
    /// What kind of principal acted.
    ActorKind {
        Root = "root",
        User = "user",
        Role = "role",
        Federated = "federated",
        Service = "service",
        Account = "account",
        Anonymous = "anonymous",
        Unknown = "unknown",
    }
}

words! {
    /// What stands in `sourceIPAddress`.
    IpKind {
        Public = "public",
        Private = "private",
        Service = "service",
        AwsInternal = "aws_internal",
        Other = "other",
        Missing = "missing",
    }
}

/// An event that tells the same action to another account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct View {
    pub account: String,
    pub event_id: String,
}

/// One event as a finding shows it: enough to tell the step, and the place in the archive to prove it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub event_id: String,
    pub time: Timestamp,
    /// Source file as it was named on input (relative to the SOURCE given).
    pub file: String,
    /// Zero-based place of the record in that file.
    pub index: u32,
    pub event_name: String,
    pub service: String,
    pub region: String,
    pub account: String,
    /// Canonical principal (session issuer, else user, else service, else account).
    pub principal: String,
    pub source_ip: String,
    pub user_agent_family: String,
    pub outcome: Outcome,
    pub error_code: Option<String>,
    /// What was acted on, where the record says (user, bucket, role, instance, ...).
    pub target: Option<String>,
    /// The same action, as other accounts saw it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<View>,
}
