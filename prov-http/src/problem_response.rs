//! Refusing: a problem document for the client, the reason for the layers outside.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use prov_core::{Error, Problem, RequestFacts};

/// Why a request was refused or failed; stands in the extensions of every problem response.
#[derive(Debug, Clone)]
pub struct Refusal(pub(crate) Arc<Error>);

impl Refusal {
    /// The reason.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.0
    }
}

/// In a response's extensions: its body says what is wrong in a form of its own, as a health check's
/// does, and the edge leaves it alone.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "a mark without content")]
pub struct KeepBody;

/// The facts of a request, which the [`EdgeLayer`](crate::EdgeLayer) put there.
#[must_use]
pub fn facts(extensions: &http::Extensions) -> Option<&Arc<RequestFacts>> {
    extensions.get()
}

/// The problem response for `error` (RFC 9457), with `Retry-After` where the error has one.
///
/// The body's type is whatever the service behind the layer answers with, as long as it can be made
/// of bytes.
#[must_use]
pub fn refuse<B: From<Bytes>>(error: Error, facts: Option<&RequestFacts>) -> Response<B> {
    respond(Arc::new(error), facts)
}

pub(crate) fn respond<B: From<Bytes>>(
    error: Arc<Error>,
    facts: Option<&RequestFacts>,
) -> Response<B> {
    let mut response = Response::new(problem_body(&error, facts).into());
    *response.status_mut() =
        StatusCode::from_u16(error.kind().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(after) = error.retry_after_hint() {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    response.extensions_mut().insert(Refusal(error));
    response
}

/// The document as bytes.
pub(crate) fn problem_body(error: &Error, facts: Option<&RequestFacts>) -> Bytes {
    let mut problem = Problem::of(error);
    if let Some(facts) = facts {
        problem = problem.about(&facts.path, &facts.id);
    }
    // A struct of strings and numbers always serializes.
    serde_json::to_vec(&problem).unwrap_or_default().into()
}
