use serde::Serialize;

/// A problem document (RFC 9457), as the OpenAPI document describes it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
#[non_exhaustive]
pub struct ProblemDocument {
    /// A stable URI that names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "https://prov.dev/problems/invalid-request")]
    pub kind: String,
    /// The stable code, for programs.
    #[schema(example = "core.invalid_request")]
    pub code: String,
    /// A short phrase.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong, and what to do.
    pub detail: String,
    /// The path that was asked for.
    pub instance: Option<String>,
    /// Finds this request in the log and in the audit trail.
    pub request_id: Option<String>,
    /// The fields that could not be accepted.
    pub errors: Option<Vec<FieldErrorDocument>>,
}

/// One field that could not be accepted.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = FieldError)]
#[non_exhaustive]
pub struct FieldErrorDocument {
    /// The field, as a path.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// The problems any endpoint may answer with.
#[derive(Debug, utoipa::IntoResponses)]
#[non_exhaustive]
pub enum CommonErrors {
    /// The request is not valid; `errors` names the fields.
    #[response(status = 400, content_type = "application/problem+json")]
    InvalidRequest(#[to_schema] ProblemDocument),
    /// Sign in, or prove yourself again (`WWW-Authenticate` says which).
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(#[to_schema] ProblemDocument),
    /// Not permitted.
    #[response(status = 403, content_type = "application/problem+json")]
    Denied(#[to_schema] ProblemDocument),
    /// No such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] ProblemDocument),
    /// This path does not take this method.
    #[response(status = 405, content_type = "application/problem+json")]
    MethodNotAllowed(#[to_schema] ProblemDocument),
    /// The state has changed meanwhile.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(#[to_schema] ProblemDocument),
    /// It was there and has ended.
    #[response(status = 410, content_type = "application/problem+json")]
    Gone(#[to_schema] ProblemDocument),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] ProblemDocument),
    /// The body has a type that is not understood here.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(#[to_schema] ProblemDocument),
    /// Too many requests; `Retry-After` says when.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(#[to_schema] ProblemDocument),
    /// Our fault.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(#[to_schema] ProblemDocument),
    /// Something this answer needs is away, full or overloaded.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] ProblemDocument),
}
