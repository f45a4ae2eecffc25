//! The HTTP binding; feature `axum`.

use std::sync::Arc;

use axum::extract::State;
use http::Method;
use prov_core::{Error, codes};
use prov_http::Route;
use prov_http::axum::{ApiError, ApiResult, CommonErrors, Context, Json, Path};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{
    ActionSearch, Answer, Answers, AuthzenService, Evaluation, Evaluations, Metadata,
    ResourceSearch, Results, SubjectSearch,
};

const WELL_KNOWN: &str = "/.well-known/authzen-configuration";
const WELL_KNOWN_TENANT: &str = "/.well-known/authzen-configuration/{tenant}";

/// The routes under `/access/v1` and the metadata, with their OpenAPI descriptions. Mount them behind
/// the layers together with [`routes()`].
pub fn router(service: Arc<AuthzenService>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(evaluation))
        .routes(routes!(evaluations))
        .routes(routes!(search_subject))
        .routes(routes!(search_resource))
        .routes(routes!(search_action))
        .routes(routes!(metadata))
        .routes(routes!(tenant_metadata))
        .with_state(service)
}

/// Who may use each route: everybody about themselves; the service itself asks the engine whether the
/// caller may ask about others. The client's request id is echoed, as the standard demands.
#[must_use]
pub fn routes() -> Vec<Route> {
    let asked =
        |path| Route::self_service(Method::POST, path).echoing_request_id().without_effect();
    let known = |path| Route::public(Method::GET, path).echoing_request_id();
    vec![
        asked("/access/v1/evaluation"),
        asked("/access/v1/evaluations"),
        asked("/access/v1/search/subject"),
        asked("/access/v1/search/resource"),
        asked("/access/v1/search/action"),
        known(WELL_KNOWN),
        known(WELL_KNOWN_TENANT),
    ]
}

/// A body; the standard wants 400 for every kind of malformed one, the wrong media type included.
type Body<T> = Result<Json<T>, ApiError>;

fn body<T>(body: Body<T>) -> ApiResult<T> {
    match body {
        Ok(Json(message)) => Ok(message),
        Err(ApiError(error)) if error.code() == codes::UNSUPPORTED_MEDIA_TYPE => {
            let wanted = error.public_detail().to_owned();
            Err(ApiError(Error::new(codes::INVALID_REQUEST).field("content-type", wanted)))
        }
        Err(error) => Err(error),
    }
}

/// May this subject do this?
///
/// `AuthZEN` 1.0, Access Evaluation. A denial says why in `context`; what can't be decided is denied.
/// About others only who may `admin` `decisions` can ask.
#[utoipa::path(
    post, path = "/access/v1/evaluation", tag = "authzen",
    request_body = Evaluation,
    responses((status = 200, description = "The decision", body = Answer), CommonErrors)
)]
async fn evaluation(
    State(service): State<Arc<AuthzenService>>,
    Context(caller): Context,
    message: Body<Evaluation>,
) -> ApiResult<Json<Answer>> {
    Ok(Json(service.evaluation(&caller, &body(message)?).await?))
}

/// Many questions at once.
///
/// `AuthZEN` 1.0, Access Evaluations, with its three semantics. Without `evaluations` the top is the
/// one question, and the answer that of an evaluation.
#[utoipa::path(
    post, path = "/access/v1/evaluations", tag = "authzen",
    request_body = Evaluations,
    responses((status = 200, description = "The decisions, in order", body = Answers), CommonErrors)
)]
async fn evaluations(
    State(service): State<Arc<AuthzenService>>,
    Context(caller): Context,
    message: Body<Evaluations>,
) -> ApiResult<Json<Answers>> {
    Ok(Json(service.evaluations(&caller, &body(message)?).await?))
}

/// Who may do this?
///
/// `AuthZEN` 1.0, Subject Search: users, page by page. Only who may `admin` `decisions` can ask.
#[utoipa::path(
    post, path = "/access/v1/search/subject", tag = "authzen",
    request_body = SubjectSearch,
    responses((status = 200, description = "Subjects", body = Results), CommonErrors)
)]
async fn search_subject(
    State(service): State<Arc<AuthzenService>>,
    Context(caller): Context,
    message: Body<SubjectSearch>,
) -> ApiResult<Json<Results>> {
    Ok(Json(service.subjects(&caller, &body(message)?).await?))
}

/// To which resources may they do this?
///
/// `AuthZEN` 1.0, Resource Search: known resources of a type, page by page.
#[utoipa::path(
    post, path = "/access/v1/search/resource", tag = "authzen",
    request_body = ResourceSearch,
    responses((status = 200, description = "Resources", body = Results), CommonErrors)
)]
async fn search_resource(
    State(service): State<Arc<AuthzenService>>,
    Context(caller): Context,
    message: Body<ResourceSearch>,
) -> ApiResult<Json<Results>> {
    Ok(Json(service.resources(&caller, &body(message)?).await?))
}

/// What may they do to it?
///
/// `AuthZEN` 1.0, Action Search: all actions in one page.
#[utoipa::path(
    post, path = "/access/v1/search/action", tag = "authzen",
    request_body = ActionSearch,
    responses((status = 200, description = "Actions", body = Results), CommonErrors)
)]
async fn search_action(
    State(service): State<Arc<AuthzenService>>,
    Context(caller): Context,
    message: Body<ActionSearch>,
) -> ApiResult<Json<Results>> {
    Ok(Json(service.actions(&caller, &body(message)?).await?))
}

/// Where the decision point's endpoints are.
///
/// Every address is made from the configured one, never from the request.
#[utoipa::path(
    get, path = "/.well-known/authzen-configuration", tag = "authzen",
    responses((status = 200, description = "The metadata", body = Metadata), CommonErrors)
)]
async fn metadata(State(service): State<Arc<AuthzenService>>) -> ApiResult<Json<Metadata>> {
    let unpublished = || {
        let detail = "this decision point has no public address; configure one to publish metadata";
        ApiError(Error::new(codes::NOT_FOUND).detail(detail))
    };
    service.metadata().map(Json).ok_or_else(unpublished)
}

/// The same, for a decision point whose identifier has a path.
#[utoipa::path(
    get, path = "/.well-known/authzen-configuration/{tenant}", tag = "authzen",
    params(("tenant" = String, Path, description = "The path of the identifier")),
    responses((status = 200, description = "The metadata", body = Metadata), CommonErrors)
)]
async fn tenant_metadata(
    State(service): State<Arc<AuthzenService>>,
    tenant: Result<Path<String>, ApiError>,
) -> ApiResult<Json<Metadata>> {
    // What is no text is no path of an identifier either.
    let tenant = tenant.map(|Path(tenant)| tenant).unwrap_or_default();
    let own = service.options.public_url().map_or("", |url| url.path());
    if own.is_empty() || tenant != own {
        let error = Error::new(codes::NOT_FOUND);
        return Err(ApiError(error.detail("no decision point has an identifier with this path")));
    }
    metadata(State(service)).await
}

#[cfg(test)]
mod tests;
