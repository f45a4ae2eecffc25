use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use prov_core::{Error, RequestFacts, SecurityContext, codes};

use super::ApiError;

/// The security context of the request. Absent means that no authentication layer stands before the
/// handler: our bug, answered with 401, never an anonymous pass.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "a name for one thing")]
pub struct Context(pub SecurityContext);

impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().map(Self).ok_or_else(|| {
            ApiError(Error::new(codes::UNAUTHENTICATED).context("no security context"))
        })
    }
}

/// The facts of the request.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "a name for one thing")]
pub struct Facts(pub Arc<RequestFacts>);

impl<S: Sync> FromRequestParts<S> for Facts {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().map(Self).ok_or_else(|| {
            ApiError(Error::new(codes::INTERNAL).context("no edge layer before the handler"))
        })
    }
}
