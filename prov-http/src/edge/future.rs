use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use pin_project_lite::pin_project;
use prov_core::{Code, Error, Problem, RequestFacts, codes};

use crate::problem_response::problem_body;
use crate::{KeepBody, Refusal};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pin_project! {
    /// The answer of an [`Edge`](super::Edge).
    #[derive(Debug)]
    pub struct EdgeFuture<F, B> {
        #[pin]
        state: State<F, B>,
        facts: Option<Arc<RequestFacts>>,
        // What stands in the answer in place of the server's own id.
        echo: Option<HeaderValue>,
    }
}

pin_project! {
    #[project = Project]
    #[derive(Debug)]
    enum State<F, B> {
        Passed { #[pin] future: F },
        Refused { response: Option<Response<B>> },
    }
}

impl<F, B> EdgeFuture<F, B> {
    pub(super) fn passed(future: F, facts: Arc<RequestFacts>) -> Self {
        Self { state: State::Passed { future }, facts: Some(facts), echo: None }
    }

    pub(super) fn refused(response: Response<B>, facts: Option<Arc<RequestFacts>>) -> Self {
        Self { state: State::Refused { response: Some(response) }, facts, echo: None }
    }

    pub(super) fn echoing(self, echo: Option<HeaderValue>) -> Self {
        Self { echo, ..self }
    }
}

impl<F, B, E> Future for EdgeFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: From<Bytes>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.state.project() {
            Project::Passed { future } => ready!(future.poll(cx))?,
            // A future that was answered already is never polled again by a correct caller.
            Project::Refused { response } => match response.take() {
                Some(response) => response,
                None => return Poll::Pending,
            },
        };
        if let Some(facts) = this.facts {
            finish(&mut response, facts);
            if let Some(id) = this.echo.take() {
                response.headers_mut().insert(REQUEST_ID, id);
            }
        }
        Poll::Ready(Ok(response))
    }
}

/// Adds the request id, and makes a problem of every error that is none.
fn finish<B: From<Bytes>>(response: &mut Response<B>, facts: &RequestFacts) {
    if let Ok(id) = HeaderValue::from_str(facts.id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return;
    }
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/problem+json"));
    let body = if let Some(refusal) = response.extensions().get::<Refusal>() {
        problem_body(refusal.error(), Some(facts))
    } else if is_problem || response.extensions().get::<KeepBody>().is_some() {
        return;
    } else {
        foreign_problem(status, facts)
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.remove(CONTENT_LENGTH);
    *response.body_mut() = body.into();
}

/// A problem for an error that something behind the layers answered in its own way.
fn foreign_problem(status: StatusCode, facts: &RequestFacts) -> Bytes {
    let code: Code = match status.as_u16() {
        401 => codes::UNAUTHENTICATED,
        403 => codes::DENIED,
        404 => codes::NOT_FOUND,
        405 => codes::METHOD_NOT_ALLOWED,
        409 => codes::CONFLICT,
        413 => codes::TOO_LARGE,
        415 => codes::UNSUPPORTED_MEDIA_TYPE,
        429 => codes::RATE_LIMITED,
        400..=499 => codes::INVALID_REQUEST,
        503 => codes::UNAVAILABLE,
        _ => codes::INTERNAL,
    };
    let mut problem = Problem::of(&Error::new(code)).about(&facts.path, &facts.id);
    problem.status = status.as_u16();
    serde_json::to_vec(&problem).unwrap_or_default().into()
}
