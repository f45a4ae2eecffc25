use std::error::Error as StdError;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use prov_core::{Error, RequestFacts, Result, SecurityContext, codes as core_codes};
use tower_service::Service;

use super::ledger::{Call, Claim, Ledger, Verdict};
use super::record::Answer;
use super::{IdempotencyFuture, header};
use crate::{MatchedRoute, Repeat, facts, refuse};

/// The service of [`IdempotencyLayer`](super::IdempotencyLayer).
#[derive(Debug, Clone)]
pub struct Idempotent<S> {
    pub(super) inner: S,
    pub(super) ledger: Arc<Ledger>,
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl<S, ReqB, ResB> Service<Request<ReqB>> for Idempotent<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: 'static,
    ReqB: Body<Data = Bytes, Error: Into<BoxError> + Send> + From<Bytes> + Send + 'static,
    ResB: Body<Data = Bytes, Error: Into<BoxError> + Send> + From<Bytes> + Send + 'static,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = IdempotencyFuture<S::Future, ResB, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        match keyed(&request) {
            Ok(None) => IdempotencyFuture::passed(self.inner.call(request)),
            Ok(Some((call, repeat))) => {
                // The one that is ready answers; the fresh one takes its place.
                let fresh = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, fresh);
                let ledger = Arc::clone(&self.ledger);
                IdempotencyFuture::keyed(Box::pin(once(ledger, ready, request, call, repeat)))
            }
            Err(error) => {
                let facts = facts(request.extensions());
                IdempotencyFuture::refused(refuse(error, facts.map(AsRef::as_ref)))
            }
        }
    }
}

/// Whether this request is to be done once, and under which name.
fn keyed<B>(request: &Request<B>) -> Result<Option<(Call, Repeat)>> {
    let mutates = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let route = request.extensions().get::<MatchedRoute>();
    let repeat = route.map_or(Repeat::Answered, |matched| matched.0.repeat);
    if repeat == Repeat::Executed || !mutates.contains(request.method()) {
        return Ok(None);
    }
    let Some(context) = request.extensions().get::<SecurityContext>() else { return Ok(None) };
    let Some(key) = header::key(request.headers())? else { return Ok(None) };
    let caller = format!("{:?}:{}", context.principal().kind, context.principal().id);
    let call = Call::new(&caller, (request.method().as_str(), request.uri().path()), key);
    Ok(Some((call, repeat)))
}

async fn once<S, ReqB, ResB>(
    ledger: Arc<Ledger>,
    mut inner: S,
    request: Request<ReqB>,
    call: Call,
    repeat: Repeat,
) -> Result<Response<ResB>, S::Error>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ReqB: Body<Data = Bytes, Error: Into<BoxError> + Send> + From<Bytes>,
    ResB: Body<Data = Bytes, Error: Into<BoxError> + Send> + From<Bytes>,
{
    let facts = facts(request.extensions()).cloned();
    let refused = |error| Ok(refuse(error, facts.as_deref()));
    let (parts, body) = request.into_parts();
    let body = match whole(body, ledger.options.max_body).await {
        Ok(body) => body,
        Err(error) => return refused(error),
    };
    let fingerprint = call.fingerprint(&parts, &body);
    let claim = match ledger.claim(&call, fingerprint).await {
        Ok(Verdict::Do(claim)) => claim,
        Ok(Verdict::Done(answer)) => return answer.again().or_else(refused),
        Err(error) => return refused(error),
    };
    // An error of the service, as a 5xx, leaves the claim without an answer: what was done is not
    // known, and is not tried again.
    let response = inner.call(Request::from_parts(parts, body.into())).await?;
    Ok(settled(&ledger, *claim, response, repeat, facts.as_deref()).await)
}

/// Remembers how the request ended, and passes the answer on.
async fn settled<B>(
    ledger: &Ledger,
    claim: Claim,
    response: Response<B>,
    repeat: Repeat,
    facts: Option<&RequestFacts>,
) -> Response<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError> + Send> + From<Bytes>,
{
    let status = response.status();
    if status.is_server_error() {
        return response;
    }
    if status.is_client_error() {
        ledger.release(claim).await;
        return response;
    }
    if repeat == Repeat::Withheld {
        ledger.settle(claim, Answer::Secret).await;
        return response;
    }
    let small = |length| length <= ledger.options.max_answer as u64;
    if !response.body().size_hint().upper().is_some_and(small) {
        ledger.settle(claim, Answer::TooLarge).await;
        return response;
    }
    let (parts, body) = response.into_parts();
    match body.collect().await {
        Ok(body) => {
            let (body, head) = (body.to_bytes(), Response::from_parts(parts, ()));
            ledger.settle(claim, Answer::kept(&head, &body)).await;
            head.map(|()| body.into())
        }
        Err(error) => {
            let error = Error::new(core_codes::INTERNAL).context("reading an answer").source(error);
            tracing::error!(?error, "request failed");
            refuse(error, facts)
        }
    }
}

async fn whole<B>(body: B, limit: usize) -> Result<Bytes>
where
    B: Body<Data = Bytes, Error: Into<BoxError> + Send>,
{
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(core_codes::TOO_LARGE.into()),
        Err(_) => {
            Err(Error::new(core_codes::INVALID_REQUEST).field("body", "the body could not be read"))
        }
    }
}
