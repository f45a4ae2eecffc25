//! What may somebody do, and who may do something.

use prov_http::axum::{ApiResult, CommonErrors, Context, Json};

use super::State;
use super::entity_documents::{
    EntitiesFoundDocument, PrincipalSearchDocument, ResourceSearchDocument,
};
use crate::EntityRef;

/// Which resources of the inventory may this principal do this to?
///
/// Complete: an answer without `next_cursor` is the last part, one with it goes on, even when it has
/// no items. About others only who may `admin` `decisions` can ask.
#[utoipa::path(
    post, path = "/api/v1/authz/search/resources", tag = "authz",
    request_body = ResourceSearchDocument,
    responses(
        (status = 200, description = "The resources", body = EntitiesFoundDocument),
        CommonErrors
    )
)]
pub(super) async fn resources(
    state: State,
    Context(caller): Context,
    Json(mut asked): Json<ResourceSearchDocument>,
) -> ApiResult<Json<EntitiesFoundDocument>> {
    let part = asked.part();
    let principal: Option<EntityRef> = asked.principal.map(Into::into);
    let (question, context) = ((asked.action.as_str(), asked.kind.as_str()), asked.context.into());
    let found =
        state.search_resources(&caller, principal.as_ref(), question, &context, &part).await?;
    let items = found.items.into_iter().map(Into::into).collect();
    Ok(Json(EntitiesFoundDocument { items, next_cursor: found.next_cursor }))
}

/// Which users may do this to this resource?
///
/// Complete: an answer without `next_cursor` is the last part, one with it goes on, even when it has
/// no items. A second factor counts as absent unless it is stated.
#[utoipa::path(
    post, path = "/api/v1/authz/search/principals", tag = "authz",
    request_body = PrincipalSearchDocument,
    responses(
        (status = 200, description = "The users", body = EntitiesFoundDocument),
        CommonErrors
    )
)]
pub(super) async fn principals(
    state: State,
    Context(caller): Context,
    Json(asked): Json<PrincipalSearchDocument>,
) -> ApiResult<Json<EntitiesFoundDocument>> {
    let (question, part) = asked.asked()?;
    let found = state.search_principals(&caller, &question, &part).await?;
    let items = found.items.into_iter().map(Into::into).collect();
    Ok(Json(EntitiesFoundDocument { items, next_cursor: found.next_cursor }))
}
