//! One region's event history: a client, its pace, and what is known of it.

use super::explain::{Refusal, explain};
use super::pace::Pace;
use super::window::Slice;
use crate::archive::Options;
use crate::archive::aws::{Aws, unless_stopped};
use crate::model::{Stop, Timestamp};
use aws_config::Region as Name;
use aws_config::retry::RetryConfig;
use aws_sdk_cloudtrail::error::SdkError;
use aws_sdk_cloudtrail::operation::lookup_events::{LookupEventsError, LookupEventsOutput};
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use aws_sdk_cloudtrail::{Client, Config};
use serde::Deserialize;
use std::sync::{Mutex, OnceLock};

/// The most that the API gives at a time.
const PAGE_EVENTS: i32 = 50;

pub(super) struct Region {
    pub(super) name: String,
    client: Client,
    pace: Pace,
    attribute: Option<LookupAttribute>,
    /// Time of its newest event, or that there is none; unset while that is not known.
    newest: OnceLock<Option<Timestamp>>,
    /// Why nothing more is read of it in this run. What the SDK has tried ten times will not help
    /// the next day of the same region.
    refused: Mutex<Option<Refusal>>,
    stop: Stop,
}

/// What one small request tells about a region.
pub(super) struct Sight {
    /// Whose event history it is; unknown where there is no event.
    pub(super) account: Option<String>,
}

/// What of a record says whose it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owned {
    recipient_account_id: Option<String>,
}

impl Region {
    pub(super) fn new(name: &str, aws: &Aws, options: &Options) -> Self {
        let Options { selection, history, stop, .. } = options;
        let retry = RetryConfig::standard()
            .with_max_attempts(history.attempts)
            .with_initial_backoff(history.backoff);
        let config = Config::from(&aws.config)
            .to_builder()
            .region(Name::new(name.to_owned()))
            .retry_config(retry)
            .build();
        let attribute = selection.lookup.as_ref().map(|attribute| {
            LookupAttribute::builder()
                .attribute_key(LookupAttributeKey::from(attribute.name.as_str()))
                .attribute_value(&attribute.value)
                .build()
                .expect("name and value are set")
        });
        Self {
            name: name.to_owned(),
            client: Client::from_conf(config),
            pace: Pace::new(history.interval),
            attribute,
            newest: OnceLock::new(),
            refused: Mutex::new(None),
            stop: stop.clone(),
        }
    }

    /// Asks for the newest event of the window.
    pub(super) async fn look(&self, slice: &Slice) -> Result<Sight, Refusal> {
        let page = self.ask(slice, None, 1).await?;
        let newest = page.events().first();
        let is_whole = page.next_token().is_none_or(str::is_empty);
        let time = newest.and_then(|e| e.event_time()).map(|t| Timestamp(t.secs() * 1_000_000));
        if time.is_some() || newest.is_none() && is_whole {
            let _ = self.newest.set(time);
        }
        let text = newest.and_then(|event| event.cloud_trail_event());
        let owned = text.and_then(|text| serde_json::from_str::<Owned>(text).ok());
        let account = owned.and_then(|owned| owned.recipient_account_id);
        let is_account = |a: &String| a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit());
        Ok(Sight { account: account.filter(is_account) })
    }

    /// Whether there is nothing in `slice`, by what is known.
    pub(super) fn is_empty_in(&self, slice: &Slice) -> bool {
        self.newest.get().is_some_and(|newest| newest.is_none_or(|newest| newest < slice.from))
    }

    /// The next page of a slice.
    pub(super) async fn page(
        &self,
        slice: &Slice,
        token: Option<String>,
    ) -> Result<LookupEventsOutput, Refusal> {
        self.ask(slice, token, PAGE_EVENTS).await
    }

    async fn ask(
        &self,
        slice: &Slice,
        token: Option<String>,
        events: i32,
    ) -> Result<LookupEventsOutput, Refusal> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        self.pace.turn().await;
        let asking = self
            .client
            .lookup_events()
            .start_time(moment(slice.from))
            // Both ends are taken, and events have whole seconds.
            .end_time(moment(Timestamp(slice.to.0 - 1000)))
            .set_lookup_attributes(self.attribute.clone().map(|attribute| vec![attribute]))
            .max_results(events)
            .set_next_token(token)
            .send();
        // Between two attempts the SDK may wait for longer than a user does.
        let asked = unless_stopped(&self.stop, asking).await.ok_or_else(Refusal::stopped)?;
        asked.map_err(|error: SdkError<LookupEventsError>| {
            let refusal = explain(&error, &self.name);
            tracing::debug!(region = self.name, detail = refusal.error.detail, "refused");
            *self.refused.lock().expect("nobody panics with the lock") = Some(refusal.clone());
            refusal
        })
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refused.lock().expect("nobody panics with the lock").clone()
    }
}

fn moment(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.0.div_euclid(1000))
}
