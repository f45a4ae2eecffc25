use axum::response::{IntoResponse, Response};
use prov_core::Error;

use crate::refuse;

/// What a handler returns: its answer or a problem.
pub type ApiResult<T> = Result<T, ApiError>;

/// An [`Error`] as an axum response: a problem document. The edge layer adds the request id.
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
        refuse(self.0, None)
    }
}
