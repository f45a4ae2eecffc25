use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use prov_core::{Error, Kind};

use crate::refuse;

/// What a handler returns: its answer or a problem.
pub type ApiResult<T> = Result<T, ApiError>;

/// The challenge of a handler's 401; the authentication layer says more where it refuses itself.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"prov\"");

/// An [`Error`] as an axum response: a problem document, for [`Kind::Unauthenticated`] with the
/// challenge that a 401 owes (RFC 9110, section 11.6.1). The edge layer adds the request id.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for one thing")]
pub struct ApiError(pub Error);

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.0.kind().status() >= 500 {
            tracing::error!(error = ?self.0, "request failed");
        }
        let owes_challenge = self.0.kind() == Kind::Unauthenticated;
        let mut response = refuse(self.0, None);
        if owes_challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        response
    }
}
