//! The HTTP API as an axum router; feature `axum`.
//!
//! Access is decided outside, by the authorization layer, from [`routes()`].

mod base64_text;
mod data;
mod keys;
mod shapes;
mod status;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use http::Method;
use prov_http::Route;
pub use shapes::{
    BackendShape, CiphertextShape, ContextShape, CreateKeyRequest, DecryptRequest, EncryptRequest,
    GenerateKeyRequest, GeneratedKeyShape, KeyShape, KeySpec, PlaintextShape, RewrapRequest,
    StatusShape,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes as handlers;

use crate::Kms;

/// The largest request body.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// The endpoints under `/api/v1/kms`. They need a
/// [`SecurityContext`](prov_core::SecurityContext) in the request's extensions.
pub fn router(kms: Arc<Kms>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(handlers!(data::encrypt))
        .routes(handlers!(data::decrypt))
        .routes(handlers!(data::generate_key))
        .routes(handlers!(data::rewrap))
        .routes(handlers!(keys::list, keys::create))
        .routes(handlers!(keys::show))
        .routes(handlers!(keys::rotate))
        .routes(handlers!(keys::disable))
        .routes(handlers!(keys::enable))
        .routes(handlers!(status::status))
        .routes(handlers!(status::health))
        .routes(handlers!(status::backends))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(kms)
}

/// What each endpoint is, for the authorization layer and for an auditor.
#[must_use]
pub fn routes() -> Vec<Route> {
    let data = |path: &'static str| {
        Route::guarded(Method::POST, path, "execute", "kms-data").without_effect()
    };
    let keys = |method, path: &'static str, action: &'static str| {
        Route::guarded(method, path, action, "kms-keys")
    };
    vec![
        data("/api/v1/kms/encrypt"),
        data("/api/v1/kms/decrypt"),
        data("/api/v1/kms/generate-key"),
        data("/api/v1/kms/rewrap"),
        keys(Method::GET, "/api/v1/kms/keys", "list"),
        keys(Method::POST, "/api/v1/kms/keys", "create"),
        keys(Method::GET, "/api/v1/kms/keys/{id}", "read"),
        keys(Method::POST, "/api/v1/kms/keys/{id}/rotate", "admin"),
        keys(Method::POST, "/api/v1/kms/keys/{id}/disable", "admin"),
        keys(Method::POST, "/api/v1/kms/keys/{id}/enable", "admin"),
        keys(Method::GET, "/api/v1/kms/backends", "list"),
        Route::guarded(Method::GET, "/api/v1/kms/status", "read", "status"),
        Route::guarded(Method::GET, "/api/v1/kms/health", "read", "status"),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prov_core::audit::MemoryRecorder;
    use prov_core::store::MemoryStore;
    use prov_core::{Clock, SystemClock};

    use super::*;
    use crate::FileKey;

    #[tokio::test]
    async fn every_endpoint_has_a_line_in_the_route_table() {
        let folder = tempfile::tempdir().unwrap();
        let backend = Arc::new(FileKey::create(&folder.path().join("key")).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        let recorder = Arc::new(MemoryRecorder::new());
        let kms = Kms::open(backend, store, recorder, clock).await.unwrap();
        let document = serde_json::to_value(router(Arc::new(kms)).into_openapi()).unwrap();
        let described: BTreeSet<_> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys();
                methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
            })
            .collect();
        let listed: BTreeSet<_> = routes()
            .iter()
            .map(|route| (route.method.to_string(), route.path.to_string()))
            .collect();
        assert_eq!(described, listed);
    }
}
