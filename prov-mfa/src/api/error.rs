//! Errors as responses, with the challenge that says how to step up (RFC 9470, section 3).

use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use prov_core::{Error, Kind};
use prov_http::axum::ApiError;

use crate::{RECENT_SECOND_FACTOR, challenge, codes, sign_in_challenge};

/// What a handler of this API refuses with: as [`ApiError`], and the challenge of whatever needs a
/// more recent proof.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for one thing")]
pub struct MfaApiError(pub Error);

impl From<Error> for MfaApiError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for MfaApiError {
    fn into_response(self) -> Response {
        let header = match self.0.kind() {
            Kind::StepUpRequired if self.0.is(codes::SIGN_IN_NOT_RECENT) => {
                Some(sign_in_challenge(RECENT_SECOND_FACTOR))
            }
            Kind::StepUpRequired => Some(challenge(RECENT_SECOND_FACTOR)),
            _ => None,
        };
        let mut response = ApiError(self.0).into_response();
        if let Some(header) = header {
            response.headers_mut().insert(WWW_AUTHENTICATE, header);
        }
        response
    }
}
