//! Questions about decisions.

use prov_http::axum::{ApiResult, CommonErrors, Context, Json};

use super::State;
use super::documents::{
    BatchAnswerDocument, BatchDocument, DecisionDocument, ExplanationDocument, PermissionsDocument,
    PermissionsQuestionDocument, QuestionDocument,
};

/// May this principal do this?
///
/// The decision is in the audit log before it is answered. Without `principal` the question is about
/// the caller; about others only who may `admin` `decisions` can ask.
#[utoipa::path(
    post, path = "/api/v1/authz/authorize", tag = "authz",
    request_body = QuestionDocument,
    responses((status = 200, description = "The decision", body = DecisionDocument), CommonErrors)
)]
pub(super) async fn authorize(
    state: State,
    Context(caller): Context,
    Json(asked): Json<QuestionDocument>,
) -> ApiResult<Json<DecisionDocument>> {
    Ok(Json(state.authorize(&caller, &asked.question()?).await?.into()))
}

/// Up to 100 questions at once; one that can't be asked refuses all of them.
#[utoipa::path(
    post, path = "/api/v1/authz/authorize/batch", tag = "authz",
    request_body = BatchDocument,
    responses(
        (status = 200, description = "The decisions, in order", body = BatchAnswerDocument),
        CommonErrors
    )
)]
pub(super) async fn authorize_batch(
    state: State,
    Context(caller): Context,
    Json(asked): Json<BatchDocument>,
) -> ApiResult<Json<BatchAnswerDocument>> {
    let questions = asked
        .requests
        .into_iter()
        .map(QuestionDocument::question)
        .collect::<prov_core::Result<Vec<_>>>()?;
    let decisions = state.authorize_all(&caller, &questions).await?;
    Ok(Json(BatchAnswerDocument { items: decisions.into_iter().map(Into::into).collect() }))
}

/// Why, and what would change it?
#[utoipa::path(
    post, path = "/api/v1/authz/explain", tag = "authz",
    request_body = QuestionDocument,
    responses(
        (status = 200, description = "The decision and its reasons", body = ExplanationDocument),
        CommonErrors
    )
)]
pub(super) async fn explain(
    state: State,
    Context(caller): Context,
    Json(asked): Json<QuestionDocument>,
) -> ApiResult<Json<ExplanationDocument>> {
    Ok(Json(state.explain(&caller, &asked.question()?).await?.into()))
}

/// What may this principal do to each of these resources?
#[utoipa::path(
    post, path = "/api/v1/authz/permissions", tag = "authz",
    request_body = PermissionsQuestionDocument,
    responses(
        (status = 200, description = "The permitted actions", body = PermissionsDocument),
        CommonErrors
    )
)]
pub(super) async fn permissions(
    state: State,
    Context(caller): Context,
    Json(asked): Json<PermissionsQuestionDocument>,
) -> ApiResult<Json<PermissionsDocument>> {
    let principal = asked.principal.map(Into::into);
    let resources = asked
        .resources
        .into_iter()
        .map(super::documents::ResourceDocument::resource)
        .collect::<prov_core::Result<Vec<_>>>()?;
    let context = asked.context.into();
    let permitted = state.permissions(&caller, principal.as_ref(), &resources, &context).await?;
    Ok(Json(PermissionsDocument { items: permitted.into_iter().map(Into::into).collect() }))
}
