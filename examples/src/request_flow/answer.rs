//! An answer, read to its end.

use axum::body::Body;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use prov_core::SecurityContext;
use prov_core::audit::DecisionRecord;
use serde_json::Value;

use crate::Failure;

/// What came back, with what the layers left beside it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The id under which the request stands in the log.
    pub request_id: String,
    /// Who asked, as the authentication layer found out.
    pub context: Option<SecurityContext>,
    /// What the policies decided.
    pub decision: Option<DecisionRecord>,
    /// The document.
    pub document: Value,
}

impl Answer {
    pub(super) async fn read(response: Response<Body>) -> Result<Self, Failure> {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let id = parts.headers.get("x-request-id").ok_or("an answer without a request id")?;
        let document = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
        Ok(Self {
            status: parts.status,
            request_id: id.to_str()?.to_owned(),
            context: parts.extensions.get().cloned(),
            decision: parts.extensions.get().cloned(),
            document,
        })
    }

    /// A text of the document.
    ///
    /// # Errors
    /// When it has none of this name.
    pub fn text(&self, name: &str) -> Result<&str, Failure> {
        let text = self.document.get(name).and_then(Value::as_str);
        text.ok_or_else(|| format!("no `{name}` in {}", self.document).into())
    }
}
