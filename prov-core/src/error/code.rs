//! Stable error codes and the kinds they belong to.

use std::fmt;

/// The class of an error; decides the HTTP status in one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The request can't be understood or breaks a rule of its own (400).
    InvalidRequest,
    /// Who is asking is not known (401).
    Unauthenticated,
    /// Who is asking is known, but must prove it again or more strongly (401, RFC 9470).
    StepUpRequired,
    /// Who is asking is known and may not (403).
    Denied,
    /// There is no such thing, or the caller may not know of it (404).
    NotFound,
    /// The path exists, the method does not (405).
    MethodNotAllowed,
    /// The state has changed meanwhile, or the thing exists already (409).
    Conflict,
    /// It was there and has ended for good (410).
    Gone,
    /// The request is larger than allowed (413).
    TooLarge,
    /// The body is of a type that is not understood here (415).
    UnsupportedMediaType,
    /// The request is understood and contradicts what is known of it (422).
    Unprocessable,
    /// Too many requests (429).
    RateLimited,
    /// Our fault (500).
    Internal,
    /// Something this answer needs is away, full or overloaded (503).
    Unavailable,
}

impl Kind {
    /// The HTTP status of this kind (RFC 9110).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Unauthenticated | Self::StepUpRequired => 401,
            Self::Denied => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Unprocessable => 422,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

/// A stable, documented name for one way to fail: `auth.token_expired`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    name: &'static str,
    kind: Kind,
    title: &'static str,
}

impl Code {
    /// A code `crate.snake_case` of this kind with its public title (a phrase in lower case).
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, title: &'static str) -> Self {
        Self { name, kind, title }
    }

    /// The stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The class.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What the client reads.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// The last part of the problem type: `auth.token_expired` → `token-expired`.
    #[must_use]
    pub fn slug(&self) -> String {
        self.name.split_once('.').map_or(self.name, |(_, rest)| rest).replace(['_', '.'], "-")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
