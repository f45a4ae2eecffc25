//! The HTTP API: thin handlers over [`MfaService`]; access is decided by the route table before them.

mod backup;
mod devices;
mod error;
mod passkeys;
mod policy;
mod shapes;
mod totp;
mod users;

use std::sync::Arc;

use axum::extract::FromRef;
pub use error::MfaApiError;
use http::Method;
use prov_core::SignIn;
use prov_http::Route;
pub use shapes::{
    AssertionAnswerBody, AssertionBeginRequest, AssertionFinishRequest, AssertionPurpose,
    BackupCodesBody, BackupVerifiedBody, BackupVerifyRequest, DeviceBody, DevicePatch,
    EnrollRequest, EnrollmentBody, PasskeyBeginRequest, PasskeyFinishRequest, PasskeyRequestBody,
    PolicyBody, ProofRequest, RemovedBody, SignedInBody, StatusBody, TotpVerifiedBody,
    TotpVerifyRequest,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes as openapi_routes;

use crate::MfaService;

/// What the handlers share.
#[derive(Debug, Clone)]
struct ApiState {
    mfa: Arc<MfaService>,
    sign_in: Arc<dyn SignIn>,
}

impl FromRef<ApiState> for Arc<MfaService> {
    fn from_ref(state: &ApiState) -> Self {
        Self::clone(&state.mfa)
    }
}

/// All endpoints, with their descriptions. Mount it at the root: the paths are whole. `sign_in` opens
/// the sessions of those who sign in with a passkey, as `prov_auth::AuthService` does.
pub fn router(mfa: Arc<MfaService>, sign_in: Arc<dyn SignIn>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(openapi_routes!(totp::enroll))
        .routes(openapi_routes!(totp::verify))
        .routes(openapi_routes!(totp::disable))
        .routes(openapi_routes!(passkeys::register_begin))
        .routes(openapi_routes!(passkeys::register_finish))
        .routes(openapi_routes!(passkeys::authenticate_begin))
        .routes(openapi_routes!(passkeys::authenticate_finish))
        .routes(openapi_routes!(devices::list))
        .routes(openapi_routes!(devices::rename, devices::remove))
        .routes(openapi_routes!(devices::status))
        .routes(openapi_routes!(backup::generate))
        .routes(openapi_routes!(backup::verify))
        .routes(openapi_routes!(users::reset))
        .routes(openapi_routes!(policy::show, policy::set))
        .with_state(ApiState { mfa, sign_in })
}

/// Who may use each endpoint. Everything is about the caller's own factors, but for the reset.
///
/// Public are the two that a passkey signs in by: whoever uses them is not signed in yet, and brings a
/// credential.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        Route::self_service(Method::POST, "/api/v1/mfa/totp/enroll")
            .with_secret_answer()
            .during_enrolment(),
        Route::self_service(Method::POST, "/api/v1/mfa/totp/verify").during_enrolment(),
        Route::self_service(Method::DELETE, "/api/v1/mfa/totp/{id}"),
        Route::self_service(Method::POST, "/api/v1/mfa/webauthn/register/begin").during_enrolment(),
        Route::self_service(Method::POST, "/api/v1/mfa/webauthn/register/finish")
            .during_enrolment(),
        Route::public(Method::POST, "/api/v1/mfa/webauthn/authenticate/begin"),
        Route::public(Method::POST, "/api/v1/mfa/webauthn/authenticate/finish"),
        Route::self_service(Method::GET, "/api/v1/mfa/devices").during_enrolment(),
        Route::self_service(Method::PATCH, "/api/v1/mfa/devices/{id}"),
        Route::self_service(Method::DELETE, "/api/v1/mfa/devices/{id}"),
        Route::self_service(Method::GET, "/api/v1/mfa/status").during_enrolment(),
        Route::self_service(Method::POST, "/api/v1/mfa/backup-codes").with_secret_answer(),
        Route::self_service(Method::POST, "/api/v1/mfa/backup-codes/verify"),
        Route::guarded(Method::POST, "/api/v1/mfa/users/{id}/reset", "admin", "mfa"),
        Route::guarded(Method::GET, "/api/v1/mfa/policy", "admin", "mfa"),
        Route::guarded(Method::PUT, "/api/v1/mfa/policy", "admin", "mfa"),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prov_core::{
        ManualClock, RequestFacts, Result, SecurityContext, SignedIn, UserId, VerifiedFactor,
        audit::MemoryRecorder, codes, store::MemoryStore,
    };

    use super::*;
    use crate::MfaConfig;

    /// Lets nobody in.
    #[derive(Debug)]
    struct Nobody;

    #[async_trait::async_trait]
    impl SignIn for Nobody {
        async fn sign_in(
            &self,
            _: &UserId,
            _: &VerifiedFactor,
            _: &RequestFacts,
        ) -> Result<SignedIn> {
            Err(codes::DENIED.into())
        }

        async fn sign_out(&self, _: &SecurityContext, _: &UserId) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_route_table_and_the_document_name_the_same_endpoints() {
        let clock = Arc::new(ManualClock::at(prov_core::Timestamp::UNIX_EPOCH));
        let store = Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock)));
        let recorder = Arc::new(MemoryRecorder::new());
        let service = MfaService::new(store, recorder, clock, MfaConfig::default()).unwrap();
        let router = router(Arc::new(service), Arc::new(Nobody));
        let document = serde_json::to_value(router.into_openapi()).unwrap();
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
