//! The life of the policies: kept sets, going back, uploads, drafts on recorded decisions.

mod documents;

use std::num::NonZeroU32;

use http::StatusCode;
use prov_core::{Error, Result, Timestamp, codes, duration_text};
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Listed, PageQuery, Path, Query};

use self::documents::{
    DiffDocument, DiffQuery, KeptDocument, KeptTextDocument, RollbackDocument, ShadowDocument,
    ShadowStart, SimulationDocument, SimulationQuestion, UploadDocument,
};
use super::State;
pub(crate) use super::documents::PolicyDocument;
use crate::{Draft, Window};

/// Unless asked otherwise.
const REPLAYED: NonZeroU32 = NonZeroU32::new(1_000).unwrap();

/// The policy sets that were in force, newest first.
#[utoipa::path(
    get, path = "/api/v1/authz/policies/history", tag = "authz",
    params(PageQuery),
    responses((status = 200, description = "Kept sets", body = Listed<KeptDocument>), CommonErrors)
)]
pub(super) async fn history(
    state: State,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Listed<KeptDocument>>> {
    let found = state.history(page.after()?, page.limit()?).await?;
    let items = found.items.into_iter().map(Into::into).collect();
    Ok(Json(Listed::new(items, found.next.as_deref())))
}

/// A policy set that was in force, with its text.
#[utoipa::path(
    get, path = "/api/v1/authz/policies/history/{number}", tag = "authz",
    params(("number" = u64, Path, description = "Its number")),
    responses((status = 200, description = "The set", body = KeptTextDocument), CommonErrors)
)]
pub(super) async fn kept(
    state: State,
    Path(number): Path<u64>,
) -> ApiResult<Json<KeptTextDocument>> {
    let (set, files) = state.kept(number).await?;
    Ok(Json(KeptTextDocument::of(set, files)))
}

/// What differs between two sets that were in force, by policy.
#[utoipa::path(
    get, path = "/api/v1/authz/policies/history/diff", tag = "authz",
    params(DiffQuery),
    responses((status = 200, description = "The difference", body = DiffDocument), CommonErrors)
)]
pub(super) async fn diff(
    state: State,
    Query(asked): Query<DiffQuery>,
) -> ApiResult<Json<DiffDocument>> {
    Ok(Json(state.diff(asked.from, asked.to).await?.into()))
}

/// Goes back to a set that was in force: schema, policies and corporate networks of its time. It
/// holds until the policy directory changes or a reload is asked for.
#[utoipa::path(
    post, path = "/api/v1/authz/policies/rollback", tag = "authz",
    request_body = RollbackDocument,
    responses((status = 200, description = "In force", body = KeptDocument), CommonErrors)
)]
pub(super) async fn rollback(
    state: State,
    Context(caller): Context,
    Json(asked): Json<RollbackDocument>,
) -> ApiResult<Json<KeptDocument>> {
    let set = state.rollback(&caller, asked.number, asked.reason.as_deref()).await?;
    Ok(Json(set.into()))
}

/// Puts uploaded policies in force on every node, where the store is their source. A set that is not
/// valid, or not signed as the trust root asks, is refused with file and line.
#[utoipa::path(
    put, path = "/api/v1/authz/policies", tag = "authz",
    request_body = UploadDocument,
    responses((status = 200, description = "In force", body = KeptDocument), CommonErrors)
)]
pub(super) async fn upload(
    state: State,
    Context(caller): Context,
    Json(asked): Json<UploadDocument>,
) -> ApiResult<Json<KeptDocument>> {
    let files = asked.set.files(|| state.engine().schema_text());
    Ok(Json(state.upload(&caller, files, asked.reason.as_deref()).await?.into()))
}

/// Makes recorded decisions again by a draft, or by the set in force, and says what would change.
/// Changes nothing.
#[utoipa::path(
    post, path = "/api/v1/authz/policies/simulate", tag = "authz",
    request_body = SimulationQuestion,
    responses((status = 200, description = "What would change", body = SimulationDocument), CommonErrors)
)]
pub(super) async fn simulate(
    state: State,
    Context(caller): Context,
    Json(asked): Json<SimulationQuestion>,
) -> ApiResult<Json<SimulationDocument>> {
    let now = caller.request().received_at;
    let to = asked.to.as_deref().map_or(Ok(now), |text| moment("to", text, now))?;
    let window = Window { from: moment("from", &asked.from, now)?, to };
    let mut draft = Draft::of_live(window, asked.limit.unwrap_or(REPLAYED));
    if let Some(set) = asked.set {
        draft = draft.trying(set.files(|| state.engine().schema_text()));
    }
    Ok(Json(state.simulate(&caller, &draft).await?.into()))
}

/// A time, or how long ago.
fn moment(field: &str, text: &str, now: Timestamp) -> Result<Timestamp> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let ago = duration_text::parse(text).ok().and_then(|ago| now.checked_sub(ago).ok());
    ago.ok_or_else(|| {
        Error::new(codes::INVALID_REQUEST)
            .field(field, "a time such as `2026-03-02T09:00:00Z`, or how long ago: `24h`")
    })
}

/// What became of the trial of a policy set on this node.
#[utoipa::path(
    get, path = "/api/v1/authz/policies/shadow", tag = "authz",
    responses((status = 200, description = "The trial", body = ShadowDocument), CommonErrors)
)]
pub(super) async fn shadow(state: State) -> ApiResult<Json<ShadowDocument>> {
    Ok(Json(state.shadow_report()?.into()))
}

/// Tries a policy set beside the one in force, on this node: some of its decisions are made again by
/// the set, and what differs is counted. It decides nothing.
#[utoipa::path(
    put, path = "/api/v1/authz/policies/shadow", tag = "authz",
    request_body = ShadowStart,
    responses((status = 200, description = "Begun", body = ShadowDocument), CommonErrors)
)]
pub(super) async fn start_shadow(
    state: State,
    Context(caller): Context,
    Json(asked): Json<ShadowStart>,
) -> ApiResult<Json<ShadowDocument>> {
    let files = asked.set.files(|| state.engine().schema_text());
    Ok(Json(state.start_shadow(&caller, &files, asked.one_in).await?.into()))
}

/// Ends the trial of a policy set.
#[utoipa::path(
    delete, path = "/api/v1/authz/policies/shadow", tag = "authz",
    responses((status = 204, description = "Ended"), CommonErrors)
)]
pub(super) async fn stop_shadow(state: State, Context(caller): Context) -> ApiResult<StatusCode> {
    state.stop_shadow(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
