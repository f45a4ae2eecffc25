//! The API: every crate's router and route table, and the OpenAPI document over all of them.

mod page;
mod passkeys;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use http::Method;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use prov_core::{Error, Result, codes};
use prov_http::axum::{ApiError, CommonErrors};
use prov_http::{Access, Repeat, Route, RouteTable};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Ref, Required};
use utoipa_axum::router::OpenApiRouter;

use crate::assembly::Services;
use crate::probes::{self, Probes};

/// Where the OpenAPI document is.
const DOCUMENT: &str = "/api/openapi.json";
/// Where it can be read as a page, and what the page looks like.
const PAGE: &str = "/api/docs";
const STYLE: &str = "/api/docs.css";

/// Where people add passkeys, and what the page does.
const PASSKEYS: &str = "/passkeys";
const PASSKEYS_SCRIPT: &str = "/passkeys.js";

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
    let pages = [DOCUMENT, PAGE, STYLE, PASSKEYS, PASSKEYS_SCRIPT];
    routes.extend(pages.map(|path| Route::public(Method::GET, path)));
    routes.extend(prov_auth::api::routes());
    routes.extend(prov_mfa::api::routes());
    routes.extend(prov_authz::api::routes());
    routes.extend(prov_authz::authzen::routes());
    routes.extend(prov_authz::api::grant_routes());
    routes.extend(prov_authz::api::table_routes());
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
    let published = Published::of(document, &table)?;
    let router = router
        .merge(published.router())
        .layer(DefaultBodyLimit::max(max_body))
        .layer(CatchPanicLayer::custom(panicked));
    Ok((router, table))
}

fn merged(services: Services, probes: Probes) -> OpenApiRouter {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(probes::router(probes))
        .merge(prov_auth::api::router(Arc::clone(&services.auth)))
        .merge(prov_mfa::api::router(services.mfa, services.auth))
        .merge(prov_authz::api::router(services.decisions))
        .merge(prov_authz::authzen::router(services.authzen))
        .merge(prov_authz::api::grant_router(services.grants))
        .merge(prov_authz::api::table_router(&route_list()))
        .merge(prov_audit::api::router(services.audit))
        .merge(prov_kms::api::router(services.kms))
        .merge(prov_secrets::api::router(services.secrets))
}

/// The document and its page as they are sent. They are written once: the tree they are made of takes
/// megabytes, and what it holds does not change while the server runs.
struct Published {
    document: Bytes,
    page: Bytes,
}

impl Published {
    fn of(mut document: utoipa::openapi::OpenApi, table: &RouteTable) -> Result<Self> {
        complete(&mut document, table);
        let failed = |e: serde_json::Error| {
            Error::new(codes::INTERNAL).context("serializing the OpenAPI document").source(e)
        };
        let bytes = serde_json::to_vec(&document).map_err(failed)?;
        drop(document);
        let tree: serde_json::Value = serde_json::from_slice(&bytes).map_err(failed)?;
        Ok(Self { page: page::render(&tree, table).into(), document: bytes.into() })
    }

    fn router(self) -> Router {
        const HTML: &str = "text/html; charset=utf-8";
        let answer = |kind: &'static str, policy: &'static str, body: Bytes| {
            let headers = [(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, policy)];
            axum::routing::get(move || std::future::ready((headers, body.clone())))
        };
        let fixed = |text: &'static str| Bytes::from_static(text.as_bytes());
        let script = fixed(passkeys::SCRIPT);
        Router::new()
            .route(DOCUMENT, answer("application/json", page::POLICY, self.document))
            .route(PAGE, answer(HTML, page::POLICY, self.page))
            .route(STYLE, answer("text/css; charset=utf-8", page::POLICY, fixed(page::STYLE)))
            .route(PASSKEYS, answer(HTML, passkeys::POLICY, fixed(passkeys::PAGE)))
            .route(PASSKEYS_SCRIPT, answer("text/javascript; charset=utf-8", page::POLICY, script))
    }
}

/// What the table knows of the routes: which ask for no token, and which take an `Idempotency-Key`.
fn complete(document: &mut utoipa::openapi::OpenApi, table: &RouteTable) {
    for route in table.iter() {
        let Some(item) = document.paths.paths.get_mut(&*route.path) else { continue };
        let operation = match route.method {
            Method::GET => &mut item.get,
            Method::POST => &mut item.post,
            Method::PUT => &mut item.put,
            Method::PATCH => &mut item.patch,
            Method::DELETE => &mut item.delete,
            _ => continue,
        };
        let Some(operation) = operation else { continue };
        if route.access == Access::Public {
            operation.security = Some(Vec::new());
        }
        if route.method != Method::GET && route.repeat != Repeat::Executed {
            operation.parameters.get_or_insert_default().push(idempotency_key().into());
            let reused = Ref::from_response_name(CommonErrors::UNPROCESSABLE);
            operation.responses.responses.entry("422".to_owned()).or_insert_with(|| reused.into());
        }
    }
}

/// The header that routes with an effect take.
fn idempotency_key() -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Any text of 1 to 255 characters, such as a UUID: a request that is sent again with it within \
             24 hours is not done again.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
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
