//! The HTTP API; feature `axum`.

mod decisions;
mod documents;
mod entities;
mod entity_documents;
mod grants;
mod lifecycle;
mod policies;
mod search;
mod table;

use std::sync::Arc;

pub use grants::{grant_router, grant_routes};
use http::Method;
use prov_http::Route;
pub use table::{table_router, table_routes};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::DecisionService;

/// What the handlers share.
pub(crate) type State = axum::extract::State<Arc<DecisionService>>;

/// The routes under `/api/v1/authz`, with their OpenAPI descriptions. Mount them behind the layers
/// together with [`routes()`].
pub fn router(service: Arc<DecisionService>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(decisions::authorize))
        .routes(routes!(decisions::authorize_batch))
        .routes(routes!(decisions::explain))
        .routes(routes!(decisions::permissions))
        .routes(routes!(policies::list, lifecycle::upload))
        .routes(routes!(policies::show))
        .routes(routes!(policies::validate))
        .routes(routes!(policies::reload))
        .routes(routes!(lifecycle::history))
        .routes(routes!(lifecycle::diff))
        .routes(routes!(lifecycle::kept))
        .routes(routes!(lifecycle::rollback))
        .routes(routes!(lifecycle::simulate))
        .routes(routes!(lifecycle::shadow, lifecycle::start_shadow, lifecycle::stop_shadow))
        .routes(routes!(policies::schema))
        .routes(routes!(policies::stats))
        .routes(routes!(search::resources))
        .routes(routes!(search::principals))
        .routes(routes!(entities::list, entities::put_all))
        .routes(routes!(entities::show, entities::put, entities::remove))
        .with_state(service)
}

/// Who may use each route. Questions about oneself are for everybody; the service itself asks the
/// engine whether the caller may ask more.
#[must_use]
pub fn routes() -> Vec<Route> {
    let own = |path: &'static str| Route::self_service(Method::POST, path).without_effect();
    let guarded = |method, path: &'static str, action: &'static str, part: &'static str| {
        Route::guarded(method, path, action, part)
    };
    vec![
        own("/api/v1/authz/authorize"),
        own("/api/v1/authz/authorize/batch"),
        own("/api/v1/authz/explain"),
        own("/api/v1/authz/permissions"),
        own("/api/v1/authz/search/resources"),
        guarded(Method::POST, "/api/v1/authz/search/principals", "admin", "decisions")
            .without_effect(),
        guarded(Method::GET, "/api/v1/authz/entities", "list", "entities"),
        guarded(Method::PUT, "/api/v1/authz/entities", "update", "entities"),
        guarded(Method::GET, "/api/v1/authz/entities/{type}/{id}", "read", "entities"),
        guarded(Method::PUT, "/api/v1/authz/entities/{type}/{id}", "update", "entities"),
        guarded(Method::DELETE, "/api/v1/authz/entities/{type}/{id}", "delete", "entities"),
        guarded(Method::GET, "/api/v1/authz/policies", "list", "policies"),
        guarded(Method::GET, "/api/v1/authz/policies/{id}", "read", "policies"),
        guarded(Method::POST, "/api/v1/authz/policies/validate", "read", "policies")
            .without_effect(),
        guarded(Method::POST, "/api/v1/authz/policies/reload", "admin", "policies"),
        guarded(Method::PUT, "/api/v1/authz/policies", "admin", "policies"),
        guarded(Method::GET, "/api/v1/authz/policies/history", "list", "policies"),
        guarded(Method::GET, "/api/v1/authz/policies/history/diff", "read", "policies"),
        guarded(Method::GET, "/api/v1/authz/policies/history/{number}", "read", "policies"),
        guarded(Method::POST, "/api/v1/authz/policies/rollback", "admin", "policies"),
        // A simulation tells who asked for what: it is for those who may speak for others.
        guarded(Method::POST, "/api/v1/authz/policies/simulate", "admin", "decisions"),
        guarded(Method::GET, "/api/v1/authz/policies/shadow", "admin", "decisions"),
        guarded(Method::PUT, "/api/v1/authz/policies/shadow", "admin", "decisions"),
        guarded(Method::DELETE, "/api/v1/authz/policies/shadow", "admin", "decisions"),
        guarded(Method::GET, "/api/v1/authz/schema", "read", "policies"),
        guarded(Method::GET, "/api/v1/authz/stats", "read", "status"),
    ]
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::assert_routes_match;
