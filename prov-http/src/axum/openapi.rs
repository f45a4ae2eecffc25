use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

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

/// The problems any endpoint may answer with: name, status, and when.
const COMMON: [(&str, &str, &str); 13] = [
    ("InvalidRequest", "400", "The request is not valid; `errors` names the fields."),
    ("Unauthenticated", "401", "Sign in, or prove yourself again (`WWW-Authenticate` says which)."),
    ("Denied", "403", "Not permitted."),
    ("NotFound", "404", "No such thing."),
    ("MethodNotAllowed", "405", "This path does not take this method."),
    ("Conflict", "409", "The state has changed meanwhile."),
    ("Gone", "410", "It was there and has ended."),
    ("TooLarge", "413", "The body is too large."),
    ("UnsupportedMediaType", "415", "The body has a type that is not understood here."),
    (
        CommonErrors::UNPROCESSABLE,
        "422",
        "The request contradicts an earlier one: an `Idempotency-Key` came with another body before.",
    ),
    ("RateLimited", "429", "Too many requests; `Retry-After` says when."),
    ("Internal", "500", "Our fault."),
    ("Unavailable", "503", "Something this answer needs is away, full or overloaded."),
];

/// The problems any endpoint may answer with. In `#[utoipa::path(responses(…, CommonErrors))]` it
/// stands for references to them; as a modifier of the whole document it defines them once.
///
/// ```
/// use prov_http::axum::CommonErrors;
/// use utoipa::OpenApi;
///
/// #[derive(OpenApi)]
/// #[openapi(modifiers(&CommonErrors))]
/// struct Document;
///
/// let components = Document::openapi().components.unwrap();
/// assert!(components.responses.contains_key("NotFound"));
/// assert!(components.schemas.contains_key("Problem"));
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::exhaustive_structs, reason = "a name without content")]
pub struct CommonErrors;

impl CommonErrors {
    /// The name of the one that only requests with an `Idempotency-Key` get; it is defined with the
    /// others and not among the references.
    pub const UNPROCESSABLE: &str = "Unprocessable";
}

impl utoipa::IntoResponses for CommonErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let reference = |(name, status, _): (&str, &str, &str)| {
            (status.to_owned(), Ref::from_response_name(name).into())
        };
        let of_any = |(name, _, _): &(&str, &str, &str)| *name != Self::UNPROCESSABLE;
        COMMON.into_iter().filter(of_any).map(reference).collect()
    }
}

impl utoipa::Modify for CommonErrors {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut schemas = Vec::new();
        ProblemDocument::schemas(&mut schemas);
        schemas.push((ProblemDocument::name().into_owned(), ProblemDocument::schema()));
        components.schemas.extend(schemas);
        for (name, _, description) in COMMON {
            let problem = Ref::from_schema_name(ProblemDocument::name());
            let content = ContentBuilder::new().schema(Some(problem)).build();
            let response = ResponseBuilder::new()
                .description(description)
                .content("application/problem+json", content)
                .build();
            components.responses.insert(name.to_owned(), response.into());
        }
    }
}
