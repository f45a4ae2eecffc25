//! Identity providers.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use prov_core::{Error, Role, SecretText, TeamName, Timestamp, codes};
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Listed, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AcceptedSubjects, AcceptedTokens, AuthService, GroupRule, Issuer, NewIssuer};

/// What members of a group get.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GroupRuleBody {
    /// The group, as the issuer names it; `*` for everybody whom it vouches for.
    pub group: String,
    /// Roles.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
    /// Teams.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub teams: Vec<TeamName>,
}

/// Tokens of the issuer that are taken directly.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AcceptedTokensBody {
    /// What they must name as their audience; another name than the client's.
    pub audience: String,
    /// `accounts`: of people who have signed in here before; `workloads`: of programs.
    #[schema(value_type = String, example = "accounts")]
    pub subjects: AcceptedSubjects,
}

/// An identity provider to be entered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NewIssuerRequest {
    /// Names it here: 1 to 32 characters of `a-z`, `0-9` and `-`.
    #[schema(example = "corp")]
    pub name: String,
    /// Its issuer identifier, exactly.
    #[schema(example = "https://login.example.com")]
    pub issuer: String,
    /// As whom it knows this service.
    pub client_id: String,
    /// The client's secret; none for a public client.
    #[schema(value_type = Option<String>)]
    pub client_secret: Option<SecretText>,
    /// The organization of everybody who comes from it.
    pub organization: Option<String>,
    /// What is asked for besides `openid`; `profile` and `email` unless said otherwise.
    pub scopes: Option<Vec<String>>,
    /// The claim with the groups; `groups` unless said otherwise, and dots lead into objects.
    pub groups_claim: Option<String>,
    /// What groups mean. Whom no rule knows does not get in.
    #[serde(default)]
    pub rules: Vec<GroupRuleBody>,
    /// Whether its word that a second factor was used is taken.
    #[serde(default)]
    pub trusts_second_factor: bool,
    /// Whether its tokens are taken directly.
    pub accepted_tokens: Option<AcceptedTokensBody>,
}

impl From<NewIssuerRequest> for NewIssuer {
    fn from(request: NewIssuerRequest) -> Self {
        let mut new = Self::new(request.name, request.issuer, request.client_id);
        new.client_secret = request.client_secret;
        new.organization = request.organization;
        new.scopes = request.scopes.unwrap_or(new.scopes);
        new.groups_claim = request.groups_claim.unwrap_or(new.groups_claim);
        let rule =
            |rule: GroupRuleBody| GroupRule::new(rule.group, rule.roles).with_teams(rule.teams);
        new.rules = request.rules.into_iter().map(rule).collect();
        new.trusts_second_factor = request.trusts_second_factor;
        let tokens = |t: AcceptedTokensBody| AcceptedTokens::new(t.audience, t.subjects);
        new.accepted_tokens = request.accepted_tokens.map(tokens);
        new
    }
}

/// An identity provider, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct IssuerBody {
    /// Its name here, which is its id.
    pub id: String,
    /// Its issuer identifier.
    pub issuer: String,
    /// As whom it knows this service.
    pub client_id: String,
    /// The organization of everybody who comes from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// The claim with the groups.
    pub groups_claim: String,
    /// What groups mean.
    pub rules: Vec<GroupRuleBody>,
    /// Whether its word that a second factor was used is taken.
    pub trusts_second_factor: bool,
    /// Whether its tokens are taken directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_tokens: Option<AcceptedTokensBody>,
    /// When it was entered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<Issuer> for IssuerBody {
    fn from(issuer: Issuer) -> Self {
        let rule = |rule: GroupRule| GroupRuleBody {
            group: rule.group,
            roles: rule.roles,
            teams: rule.teams,
        };
        let tokens = |tokens: AcceptedTokens| AcceptedTokensBody {
            audience: tokens.audience,
            subjects: tokens.subjects,
        };
        Self {
            id: issuer.name,
            issuer: issuer.issuer,
            client_id: issuer.client_id,
            organization: issuer.organization,
            scopes: issuer.scopes,
            groups_claim: issuer.groups_claim,
            rules: issuer.rules.into_iter().map(rule).collect(),
            trusts_second_factor: issuer.trusts_second_factor,
            accepted_tokens: issuer.accepted_tokens.map(tokens),
            created_at: issuer.created_at,
        }
    }
}

/// Lists the identity providers.
///
/// By name, without their secrets.
#[utoipa::path(
    get,
    path = "/api/v1/auth/issuers",
    tag = "auth",
    responses((status = 200, description = "All of them.", body = Listed<IssuerBody>), CommonErrors)
)]
pub(super) async fn list(State(service): State<Arc<AuthService>>) -> Json<Listed<IssuerBody>> {
    let items = service.issuers().into_iter().map(Into::into).collect();
    Json(Listed::new(items, None))
}

/// Enters an identity provider.
///
/// From now on people can sign in with it, as far as its rules let them in. Register
/// `<public URL>/api/v1/auth/oidc/<name>/callback` there as the redirect URI, and
/// `…/api/v1/auth/oidc/<name>/logout` for back-channel logout.
#[utoipa::path(
    post,
    path = "/api/v1/auth/issuers",
    tag = "auth",
    request_body = NewIssuerRequest,
    responses((status = 201, description = "Entered.", body = IssuerBody), CommonErrors)
)]
pub(super) async fn create(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Json(request): Json<NewIssuerRequest>,
) -> ApiResult<(StatusCode, Json<IssuerBody>)> {
    let issuer = service.create_issuer(&context, request.into()).await?;
    Ok((StatusCode::CREATED, Json(issuer.into())))
}

/// Removes an identity provider.
///
/// Sessions that began there end, on every node. Accounts stay.
#[utoipa::path(
    delete,
    path = "/api/v1/auth/issuers/{id}",
    tag = "auth",
    params(("id" = String, Path, description = "The issuer's name.")),
    responses((status = 204, description = "Removed."), CommonErrors)
)]
pub(super) async fn delete(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    if id.len() > 32 {
        return Err(Error::new(codes::INVALID_REQUEST)
            .field("id", "the name of an issuer has 32 characters at most")
            .into());
    }
    service.delete_issuer(&context, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
