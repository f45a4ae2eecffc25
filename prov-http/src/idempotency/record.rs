//! What is remembered of a keyed request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use http::{Response, StatusCode};
use prov_core::store::Entity;
use prov_core::{Error, Result, Timestamp, codes as core_codes};
use serde::{Deserialize, Serialize};

use crate::Replayed;

/// The headers that belong to an answer; the others belong to the exchange and are made anew.
const KEPT: [HeaderName; 4] = [CONTENT_TYPE, LOCATION, ETAG, CACHE_CONTROL];
/// Tells the client that nothing was done for this answer.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// One keyed request. Its answer may hold what only the caller should know, so it is for a store that
/// seals what it keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeyedRequest {
    /// A hash of caller, method, path and key.
    pub(super) id: String,
    /// A hash of key, query, media type and body.
    pub(super) fingerprint: String,
    /// Which server began it.
    pub(super) node: String,
    /// In which of its runs.
    pub(super) run: String,
    pub(super) began_at: Timestamp,
    pub(super) ends_at: Timestamp,
    /// Absent until the request has ended well.
    pub(super) answer: Option<Answer>,
}

impl Entity for KeyedRequest {
    const KIND: &'static str = "http.keyed_request";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.ends_at)
    }
}

/// How the request ended.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Kept {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// Done, and the answer was a secret.
    Secret,
    /// Done, and the answer was too large to keep.
    TooLarge,
}

/// Without the body, which may be for the caller only.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kept { .. } => "Kept",
            Self::Secret => "Secret",
            Self::TooLarge => "TooLarge",
        })
    }
}

impl Answer {
    pub(super) fn kept<B>(response: &Response<B>, body: &[u8]) -> Self {
        let text = |name: &HeaderName| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        };
        Self::Kept {
            status: response.status().as_u16(),
            headers: KEPT.iter().filter_map(text).collect(),
            body: STANDARD_NO_PAD.encode(body),
        }
    }

    /// The answer once more.
    ///
    /// # Errors
    /// Why there is none: it was not kept, or the record is damaged.
    pub(super) fn again<B: From<Bytes>>(&self) -> Result<Response<B>> {
        let (status, headers, body) = match self {
            Self::Kept { status, headers, body } => (status, headers, body),
            Self::Secret => return Err(withheld("held a secret, which is shown once")),
            Self::TooLarge => return Err(withheld("was too large to be kept")),
        };
        let damaged = || Error::new(core_codes::STORE_CORRUPT).context("reading a kept answer");
        let body = STANDARD_NO_PAD.decode(body).map_err(|e| damaged().source(e))?;
        let mut response = Response::new(Bytes::from(body).into());
        *response.status_mut() = StatusCode::from_u16(*status).map_err(|e| damaged().source(e))?;
        for (name, value) in headers {
            let name: HeaderName = name.parse().map_err(|e| damaged().source(Box::new(e)))?;
            let value = HeaderValue::from_str(value).map_err(|e| damaged().source(e))?;
            response.headers_mut().insert(name, value);
        }
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        response.extensions_mut().insert(Replayed);
        Ok(response)
    }
}

fn withheld(why: &str) -> Error {
    Error::new(crate::codes::IDEMPOTENT_ANSWER_WITHHELD).detail(format!(
        "the request with this `Idempotency-Key` was done, and was not done again; its answer {why}"
    ))
}
