//! The table of routes, for an auditor to read.

use std::sync::Arc;

use axum::extract::State;
use http::Method;
use prov_http::axum::{CommonErrors, Json};
use prov_http::{Access, Route};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The route that answers with the table of routes of a server. Mount it behind the layers together
/// with [`table_routes`].
pub fn table_router(table: &[Route]) -> OpenApiRouter {
    let lines: Vec<_> = table.iter().map(RouteDocument::of).collect();
    OpenApiRouter::new().routes(routes!(list)).with_state(lines.into())
}

/// Who may read the table: whoever may read the policies.
#[must_use]
pub fn table_routes() -> Vec<Route> {
    vec![Route::guarded(Method::GET, "/api/v1/authz/routes", "read", "policies")]
}

/// All routes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RouteTable)]
struct TableDocument {
    /// In the order of the components.
    #[schema(value_type = Vec<RouteDocument>)]
    items: Arc<[RouteDocument]>,
}

/// Who may use one route.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Route)]
struct RouteDocument {
    /// The method.
    method: String,
    /// The path.
    path: String,
    /// `public`: anybody; `self_service`: whoever is signed in, about themselves; `guarded`: whom the
    /// policies allow the action on the part of the API.
    access: &'static str,
    /// The action, of a guarded route.
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    /// The part of the API, of a guarded route.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// How old a second factor may be, in seconds, where one is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    second_factor_within: Option<u64>,
}

impl RouteDocument {
    fn of(route: &Route) -> Self {
        let (access, guarded) = match &route.access {
            Access::Public => ("public", None),
            Access::SelfService => ("self_service", None),
            Access::Guarded { action, resource } => ("guarded", Some((action, resource))),
        };
        Self {
            method: route.method.to_string(),
            path: route.path.to_string(),
            access,
            action: guarded.map(|(action, _)| action.to_string()),
            resource: guarded.map(|(_, resource)| resource.to_string()),
            second_factor_within: route.second_factor_within.map(|within| within.as_secs()),
        }
    }
}

/// Who may use each route of this server.
#[utoipa::path(
    get, path = "/api/v1/authz/routes", tag = "authz",
    responses((status = 200, description = "All routes", body = TableDocument), CommonErrors)
)]
async fn list(State(items): State<Arc<[RouteDocument]>>) -> Json<TableDocument> {
    Json(TableDocument { items })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn the_table_says_of_each_route_who_may_use_it() {
        let table = vec![
            Route::public(Method::GET, "/livez"),
            Route::self_service(Method::GET, "/me"),
            Route::guarded(Method::POST, "/users", "create", "users"),
        ];
        crate::api::assert_routes_match(table_router(&table), &table_routes());
        let (router, _) = table_router(&table).split_for_parts();
        let request = http::Request::get("/api/v1/authz/routes").body(Body::empty()).unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let expected = serde_json::json!({"items": [
            {"method": "GET", "path": "/livez", "access": "public"},
            {"method": "GET", "path": "/me", "access": "self_service"},
            {
                "method": "POST", "path": "/users", "access": "guarded", "action": "create",
                "resource": "users",
            },
        ]});
        assert_eq!(answer, expected);
    }
}
