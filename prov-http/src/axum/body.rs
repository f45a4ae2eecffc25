use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use prov_core::{Error, codes};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ApiError;

/// A JSON body. Wrong media type is 415, too large 413, anything else 400 with the field named.
/// Types that matter to security say `deny_unknown_fields` themselves.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "a name for one thing")]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !has_media_type(request.headers(), "application/json") {
            return Err(wrong_media_type("application/json"));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable)?;
        parse_json(&bytes).map(Self)
    }
}

/// An optional JSON body: absent when the request has none.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        let is_json = has_media_type(request.headers(), "application/json");
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable)?;
        match (bytes.is_empty(), is_json) {
            (true, _) => Ok(None),
            (false, false) => Err(wrong_media_type("application/json")),
            (false, true) => parse_json(&bytes).map(|value| Some(Self(value))),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.0).into_response();
        let no_store = http::HeaderValue::from_static("no-store");
        response.headers_mut().insert(http::header::CACHE_CONTROL, no_store);
        response
    }
}

/// A form-encoded body; JSON is taken as well, where a standard says form (RFC 7009, RFC 7662).
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "a name for one thing")]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if has_media_type(request.headers(), "application/json") {
            return <Json<T> as FromRequest<S>>::from_request(request, state)
                .await
                .map(|Json(value)| Self(value));
        }
        if !has_media_type(request.headers(), "application/x-www-form-urlencoded") {
            return Err(wrong_media_type("application/x-www-form-urlencoded"));
        }
        axum::Form::from_request(request, state)
            .await
            .map(|axum::Form(value)| Self(value))
            .map_err(|e| invalid("body", &e.to_string()))
    }
}

/// Path parameters; what does not parse is 400, naming the parameter.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "a name for one thing")]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(|e| invalid("path", &e.body_text()))
    }
}

/// Query parameters; what does not parse is 400, naming the parameter.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "a name for one thing")]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|e| invalid("query", &e.body_text()))
    }
}

fn has_media_type(headers: &HeaderMap, wanted: &str) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(wanted))
}

fn wrong_media_type(wanted: &str) -> ApiError {
    ApiError(
        Error::new(codes::UNSUPPORTED_MEDIA_TYPE)
            .detail(format!("send the body as `content-type: {wanted}`")),
    )
}

#[expect(clippy::needless_pass_by_value, reason = "the form `map_err` takes")]
fn unreadable(rejection: BytesRejection) -> ApiError {
    if rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError(codes::TOO_LARGE.into());
    }
    invalid("body", "the body could not be read")
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let field = e.path().to_string();
        invalid(if field == "." { "body" } else { &field }, &e.inner().to_string())
    })?;
    reader.end().map_err(|e| invalid("body", &e.to_string()))?;
    Ok(value)
}

fn invalid(field: &str, message: &str) -> ApiError {
    // Parsers quote what they could not read; a message is for people and need not be long.
    let message: String = message.chars().take(200).collect();
    ApiError(Error::new(codes::INVALID_REQUEST).field(field, message))
}
