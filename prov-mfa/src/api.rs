//! The HTTP API: thin handlers over [`MfaService`]; access is decided by the route table before them.

mod backup;
mod error;
mod shapes;
mod totp;
mod users;

use std::sync::Arc;

pub use error::MfaApiError;
use http::Method;
use prov_http::Route;
pub use shapes::{
    BackupCodesBody, BackupVerifiedBody, BackupVerifyRequest, DeviceBody, EnrollRequest,
    EnrollmentBody, ProofRequest, RemovedBody, StatusBody, TotpVerifiedBody, TotpVerifyRequest,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes as openapi_routes;

use crate::MfaService;

/// All endpoints, with their descriptions. Mount it at the root: the paths are whole.
pub fn router(service: Arc<MfaService>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(openapi_routes!(totp::enroll))
        .routes(openapi_routes!(totp::verify))
        .routes(openapi_routes!(totp::disable))
        .routes(openapi_routes!(totp::devices))
        .routes(openapi_routes!(totp::status))
        .routes(openapi_routes!(backup::generate))
        .routes(openapi_routes!(backup::verify))
        .routes(openapi_routes!(users::reset))
        .with_state(service)
}

/// Who may use each endpoint. Everything is about the caller's own factors, but for the reset.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::self_service(Method::POST, "/api/v1/mfa/totp/enroll").with_secret_answer(),
        Route::self_service(Method::POST, "/api/v1/mfa/totp/verify"),
        Route::self_service(Method::DELETE, "/api/v1/mfa/totp/{id}"),
        Route::self_service(Method::GET, "/api/v1/mfa/devices"),
        Route::self_service(Method::GET, "/api/v1/mfa/status"),
        Route::self_service(Method::POST, "/api/v1/mfa/backup-codes").with_secret_answer(),
        Route::self_service(Method::POST, "/api/v1/mfa/backup-codes/verify"),
        Route::guarded(Method::POST, "/api/v1/mfa/users/{id}/reset", "admin", "mfa"),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prov_core::{ManualClock, audit::MemoryRecorder, store::MemoryStore};

    use super::*;
    use crate::MfaConfig;

    #[test]
    fn the_route_table_and_the_document_name_the_same_endpoints() {
        let clock = Arc::new(ManualClock::at(prov_core::Timestamp::UNIX_EPOCH));
        let store = Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock)));
        let recorder = Arc::new(MemoryRecorder::new());
        let service = MfaService::new(store, recorder, clock, MfaConfig::default()).unwrap();
        let document = serde_json::to_value(router(Arc::new(service)).into_openapi()).unwrap();
        let documented: BTreeSet<String> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object()
                    .unwrap()
                    .keys()
                    .map(move |m| format!("{} {path}", m.to_uppercase()))
            })
            .collect();
        let table: BTreeSet<String> =
            routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(documented, table);
        for operation in document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| item.as_object().unwrap().values().cloned().collect::<Vec<_>>())
        {
            assert!(!operation["description"].as_str().unwrap().is_empty());
            for status in ["400", "401", "403", "429"] {
                assert!(operation["responses"][status].is_object(), "{status} of {operation}");
            }
        }
    }
}
