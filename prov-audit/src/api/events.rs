//! Finding and reading events.

use axum::extract::State;
use prov_core::audit::Action;
use prov_http::axum::{ApiResult, CommonErrors, Context, Facts, Json, Path, Query};
use serde::Serialize;
use uuid::Uuid;

use super::ApiState;
use super::documents::{EventQuery, StatsDocument, StatsQuery};
use crate::joining::JoinedLog;
use crate::query::{Counts, Page, ValueCount};
use crate::question::Question;
use crate::record::AuditRecord;

/// A part of the events that meet the conditions, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditEventList)]
pub(super) struct EventList {
    /// The events.
    items: Vec<AuditRecord>,
    /// Where to continue; absent at the end. A page may be short, or empty, and still go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// What was counted, when the question counts: then there are no events.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<CountsDocument>,
    /// Joined logs with which something is wrong: events of theirs may be missing here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alarms: Vec<JoinedLog>,
}

/// How many events, for each value.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditCounts)]
struct CountsDocument {
    /// For each value, the most frequent first; empty when only the total was asked for.
    values: Vec<ValueCountDocument>,
    /// All together.
    total: u64,
    /// Whether everything was counted; if not, only the newest events were.
    complete: bool,
}

/// How many events have a value.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditValueCount)]
struct ValueCountDocument {
    /// The value; empty for events that have none.
    value: String,
    /// How many.
    count: u64,
}

impl EventList {
    /// With what is wrong with the logs that it is from.
    fn of(mut self, state: &ApiState) -> Json<Self> {
        self.alarms = state.alarms();
        Json(self)
    }
}

impl From<Page> for EventList {
    fn from(page: Page) -> Self {
        let (items, next_cursor) = (page.items, page.next_cursor);
        Self { items, next_cursor, counts: None, alarms: Vec::new() }
    }
}

impl From<Counts> for EventList {
    fn from(counts: Counts) -> Self {
        let of = |one: ValueCount| ValueCountDocument { value: one.value, count: one.count };
        let values = counts.counts.into_iter().map(of).collect();
        let counts = CountsDocument { values, total: counts.total, complete: counts.complete };
        Self { items: Vec::new(), next_cursor: None, counts: Some(counts), alarms: Vec::new() }
    }
}

async fn answer(
    state: &ApiState,
    Context(context): &Context,
    Facts(facts): &Facts,
    asked: EventQuery,
) -> ApiResult<Json<EventList>> {
    let query = asked.into_query(prov_core::Clock::now(&*state.clock))?;
    if let Some(by) = query.question.as_ref().and_then(Question::counted) {
        let counts = state.log.count(&query, by).await?;
        let found = counts.total.to_string();
        state.record(context, facts, Action::AUDIT_QUERY, &[("counted", found)]).await?;
        return Ok(EventList::from(counts).of(state));
    }
    // The answer comes first: what is recorded here shows in the next one.
    let page = state.log.query(&query).await?;
    let found = page.items.len().to_string();
    state.record(context, facts, Action::AUDIT_QUERY, &[("found", found)]).await?;
    Ok(EventList::from(page).of(state))
}

/// Events that meet every condition, newest first. Everything recorded before is found.
#[utoipa::path(get, path = "/api/v1/audit/events", tag = "audit", params(EventQuery),
    responses((status = 200, body = EventList), CommonErrors))]
pub(super) async fn list_events(
    State(state): State<ApiState>,
    context: Context,
    facts: Facts,
    Query(asked): Query<EventQuery>,
) -> ApiResult<Json<EventList>> {
    answer(&state, &context, &facts, asked).await
}

/// The same as a body, for conditions that should not stand in a URL.
#[utoipa::path(post, path = "/api/v1/audit/query", tag = "audit", request_body = EventQuery,
    responses((status = 200, body = EventList), CommonErrors))]
pub(super) async fn query_events(
    State(state): State<ApiState>,
    context: Context,
    facts: Facts,
    Json(asked): Json<EventQuery>,
) -> ApiResult<Json<EventList>> {
    answer(&state, &context, &facts, asked).await
}

/// One event.
#[utoipa::path(get, path = "/api/v1/audit/events/{id}", tag = "audit",
    params(("id" = String, Path, description = "the event's id, a UUID")),
    responses((status = 200, body = AuditRecord), CommonErrors))]
pub(super) async fn read_event(
    State(state): State<ApiState>,
    Context(context): Context,
    Facts(facts): Facts,
    Path(id): Path<Uuid>,
) -> ApiResult<Json<AuditRecord>> {
    let event = state.log.event(id).await?;
    state.record(&context, &facts, Action::AUDIT_QUERY, &[("event", id.to_string())]).await?;
    Ok(Json(event))
}

/// How many events the servers that share a store recorded, by class, log, action and outcome.
#[utoipa::path(get, path = "/api/v1/audit/stats", tag = "audit", params(StatsQuery),
    responses((status = 200, body = StatsDocument), CommonErrors))]
pub(super) async fn read_stats(
    State(state): State<ApiState>,
    Context(context): Context,
    Facts(facts): Facts,
    Query(asked): Query<StatsQuery>,
) -> ApiResult<Json<StatsDocument>> {
    let counts = state.log.stats(asked.origin.as_deref()).await?;
    let what = [("what", "stats".to_owned())];
    state.record(&context, &facts, Action::AUDIT_QUERY, &what).await?;
    let mut answer = StatsDocument::from(counts);
    answer.alarms = state.alarms();
    Ok(Json(answer))
}
