//! SSH certificates.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Listed, PageQuery, Path, Query};

use super::SecretsState;
use super::documents::LeaseDocument;
use super::ssh_documents::{
    CaDocument, CertificateDocument, HostSignBody, PairBody, PairDocument, SignBody,
    SshStatsDocument,
};

/// Makes an Ed25519 pair and certifies it for the caller.
#[utoipa::path(
    post, path = "/api/v1/ssh/keys", tag = "ssh", request_body = PairBody,
    responses((status = 201, description = "The pair, shown once", body = PairDocument), CommonErrors),
)]
pub(super) async fn generate(
    State(state): State<SecretsState>,
    Context(ctx): Context,
    Json(body): Json<PairBody>,
) -> ApiResult<(StatusCode, Json<PairDocument>)> {
    let pair = state.ssh.generate_pair(&ctx, body.into()).await?;
    Ok((StatusCode::CREATED, Json(pair.into())))
}

/// The certificates on record, oldest first. Private keys are stored nowhere.
#[utoipa::path(
    get, path = "/api/v1/ssh/keys", tag = "ssh", params(PageQuery),
    responses((status = 200, description = "A page of certificates", body = Listed<LeaseDocument>), CommonErrors),
)]
pub(super) async fn list(
    State(state): State<SecretsState>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Listed<LeaseDocument>>> {
    let found = state.ssh.list(None, page.after()?, page.limit()?).await?;
    let items = found.items.into_iter().map(LeaseDocument::from).collect();
    Ok(Json(Listed::new(items, found.next.as_deref())))
}

/// One certificate on record.
#[utoipa::path(
    get, path = "/api/v1/ssh/keys/{id}", tag = "ssh",
    params(("id" = String, Path, description = "The certificate's lease")),
    responses((status = 200, description = "The certificate's lease", body = LeaseDocument), CommonErrors),
)]
pub(super) async fn show(
    State(state): State<SecretsState>,
    Path(id): Path<String>,
) -> ApiResult<Json<LeaseDocument>> {
    Ok(Json(state.ssh.show(&id.parse()?).await?.into()))
}

/// Revokes a certificate: the revocation list names it from now on.
#[utoipa::path(
    delete, path = "/api/v1/ssh/keys/{id}", tag = "ssh",
    params(("id" = String, Path, description = "The certificate's lease")),
    responses((status = 200, description = "The certificate's lease", body = LeaseDocument), CommonErrors),
)]
pub(super) async fn revoke(
    State(state): State<SecretsState>,
    Context(ctx): Context,
    Path(id): Path<String>,
) -> ApiResult<Json<LeaseDocument>> {
    Ok(Json(state.ssh.revoke(&ctx, &id.parse()?).await?.into()))
}

/// Certifies a public key for the caller.
#[utoipa::path(
    post, path = "/api/v1/ssh/sign", tag = "ssh", request_body = SignBody,
    responses((status = 200, description = "The certificate", body = CertificateDocument), CommonErrors),
)]
pub(super) async fn sign(
    State(state): State<SecretsState>,
    Context(ctx): Context,
    Json(body): Json<SignBody>,
) -> ApiResult<Json<CertificateDocument>> {
    Ok(Json(state.ssh.sign_user(&ctx, body.into()).await?.into()))
}

/// Certifies a host's public key.
#[utoipa::path(
    post, path = "/api/v1/ssh/host/sign", tag = "ssh", request_body = HostSignBody,
    responses((status = 200, description = "The certificate", body = CertificateDocument), CommonErrors),
)]
pub(super) async fn sign_host(
    State(state): State<SecretsState>,
    Context(ctx): Context,
    Json(body): Json<HostSignBody>,
) -> ApiResult<Json<CertificateDocument>> {
    Ok(Json(state.ssh.sign_host(&ctx, body.into()).await?.into()))
}

/// The public keys that servers and clients are to trust.
#[utoipa::path(
    get, path = "/api/v1/ssh/ca", tag = "ssh",
    responses((status = 200, description = "The public keys", body = CaDocument), CommonErrors),
)]
pub(super) async fn ca(State(state): State<SecretsState>) -> ApiResult<Json<CaDocument>> {
    Ok(Json(state.ssh.ca_public_keys()?.into()))
}

/// The revocation list in OpenSSH's format, for sshd's `RevokedKeys`. Write it to a new file and
/// rename that over the old one: sshd refuses every key when the file is missing or broken.
#[utoipa::path(
    get, path = "/api/v1/ssh/krl", tag = "ssh",
    responses(
        (status = 200, description = "The list", content_type = "application/octet-stream", body = Vec<u8>),
        CommonErrors,
    ),
)]
pub(super) async fn krl(State(state): State<SecretsState>) -> ApiResult<Response> {
    let krl = state.ssh.krl().await?;
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CACHE_CONTROL, "no-cache".to_owned()),
        (ETAG, format!("\"{}\"", krl.version)),
    ];
    Ok((headers, krl.bytes.clone()).into_response())
}

/// Figures of the certificate authority.
#[utoipa::path(
    get, path = "/api/v1/ssh/stats", tag = "ssh",
    responses((status = 200, description = "Figures", body = SshStatsDocument), CommonErrors),
)]
pub(super) async fn stats(State(state): State<SecretsState>) -> ApiResult<Json<SshStatsDocument>> {
    Ok(Json(state.ssh.stats().await?.into()))
}
