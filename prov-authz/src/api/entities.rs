//! The inventory.

use http::StatusCode;
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Listed, Path, Query};

use super::State;
use super::entity_documents::{
    EntitiesDocument, EntitiesQuery, EpochDocument, FactsDocument, StoredDocument,
};
use crate::{EntityRef, codes};

/// What is known, by type and id.
#[utoipa::path(
    get, path = "/api/v1/authz/entities", tag = "authz",
    params(EntitiesQuery),
    responses((status = 200, description = "Entities", body = Listed<StoredDocument>), CommonErrors)
)]
pub(super) async fn list(
    state: State,
    Query(query): Query<EntitiesQuery>,
) -> ApiResult<Json<Listed<StoredDocument>>> {
    let (limit, after) = query.page()?;
    let page = state.engine().entities().page(query.kind.as_deref(), after.as_ref(), limit);
    let next = page.next.map(|next| format!("{}/{}", next.kind, next.id));
    Ok(Json(Listed::new(page.items.iter().map(Into::into).collect(), next.as_deref())))
}

/// Enters up to 5,000 entities or changes them, all or none.
#[utoipa::path(
    put, path = "/api/v1/authz/entities", tag = "authz",
    request_body = EntitiesDocument,
    responses((status = 200, description = "In force", body = EpochDocument), CommonErrors)
)]
pub(super) async fn put_all(
    state: State,
    Context(caller): Context,
    Json(given): Json<EntitiesDocument>,
) -> ApiResult<Json<EpochDocument>> {
    let entities = given
        .entities
        .into_iter()
        .map(super::documents::ResourceDocument::resource)
        .collect::<prov_core::Result<Vec<_>>>()?;
    let epoch = state.inventory()?.put(&caller, &entities).await?;
    Ok(Json(EpochDocument { epoch }))
}

/// One entity, with all it is in.
#[utoipa::path(
    get, path = "/api/v1/authz/entities/{type}/{id}", tag = "authz",
    params(
        ("type" = String, Path, description = "The type, without namespace"),
        ("id" = String, Path, description = "The id")
    ),
    responses((status = 200, description = "The entity", body = StoredDocument), CommonErrors)
)]
pub(super) async fn show(
    state: State,
    Path((kind, id)): Path<(String, String)>,
) -> ApiResult<Json<StoredDocument>> {
    let known = state.engine().entities();
    let entity =
        known.find(&kind, &id).ok_or(codes::ENTITY_UNKNOWN).map_err(prov_core::Error::from)?;
    Ok(Json(entity.into()))
}

/// Enters an entity or changes it. It is given whole: what it had before and is not given, goes.
#[utoipa::path(
    put, path = "/api/v1/authz/entities/{type}/{id}", tag = "authz",
    params(
        ("type" = String, Path, description = "The type, without namespace"),
        ("id" = String, Path, description = "The id")
    ),
    request_body = FactsDocument,
    responses((status = 200, description = "In force", body = EpochDocument), CommonErrors)
)]
pub(super) async fn put(
    state: State,
    Context(caller): Context,
    Path((kind, id)): Path<(String, String)>,
    Json(facts): Json<FactsDocument>,
) -> ApiResult<Json<EpochDocument>> {
    let entity = facts.entity(kind, id);
    let epoch = state.inventory()?.put(&caller, std::slice::from_ref(&entity)).await?;
    Ok(Json(EpochDocument { epoch }))
}

/// Takes an entity out. What is in it stays in it by name.
#[utoipa::path(
    delete, path = "/api/v1/authz/entities/{type}/{id}", tag = "authz",
    params(
        ("type" = String, Path, description = "The type, without namespace"),
        ("id" = String, Path, description = "The id")
    ),
    responses((status = 204, description = "Gone"), CommonErrors)
)]
pub(super) async fn remove(
    state: State,
    Context(caller): Context,
    Path((kind, id)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    state.inventory()?.remove(&caller, &EntityRef::new(kind, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
