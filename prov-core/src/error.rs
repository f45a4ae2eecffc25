//! One error for every crate: a stable code for the client, context and source for the log.

mod code;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

pub use code::{Code, Kind};
use serde::{Deserialize, Serialize};

/// `Result` with prov's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: one word wide, cheap to return.
///
/// Two audiences: the client sees the [`Code`], its title, [`detail`](Self::detail) and
/// [`fields`](Self::field); the log also sees [`context`](Self::context) and the source. Nothing in
/// `context` may be needed by the client, nothing in `detail` may be a secret or an internal path.
pub struct Error(Box<Inner>);

struct Inner {
    code: Code,
    detail: Option<Cow<'static, str>>,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    context: Vec<Cow<'static, str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// One field of the request that could not be accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FieldError {
    /// The field, as a path: `context.mfa_verified`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub message: String,
}

impl Error {
    /// An error with this code.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner {
            code,
            detail: None,
            fields: Vec::new(),
            retry_after: None,
            context: Vec::new(),
            source: None,
        }))
    }

    /// What the client is told beyond the code's title: what was wrong and what to do.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Names a field that could not be accepted; told to the client.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.0.fields.push(FieldError { field: field.into(), message: message.into() });
        self
    }

    /// When trying again makes sense; becomes `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// What was being done, for the log only. Later calls stand further out.
    #[must_use]
    pub fn context(mut self, context: impl Into<Cow<'static, str>>) -> Self {
        self.0.context.push(context.into());
        self
    }

    /// The error underneath, for the log only.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The kind of its code.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.code.kind()
    }

    /// What the client is told: the detail, or else the code's title.
    #[must_use]
    pub fn public_detail(&self) -> &str {
        self.0.detail.as_deref().unwrap_or(self.0.code.title())
    }

    /// The fields that could not be accepted.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        &self.0.fields
    }

    /// When trying again makes sense.
    #[must_use]
    pub fn retry_after_hint(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether this error has this code.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        self.0.code == code
    }
}

/// The client's view: code and detail. Context and source are in [`Debug`] only.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.public_detail(), self.0.code.name())?;
        for field in &self.0.fields {
            write!(f, "; `{}`: {}", field.field, field.message)?;
        }
        Ok(())
    }
}

/// The log's view: everything.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        for context in &self.0.context {
            write!(f, "; while: {context}")?;
        }
        let mut next = self.0.source.as_deref().map(|s| s as &dyn StdError);
        while let Some(source) = next {
            write!(f, "; because: {source}")?;
            next = source.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    #[test]
    fn an_error_is_one_word_wide() {
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }

    #[test]
    fn what_is_for_the_log_never_shows_in_display() {
        let error = Error::new(codes::INTERNAL)
            .context("reading /var/lib/prov/root.key")
            .source("permission denied");
        assert!(!error.to_string().contains("root.key"));
        assert!(!error.to_string().contains("permission"));
        assert!(format!("{error:?}").contains("because: permission denied"));
    }
}
