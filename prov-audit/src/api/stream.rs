//! The live tail: server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use prov_core::audit::Action;
use prov_core::{Error, Result, codes as core_codes};
use prov_http::axum::{ApiResult, CommonErrors, Context, Facts, Query};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::ApiState;
use crate::log::{News, Tail, Tailed};
use crate::question::Question;

/// At most so many tails at once.
pub(super) const MOST: usize = 128;

/// A tail ends after this and is asked for again: whoever lost the right to read loses the tail.
const LONGEST: Duration = Duration::from_mins(10);

/// How often a silent tail says that it is alive.
const ALIVE: Duration = Duration::from_secs(15);

/// What is followed.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamQuery {
    /// Only what matches, in the query language.
    query: Option<String>,
    /// Only of one node (`prov.example/audit/a`), or one log (`prov.example/audit/a/standard`); one that is
    /// not known is refused.
    origin: Option<String>,
}

struct Streaming {
    tail: Tail,
    until: Instant,
    ending: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

/// Events as they are recorded, of all servers that share a store (`text/event-stream`). Each has an id, the
/// place in every log; a client that comes again with the last one as `Last-Event-ID`, here or at another of
/// the servers, misses nothing. An `event: gap` says which events of a log are not to be had here, an
/// `event: alarm` that something is wrong with a log, or, without its member `alarm`, that nothing is any more:
/// a client that comes again is told how each log is. It ends after ten minutes at most.
#[utoipa::path(get, path = "/api/v1/audit/stream", tag = "audit", params(StreamQuery),
    responses((status = 200, body = String, content_type = "text/event-stream"), CommonErrors))]
pub(super) async fn stream_events(
    State(state): State<ApiState>,
    Context(context): Context,
    Facts(facts): Facts,
    Query(asked): Query<StreamQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let now = prov_core::Clock::now(&*state.clock);
    let question = asked.query.map(|text| Question::parse(&text, now)).transpose()?;
    if question.as_ref().is_some_and(|question| question.counted().is_some()) {
        let what = "a tail can't count; leave `| count` out";
        return Err(Error::new(core_codes::INVALID_REQUEST).field("query", what).into());
    }
    let after = headers.get("last-event-id");
    let after = after.map(|id| id.to_str().unwrap_or_default());
    let ending = state.ending.subscribe();
    let place = Arc::clone(&state.streams).try_acquire_owned().ok().filter(|_| !*ending.borrow());
    let place = place.ok_or_else(|| {
        Error::new(core_codes::UNAVAILABLE)
            .detail("too many follow the log already")
            .retry_after(Duration::from_secs(10))
    })?;
    let tail = state.log.tail(question, asked.origin, after)?;
    let what = [("what", "stream".to_owned())];
    state.record(&context, &facts, Action::AUDIT_QUERY, &what).await?;
    let until = Instant::now() + LONGEST;
    let streaming = Streaming { tail, until, ending, _place: place };
    let mut response = Response::new(Body::from_stream(stream::try_unfold(streaming, next_piece)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What it is, and what it says.
fn shown(news: &News) -> (&'static str, String) {
    match news {
        News::Event(record) => ("audit", serde_json::to_string(record).unwrap_or_default()),
        News::Gap { origin, from, to } => {
            ("gap", json!({ "origin": origin, "from": from, "to": to }).to_string())
        }
        News::Alarm(log) => ("alarm", serde_json::to_string(log).unwrap_or_default()),
    }
}

async fn next_piece(mut streaming: Streaming) -> Result<Option<(Bytes, Streaming)>> {
    let Streaming { tail, until, ending, .. } = &mut streaming;
    let events = tokio::select! {
        events = timeout_at(*until, tail.next()) => events.ok(),
        _ = ending.wait_for(|ending| *ending) => None,
        () = sleep(ALIVE) => Some(Ok(Vec::new())),
    };
    let Some(events) = events else { return Ok(None) };
    let events = events?;
    if events.is_empty() {
        return Ok(Some((Bytes::from_static(b": alive\n\n"), streaming)));
    }
    let mut text = String::new();
    for Tailed { news, next } in events {
        let (kind, data) = shown(&news);
        text.extend(["id: ", &next, "\nevent: ", kind, "\ndata: ", &data, "\n\n"]);
    }
    Ok(Some((text.into(), streaming)))
}
