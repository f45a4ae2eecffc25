//! The problem document of RFC 9457, built from an [`Error`] and from nothing else.

use serde::{Deserialize, Serialize};

use crate::{Error, FieldError, RequestId};

/// Where the problem types are documented.
const TYPE_BASE: &str = "https://prov.dev/problems/";

/// `application/problem+json` (RFC 9457). Context and source of the error never get here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// A stable URI that names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The stable code, for programs: `auth.token_expired`.
    pub code: String,
    /// A short phrase, the same for every problem of this type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time, and what to do.
    pub detail: String,
    /// The path that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Finds this request in the log and in the audit trail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// The fields that could not be accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// The client's view of `error`.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let code = error.code();
        Self {
            kind: format!("{TYPE_BASE}{}", code.slug()),
            code: code.name().to_owned(),
            title: code.title().to_owned(),
            status: code.kind().status(),
            detail: error.public_detail().to_owned(),
            instance: None,
            request_id: None,
            errors: error.fields().to_vec(),
        }
    }

    /// Names the request.
    #[must_use]
    pub fn about(mut self, path: &str, id: &RequestId) -> Self {
        self.instance = Some(path.to_owned());
        self.request_id = Some(id.clone());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    #[test]
    fn the_document_has_the_shape_clients_rely_on() {
        let error = Error::new(codes::INVALID_REQUEST)
            .detail("one field is wrong")
            .field("ttl", "a duration can't be negative")
            .context("secret context");
        let json = serde_json::to_string(&Problem::of(&error)).unwrap();
        assert!(json.starts_with(r#"{"type":"https://prov.dev/problems/invalid-request""#));
        assert!(json.contains(r#""errors":[{"field":"ttl","message":"#));
        assert!(!json.contains("secret context"));
    }
}
