//! The policies themselves.

use prov_core::{Error, codes};
use prov_http::axum::{
    ApiError, ApiResult, CommonErrors, Context, Json, Listed, PageQuery, Path, Query,
};

use super::State;
use super::documents::{
    DraftDocument, DraftReportDocument, FailureDocument, PolicyDocument, ReloadDocument,
    SchemaDocument, StatsDocument,
};
use crate::{PolicyEngine, Severity};

/// The policies in force, by id.
#[utoipa::path(
    get, path = "/api/v1/authz/policies", tag = "authz",
    params(PageQuery),
    responses((status = 200, description = "Policies", body = Listed<PolicyDocument>), CommonErrors)
)]
pub(super) async fn list(
    state: State,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Listed<PolicyDocument>>> {
    let limit = page.limit()?.get() as usize;
    let after = page.after()?;
    let mut rest = state
        .engine()
        .policies()
        .into_iter()
        .filter(|policy| after.as_ref().is_none_or(|after| policy.id > *after));
    let items: Vec<_> = rest.by_ref().take(limit).collect();
    let has_more = rest.next().is_some();
    let next = items.last().map(|policy| policy.id.clone()).filter(|_| has_more);
    Ok(Json(Listed::new(items.into_iter().map(Into::into).collect(), next.as_deref())))
}

/// One policy in force.
#[utoipa::path(
    get, path = "/api/v1/authz/policies/{id}", tag = "authz",
    params(("id" = String, Path, description = "The policy's `@id`")),
    responses((status = 200, description = "The policy", body = PolicyDocument), CommonErrors)
)]
pub(super) async fn show(state: State, Path(id): Path<String>) -> ApiResult<Json<PolicyDocument>> {
    match state.engine().policy(&id) {
        Some(policy) => Ok(Json(policy.into())),
        None => Err(ApiError(
            Error::new(codes::NOT_FOUND).detail("there is no policy of this id in force"),
        )),
    }
}

/// What is wrong with a draft? It is held against the schema in force and changes nothing.
#[utoipa::path(
    post, path = "/api/v1/authz/policies/validate", tag = "authz",
    request_body = DraftDocument,
    responses((status = 200, description = "The findings", body = DraftReportDocument), CommonErrors)
)]
pub(super) async fn validate(
    state: State,
    Json(draft): Json<DraftDocument>,
) -> Json<DraftReportDocument> {
    let findings = state.engine().validate_draft(&draft.policies);
    let valid = findings.iter().all(|finding| finding.severity != Severity::Error);
    let findings = findings.into_iter().map(Into::into).collect();
    Json(DraftReportDocument { valid, findings })
}

/// Reads the policy directory again. A set that is not valid is refused with file and line, and the
/// one in force stays.
#[utoipa::path(
    post, path = "/api/v1/authz/policies/reload", tag = "authz",
    responses((status = 200, description = "In force", body = ReloadDocument), CommonErrors)
)]
pub(super) async fn reload(
    state: State,
    Context(caller): Context,
) -> ApiResult<Json<ReloadDocument>> {
    let revision = state.reload(&caller).await?.to_string();
    Ok(Json(ReloadDocument { revision, policies: state.engine().status().policies }))
}

/// The schema in force.
#[utoipa::path(
    get, path = "/api/v1/authz/schema", tag = "authz",
    responses((status = 200, description = "The schema", body = SchemaDocument), CommonErrors)
)]
pub(super) async fn schema(state: State) -> Json<SchemaDocument> {
    let engine = state.engine();
    Json(SchemaDocument { schema: engine.schema_text(), revision: engine.revision().to_string() })
}

/// How the engine is: what is in force, what was refused last, how it decided.
#[utoipa::path(
    get, path = "/api/v1/authz/stats", tag = "authz",
    responses((status = 200, description = "The state", body = StatsDocument), CommonErrors)
)]
pub(super) async fn stats(state: State) -> Json<StatsDocument> {
    let status = state.engine().status();
    let counted = state.engine().stats();
    let last_failure = status.last_failure.map(|failure| FailureDocument {
        at: failure.at.to_string(),
        findings: failure.findings.iter().map(ToString::to_string).collect(),
    });
    Json(StatsDocument {
        revision: status.revision.to_string(),
        policies: status.policies,
        source: status.source,
        loaded_at: status.loaded_at.to_string(),
        commit: status.commit,
        bundle_version: status.bundle_version,
        number: status.number,
        pinned: status.is_pinned,
        last_failure,
        allowed: counted.allowed,
        denied: counted.denied,
        errors: counted.errors,
        reloads: counted.reloads,
        reload_failures: counted.reload_failures,
    })
}
