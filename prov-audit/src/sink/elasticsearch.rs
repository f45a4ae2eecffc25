//! Elasticsearch and `OpenSearch`, by their `_bulk` endpoint.

use std::path::PathBuf;

use async_trait::async_trait;
use http::HeaderMap;
use prov_core::{Error, Result, codes as core_codes};
use serde_json::{Value, json};

use super::client::Client;
use super::http::{Authorization, post};
use super::wire::{Target, quoted};
use super::{Batch, Receiver};
use crate::codes;
use crate::format::Format;

/// Writes events as documents (ECS) into an index or a data stream. A document's id is the hash of
/// its leaf, so that one that comes again is there once. A batch is confirmed when every document in
/// it is.
#[derive(Debug)]
pub struct ElasticsearchReceiver {
    client: Client,
    authorization: Authorization,
    index: String,
}

impl ElasticsearchReceiver {
    /// A cluster at this URL, and the name of an index or data stream.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for what can't be such a name.
    pub fn new(target: Target, index: impl Into<String>) -> Result<Self> {
        let index = index.into();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        let starts = index.starts_with(|c: char| c.is_ascii_alphanumeric());
        if index.len() > 255 || !starts || !index.bytes().all(plain) {
            let what = format!("`{index}` is no name of an index: `a-z`, `0-9`, `-`, `_` and `.`");
            return Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
        }
        Ok(Self { client: Client::new(target), authorization: Authorization::default(), index })
    }

    /// With the API key that stands in this file, base64 as the cluster gave it out.
    #[must_use]
    pub fn api_key(mut self, file: impl Into<PathBuf>) -> Self {
        self.authorization = Authorization::new("ApiKey", file.into());
        self
    }

    fn body(&self, batch: &Batch) -> String {
        let mut body = String::new();
        for (leaf, document) in batch.leaves.iter().zip(batch.records(Format::Ecs)) {
            let head = json!({
                "create": { "_index": self.index, "_id": hex::encode(leaf.hash) }
            });
            body.push_str(&head.to_string());
            body.extend(["\n", &document, "\n"]);
        }
        body
    }
}

#[async_trait]
impl Receiver for ElasticsearchReceiver {
    fn kind(&self) -> &'static str {
        "elasticsearch"
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<()> {
        let path = format!("{}/_bulk", self.client.target().path().trim_end_matches('/'));
        let (headers, body) = (HeaderMap::new(), self.body(batch));
        let kind = "application/x-ndjson";
        let answer =
            post(&mut self.client, &path, kind, &self.authorization, headers, body).await?;
        judge(&answer.well()?.json()?, batch.leaves.len())
    }
}

/// Every document must be there: made now (201), or there already (409).
fn judge(answer: &Value, expected: usize) -> Result<()> {
    let failed = |what: String| Err(Error::new(codes::SINK_FAILED).detail(what));
    let Some(items) = answer.get("items").and_then(Value::as_array) else {
        let said = quoted(answer.to_string().as_bytes());
        return failed(format!("answered what no cluster says: {said}"));
    };
    if items.len() != expected {
        return failed(format!("was sent {expected} documents and speaks of {}", items.len()));
    }
    for item in items {
        let result = item.get("create");
        let status = result.and_then(|result| result.get("status")).and_then(Value::as_u64);
        if !matches!(status, Some(200 | 201 | 409)) {
            let said = quoted(item.to_string().as_bytes());
            return failed(format!("did not take a document: {said}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_has_every_document_confirms() {
        let item = |status: u16| json!({ "create": { "_id": "x", "status": status } });
        let answer = |items: Vec<Value>| json!({ "errors": true, "items": items });
        assert!(judge(&answer(vec![item(201), item(409)]), 2).is_ok());
        for (wrong, count) in [
            (answer(vec![item(201), item(429)]), 2),
            (answer(vec![item(400)]), 1),
            (answer(vec![item(201)]), 2),
            (answer(vec![json!({ "index": { "status": 201 } })]), 1),
            (json!({ "took": 1 }), 1),
            (json!("ok"), 1),
        ] {
            assert!(judge(&wrong, count).is_err(), "{wrong}");
        }
    }
}
