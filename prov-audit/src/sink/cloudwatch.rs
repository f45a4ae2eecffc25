//! `CloudWatch` Logs, by `PutLogEvents`.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method};
use prov_core::{Clock, Error, Result, codes as core_codes};
use serde::Serialize;
use serde_json::Value;

use super::client::{Answer, Client};
use super::http::{Authorization, post};
use super::signature::{Asked, Credentials, Scope, sign};
use super::wire::{SecretFile, Target, quoted};
use super::{Batch, Receiver};
use crate::codes;
use crate::format::Format;
use crate::leaf::Leaf;

/// What one call takes, by the service's own quotas: so many events, so many bytes with 26 more for
/// each event, and no longer than a day from the first to the last.
const MOST_EVENTS: usize = 10_000;
const MOST_BYTES: usize = 1_048_576;
const EACH: usize = 26;
const DAY: i64 = 24 * 60 * 60 * 1000;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const TARGET: &str = "Logs_20140328.PutLogEvents";

/// Writes events into a log stream, which must be there. What the service refuses as too old, which is
/// what is older than two weeks or than the group's retention, is not confirmed: a sink that must
/// get on after so long an outage fails open.
#[derive(Debug)]
pub struct CloudwatchReceiver {
    client: Client,
    credentials: SecretFile,
    region: String,
    group: String,
    stream: String,
    clock: Arc<dyn Clock>,
}

/// One event, as the service wants it.
#[derive(Debug, Clone, Serialize)]
struct LogEvent {
    timestamp: i64,
    message: String,
}

/// The body of a call.
#[derive(Debug, Serialize)]
struct Call<'a> {
    #[serde(rename = "logGroupName")]
    group: &'a str,
    #[serde(rename = "logStreamName")]
    stream: &'a str,
    #[serde(rename = "logEvents")]
    events: &'a [LogEvent],
}

impl CloudwatchReceiver {
    /// The service at this URL (`https://logs.eu-central-1.amazonaws.com`) in a region, a group and a
    /// stream, and a file with credentials as the command line of the service keeps them
    /// (`aws_access_key_id = …`).
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for names that can't be.
    pub fn new(
        target: Target,
        region: impl Into<String>,
        (group, stream): (impl Into<String>, impl Into<String>),
        credentials: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let (region, group, stream) = (region.into(), group.into(), stream.into());
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_/.#".contains(c);
        for (name, text) in [("region", &region), ("group", &group), ("stream", &stream)] {
            if !(1..=512).contains(&text.len()) || !text.chars().all(plain) {
                let what = format!("`{text}` is no {name}");
                return Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
            }
        }
        let (client, credentials) = (Client::new(target), SecretFile::new(credentials.into()));
        Ok(Self { client, credentials, region, group, stream, clock })
    }

    async fn put(&mut self, events: &[LogEvent]) -> Result<()> {
        let call = Call { group: &self.group, stream: &self.stream, events };
        let body = serde_json::to_vec(&call)
            .map_err(|e| Error::new(codes::SINK_FAILED).detail("writing events").source(e))?;
        let credentials = Credentials::read(self.credentials.read().await?.expose())?;
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", HeaderValue::from_static(TARGET));
        headers.insert("content-type", HeaderValue::from_static(CONTENT_TYPE));
        let host = self.client.target().authority();
        let scope = Scope { region: &self.region, service: "logs", at: self.clock.now() };
        let asked = Asked { method: &Method::POST, path: "/", host: &host, body: &body };
        sign(&mut headers, &credentials, &scope, &asked)?;
        let nobody = Authorization::default();
        let answer = post(&mut self.client, "/", CONTENT_TYPE, &nobody, headers, body).await?;
        judge(answer)
    }
}

/// Nothing that was sent may have been rejected.
fn judge(answer: Answer) -> Result<()> {
    let said: Value = answer.well()?.json()?;
    match said.get("rejectedLogEventsInfo").filter(|info| !info.is_null()) {
        None => Ok(()),
        Some(info) => Err(Error::new(codes::SINK_FAILED)
            .detail(format!("rejected events: {}", quoted(info.to_string().as_bytes())))),
    }
}

/// Events in the order of time that the service asks for, in calls that it takes.
fn calls(mut events: Vec<LogEvent>) -> Vec<Vec<LogEvent>> {
    events.sort_by_key(|event| event.timestamp);
    let mut calls: Vec<Vec<LogEvent>> = Vec::new();
    let (mut bytes, mut first) = (0, 0);
    for event in events {
        let size = event.message.len() + EACH;
        let fits = calls.last().is_some_and(|call| {
            call.len() < MOST_EVENTS && bytes + size <= MOST_BYTES && event.timestamp - first < DAY
        });
        if !fits {
            calls.push(Vec::new());
            (bytes, first) = (0, event.timestamp);
        }
        bytes += size;
        if let Some(call) = calls.last_mut() {
            call.push(event);
        }
    }
    calls
}

#[async_trait]
impl Receiver for CloudwatchReceiver {
    fn kind(&self) -> &'static str {
        "cloudwatch"
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<()> {
        let time = |leaf: &[u8]| Leaf::read(leaf).map_or(0, |leaf| leaf.time.as_millisecond());
        let events = batch.leaves.iter().zip(batch.records(Format::Jsonl));
        let events = events
            .map(|(leaf, message)| LogEvent { timestamp: time(&leaf.leaf), message })
            .collect();
        for call in calls(events) {
            self.put(&call).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_keep_within_the_quotas_and_in_the_order_of_time() {
        let event = |timestamp, length| LogEvent { timestamp, message: "x".repeat(length) };
        let mut events: Vec<_> = (0..25_000).map(|n| event((n * 7919) % 1000, 1)).collect();
        events.push(event(DAY, 5));
        events.extend((0..40).map(|_| event(500, 60_000)));
        let total = events.len();
        let calls = calls(events);
        assert_eq!(calls.iter().map(Vec::len).sum::<usize>(), total);
        for call in &calls {
            let bytes: usize = call.iter().map(|event| event.message.len() + EACH).sum();
            assert!(call.len() <= MOST_EVENTS && bytes <= MOST_BYTES, "{} {bytes}", call.len());
            assert!(call.is_sorted_by_key(|event| event.timestamp));
            assert!(call.last().unwrap().timestamp - call[0].timestamp < DAY);
        }
        assert!(calls.len() >= 5, "{}", calls.len());
    }
}
