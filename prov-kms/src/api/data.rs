//! Encrypting and decrypting over HTTP.

use std::sync::Arc;

use axum::extract::State;
use prov_core::Result;
use prov_http::axum::{ApiResult, CommonErrors, Context, Json};

use super::shapes::{
    CiphertextShape, DecryptRequest, EncryptRequest, GenerateKeyRequest, GeneratedKeyShape,
    PlaintextShape, RewrapRequest,
};
use crate::{KeyName, Kms};

/// The key that was named, or the default one.
fn or_default(key: Option<KeyName>) -> Result<KeyName> {
    key.map_or_else(|| Kms::DEFAULT_KEY.parse(), Ok)
}

/// Encrypts data
///
/// The ciphertext is bound to key and context; it names key, version and backend itself.
#[utoipa::path(
    post, path = "/api/v1/kms/encrypt", tag = "kms", request_body = EncryptRequest,
    responses((status = 200, description = "Encrypted", body = CiphertextShape), CommonErrors),
)]
pub(super) async fn encrypt(
    State(kms): State<Arc<Kms>>,
    Context(caller): Context,
    Json(request): Json<EncryptRequest>,
) -> ApiResult<Json<CiphertextShape>> {
    let key = or_default(request.key_id)?;
    let encrypted = kms.encrypt(&caller, &key, &request.plaintext, &request.context).await?;
    Ok(Json(encrypted.into()))
}

/// Decrypts data
///
/// Whatever is wrong (key, context, damage) is one and the same answer: `kms.decryption_failed`.
#[utoipa::path(
    post, path = "/api/v1/kms/decrypt", tag = "kms", request_body = DecryptRequest,
    responses((status = 200, description = "Decrypted", body = PlaintextShape), CommonErrors),
)]
pub(super) async fn decrypt(
    State(kms): State<Arc<Kms>>,
    Context(caller): Context,
    Json(request): Json<DecryptRequest>,
) -> ApiResult<Json<PlaintextShape>> {
    let ciphertext = request.ciphertext.parse()?;
    let plaintext = kms.decrypt(&caller, &ciphertext, &request.context).await?;
    Ok(Json(PlaintextShape { plaintext }))
}

/// Generates a data key
///
/// For encryption at the caller's place: use the plaintext and forget it, keep the ciphertext.
#[utoipa::path(
    post, path = "/api/v1/kms/generate-key", tag = "kms", request_body = GenerateKeyRequest,
    responses((status = 200, description = "Generated", body = GeneratedKeyShape), CommonErrors),
)]
pub(super) async fn generate_key(
    State(kms): State<Arc<Kms>>,
    Context(caller): Context,
    Json(request): Json<GenerateKeyRequest>,
) -> ApiResult<Json<GeneratedKeyShape>> {
    let key = or_default(request.key_id)?;
    let spec = request.key_spec.into();
    let generated = kms.generate_key(&caller, &key, spec, &request.context).await?;
    Ok(Json(generated.into()))
}

/// Encrypts a ciphertext anew under the newest version of its key
///
/// One that is under the newest version already comes back unchanged.
#[utoipa::path(
    post, path = "/api/v1/kms/rewrap", tag = "kms", request_body = RewrapRequest,
    responses((status = 200, description = "Up to date", body = CiphertextShape), CommonErrors),
)]
pub(super) async fn rewrap(
    State(kms): State<Arc<Kms>>,
    Context(caller): Context,
    Json(request): Json<RewrapRequest>,
) -> ApiResult<Json<CiphertextShape>> {
    let ciphertext = request.ciphertext.parse()?;
    let rewrapped = kms.rewrap(&caller, &ciphertext, &request.context).await?;
    Ok(Json(rewrapped.into()))
}
