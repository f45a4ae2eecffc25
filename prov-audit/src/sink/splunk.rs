//! Splunk's HTTP event collector, with indexer acknowledgement.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use http::header::HeaderValue;
use prov_core::{Error, Result, random};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::client::Client;
use super::http::{Authorization, post};
use super::wire::{Target, quoted};
use super::{Batch, Receiver};
use crate::codes;
use crate::format::Format;

/// How often is asked whether a batch is indexed.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Sends events to a collector. A batch is confirmed when the indexers have it, not when the
/// collector has taken it: what it answers at first is no promise. A collector whose token has no
/// acknowledgement switched on is believed at its word.
#[derive(Debug)]
pub struct SplunkReceiver {
    client: Client,
    authorization: Authorization,
    channel: String,
}

impl SplunkReceiver {
    /// A collector at this URL (`https://splunk.example:8088`), with the token in this file.
    ///
    /// # Errors
    /// When there is no randomness to name the channel with.
    pub fn new(target: Target, token: impl Into<PathBuf>) -> Result<Self> {
        let channel = uuid::Builder::from_random_bytes(random::bytes::<16>()?).into_uuid();
        Ok(Self {
            client: Client::new(target),
            authorization: Authorization::new("Splunk", token.into()),
            channel: channel.to_string(),
        })
    }

    async fn post(&mut self, path: &str, body: String) -> Result<Value> {
        let mut headers = HeaderMap::new();
        let channel = HeaderValue::try_from(self.channel.as_str())
            .map_err(|e| Error::new(codes::SINK_FAILED).source(e))?;
        headers.insert("x-splunk-request-channel", channel);
        let kind = "application/json";
        let answer = post(&mut self.client, path, kind, &self.authorization, headers, body).await?;
        answer.well()?.json()
    }

    /// Waits until the indexers have it. Whoever calls says how long that may take.
    async fn indexed(&mut self, id: u64) -> Result<()> {
        loop {
            let body = json!({ "acks": [id] }).to_string();
            let answer = self.post("/services/collector/ack", body).await?;
            let acks =
                answer.get("acks").and_then(Value::as_object).ok_or_else(|| nonsense(&answer))?;
            if acks.get(&id.to_string()).and_then(Value::as_bool) == Some(true) {
                return Ok(());
            }
            sleep(ASK_AGAIN).await;
        }
    }
}

fn nonsense(answer: &Value) -> Error {
    let said = quoted(answer.to_string().as_bytes());
    Error::new(codes::SINK_FAILED).detail(format!("answered what no collector says: {said}"))
}

#[async_trait]
impl Receiver for SplunkReceiver {
    fn kind(&self) -> &'static str {
        "splunk"
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<()> {
        let answer = self.post("/services/collector/event", batch.text(Format::Splunk)).await?;
        if answer.get("code").and_then(Value::as_u64) != Some(0) {
            return Err(nonsense(&answer));
        }
        match answer.get("ackId") {
            None => Ok(()),
            Some(id) => self.indexed(id.as_u64().ok_or_else(|| nonsense(&answer))?).await,
        }
    }
}
