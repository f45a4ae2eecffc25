//! Grants: templates of the policy set, filled for somebody until a time.

use std::sync::Arc;

use axum::extract::State;
use http::{Method, StatusCode};
use prov_core::{Error, Result, Timestamp, codes, duration_text};
use prov_http::Route;
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Listed, PageQuery, Path, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::documents::EntityDocument;
use crate::{EntityRef, Grant, GrantId, Grants, NewGrant};

/// The routes under `/api/v1/authz/grants`, with their OpenAPI descriptions. Mount them behind the
/// layers together with [`grant_routes`].
pub fn grant_router(grants: Arc<Grants>) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke)).with_state(grants)
}

/// Who may use each route. Granting and revoking are for everybody who holds what they grant; the
/// service itself asks the engine.
#[must_use]
pub fn grant_routes() -> Vec<Route> {
    let all = "/api/v1/authz/grants";
    vec![
        Route::guarded(Method::GET, all, "list", "grants"),
        Route::self_service(Method::POST, all),
        Route::self_service(Method::DELETE, "/api/v1/authz/grants/{id}"),
    ]
}

/// What is to be granted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewGrant)]
pub(crate) struct NewGrantDocument {
    /// The `@id` of the template.
    template: String,
    /// Who: a `User`, a `Team` or a `Role`, if the template has a place for one.
    principal: Option<EntityDocument>,
    /// On what, if the template has a place for it.
    resource: Option<EntityDocument>,
    /// Why: 1 to 1,024 characters.
    reason: String,
    /// When it ends (RFC 3339), or else `ttl`.
    expires_at: Option<String>,
    /// How long it lasts: `8h`, `7d`; or else `expires_at`.
    ttl: Option<String>,
}

impl NewGrantDocument {
    fn read(self, now: Timestamp) -> Result<NewGrant> {
        let wrong =
            |field: &str, message: &str| Error::new(codes::INVALID_REQUEST).field(field, message);
        let expires_at = match (&self.expires_at, &self.ttl) {
            (Some(time), None) => time
                .parse()
                .map_err(|_| wrong("expires_at", "write a time: `2026-03-02T17:00:00Z`"))?,
            (None, Some(ttl)) => {
                let ttl = duration_text::parse(ttl)
                    .map_err(|_| wrong("ttl", "write a duration: `8h`, `7d`"))?;
                now.checked_add(ttl).map_err(|_| wrong("ttl", "is too long"))?
            }
            _ => return Err(wrong("expires_at", "give either `expires_at` or `ttl`")),
        };
        let mut grant = NewGrant::new(self.template, self.reason, expires_at);
        grant.principal = self.principal.map(EntityRef::from);
        grant.resource = self.resource.map(EntityRef::from);
        Ok(grant)
    }
}

/// One grant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Grant)]
pub(crate) struct GrantDocument {
    /// Its id; among the determining policies of a decision that it allowed.
    id: String,
    /// The `@id` of the template.
    template: String,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<EntityDocument>,
    /// On what.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<EntityDocument>,
    /// Why.
    reason: String,
    /// Who gave it.
    granted_by: String,
    /// When.
    granted_at: String,
    /// When it ends.
    expires_at: String,
}

impl From<Grant> for GrantDocument {
    fn from(grant: Grant) -> Self {
        Self {
            id: grant.id.as_str().to_owned(),
            template: grant.template,
            principal: grant.principal.map(EntityDocument::from),
            resource: grant.resource.map(EntityDocument::from),
            reason: grant.reason,
            granted_by: grant.granted_by,
            granted_at: grant.granted_at.to_string(),
            expires_at: grant.expires_at.to_string(),
        }
    }
}

/// Grants, in the order in which they were made.
#[utoipa::path(
    get, path = "/api/v1/authz/grants", tag = "authz",
    params(PageQuery),
    responses((status = 200, description = "Grants", body = Listed<GrantDocument>), CommonErrors)
)]
async fn list(
    State(grants): State<Arc<Grants>>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Listed<GrantDocument>>> {
    let found = grants.list(page.limit()?, page.after()?).await?;
    let items = found.items.into_iter().map(Into::into).collect();
    Ok(Json(Listed::new(items, found.next.as_deref())))
}

/// Grants a permission until a time.
///
/// Who may `admin` `grants` grants any template; others grant templates that are grantable by holders,
/// to a user, about one known resource, and only what they may do to it themselves.
#[utoipa::path(
    post, path = "/api/v1/authz/grants", tag = "authz",
    request_body = NewGrantDocument,
    responses((status = 201, description = "In force", body = GrantDocument), CommonErrors)
)]
async fn create(
    State(grants): State<Arc<Grants>>,
    Context(caller): Context,
    Json(new): Json<NewGrantDocument>,
) -> ApiResult<(StatusCode, Json<GrantDocument>)> {
    let grant = grants.grant(&caller, &new.read(grants.now())?).await?;
    Ok((StatusCode::CREATED, Json(grant.into())))
}

/// Takes a grant back, at once.
#[utoipa::path(
    delete, path = "/api/v1/authz/grants/{id}", tag = "authz",
    params(("id" = String, Path, description = "The grant's id")),
    responses((status = 204, description = "It decides nothing any more"), CommonErrors)
)]
async fn revoke(
    State(grants): State<Arc<Grants>>,
    Context(caller): Context,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id: GrantId = id.parse().map_err(|error: Error| {
        Error::new(codes::INVALID_REQUEST).field("id", error.public_detail())
    })?;
    grants.revoke(&caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use prov_core::audit::MemoryRecorder;
    use prov_core::store::MemoryStore;
    use prov_core::{Clock, Principal, SystemClock};

    use super::*;
    use crate::{CedarEngine, CedarOptions, PrincipalSource};

    #[derive(Debug)]
    struct Nobody;

    #[async_trait]
    impl PrincipalSource for Nobody {
        async fn principal(&self, _: &str) -> Result<Option<Principal>> {
            Ok(None)
        }
    }

    #[tokio::test]
    async fn the_route_table_and_the_openapi_document_name_the_same_routes() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let engine = CedarEngine::shipped(Arc::clone(&clock), CedarOptions::default()).unwrap();
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        let recorder = Arc::new(MemoryRecorder::new());
        let grants = Grants::open(Arc::new(engine), store, recorder, clock, Arc::new(Nobody));
        let router = grant_router(grants.await.unwrap());
        crate::api::assert_routes_match(router, &grant_routes());
    }

    #[test]
    fn a_grant_ends_by_a_time_or_after_a_while_and_not_by_both_or_none() {
        let now: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let read = |expires_at: Option<&str>, ttl: Option<&str>| {
            let document = NewGrantDocument {
                template: "t".to_owned(),
                principal: None,
                resource: None,
                reason: "r".to_owned(),
                expires_at: expires_at.map(str::to_owned),
                ttl: ttl.map(str::to_owned),
            };
            document.read(now).map(|grant| grant.expires_at)
        };
        let five = "2026-03-02T17:00:00Z";
        assert_eq!(read(Some(five), None).unwrap(), read(None, Some("8h")).unwrap());
        for (expires_at, ttl, field) in [
            (None, None, "expires_at"),
            (Some(five), Some("8h"), "expires_at"),
            (Some("tomorrow"), None, "expires_at"),
            (None, Some("-5m"), "ttl"),
        ] {
            assert_eq!(read(expires_at, ttl).unwrap_err().fields()[0].field, field);
        }
    }
}
