//! The API: every crate's router and route table, and the OpenAPI document over all of them.

use std::any::Any;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use http::Method;
use http::header::CONTENT_TYPE;
use prov_core::{Error, Result, codes};
use prov_http::axum::{ApiError, CommonErrors};
use prov_http::{Route, RouteTable};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::assembly::Services;
use crate::probes::{self, Probes};

/// Where the OpenAPI document is.
const DOCUMENT: &str = "/api/openapi.json";

/// What the document says beyond the endpoints.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "prov",
        description = "Security for infrastructure automation: authentication, second factors, \
                       authorization, audit, keys, short-lived credentials. Errors are problem \
                       documents (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    modifiers(&Bearer, &CommonErrors),
    security(("bearer" = []))
)]
struct Document;

/// Access tokens as bearer tokens (RFC 6750).
struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Every route of the server, in the order of the components.
#[must_use]
pub fn route_list() -> Vec<Route> {
    let mut routes = probes::routes();
    routes.push(Route::public(Method::GET, DOCUMENT));
    routes.extend(prov_auth::api::routes());
    routes.extend(prov_mfa::api::routes());
    routes.extend(prov_authz::api::routes());
    routes.extend(prov_authz::authzen::routes());
    routes.extend(prov_audit::api::routes());
    routes.extend(prov_kms::api::routes());
    routes.extend(prov_secrets::api::routes());
    routes
}

/// The router over everything, and the table that says who may use what.
pub(crate) fn build(
    services: Services,
    probes: Probes,
    max_body: usize,
) -> Result<(Router, RouteTable)> {
    let table = RouteTable::new(route_list())?;
    let (router, document) = merged(services, probes).split_for_parts();
    let document = published(document, &table)?;
    let answer =
        move || std::future::ready(([(CONTENT_TYPE, "application/json")], document.clone()));
    let router = router
        .route(DOCUMENT, axum::routing::get(answer))
        .layer(DefaultBodyLimit::max(max_body))
        .layer(CatchPanicLayer::custom(panicked));
    Ok((router, table))
}

fn merged(services: Services, probes: Probes) -> OpenApiRouter {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(probes::router(probes))
        .merge(prov_auth::api::router(services.auth))
        .merge(prov_mfa::api::router(services.mfa))
        .merge(prov_authz::api::router(services.decisions))
        .merge(prov_authz::authzen::router(services.authzen))
        .merge(prov_audit::api::router(services.audit))
        .merge(prov_kms::api::router(services.kms))
        .merge(prov_secrets::api::router(services.secrets))
}

/// The document as it is sent. It is written once: the tree it is made of takes megabytes, and what
/// it holds does not change while the server runs.
fn published(mut document: utoipa::openapi::OpenApi, table: &RouteTable) -> Result<Bytes> {
    mark_public(&mut document, table);
    serde_json::to_vec(&document).map(Bytes::from).map_err(|e| {
        Error::new(codes::INTERNAL).context("serializing the OpenAPI document").source(e)
    })
}

/// Public endpoints ask for no token: the table knows which they are, so the document is told by it.
fn mark_public(document: &mut utoipa::openapi::OpenApi, table: &RouteTable) {
    for route in table.iter().filter(|route| route.access == prov_http::Access::Public) {
        let Some(item) = document.paths.paths.get_mut(&*route.path) else { continue };
        let operation = match route.method {
            Method::GET => &mut item.get,
            Method::POST => &mut item.post,
            Method::PUT => &mut item.put,
            Method::PATCH => &mut item.patch,
            Method::DELETE => &mut item.delete,
            _ => continue,
        };
        if let Some(operation) = operation {
            operation.security = Some(Vec::new());
        }
    }
}

/// A handler that panics is our bug: the client gets a problem, the log the message.
#[expect(clippy::needless_pass_by_value, reason = "the form the layer takes")]
fn panicked(cause: Box<dyn Any + Send>) -> http::Response<axum::body::Body> {
    let message = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    ApiError(Error::new(codes::INTERNAL).context(format!("a handler panicked: {message}")))
        .into_response()
}
