//! Errors as responses, with the challenge that a 401 owes (RFC 9110, section 15.5.2).

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use prov_core::{Error, Kind};
use prov_http::axum::ApiError;

use crate::{RECENT_SECOND_FACTOR, challenge};

/// What a handler of this API refuses with: a problem document, and for 401 the challenge.
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
            Kind::StepUpRequired => Some(challenge(RECENT_SECOND_FACTOR)),
            Kind::Unauthenticated => Some(HeaderValue::from_static("Bearer")),
            _ => None,
        };
        let mut response = ApiError(self.0).into_response();
        if let Some(header) = header {
            response.headers_mut().insert(WWW_AUTHENTICATE, header);
        }
        response
    }
}
