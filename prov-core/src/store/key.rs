//! What names a record, and what it can be found by.

use std::borrow::Cow;
use std::fmt;

/// Names one record: what kind of thing, and which.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "these two are all there is")]
pub struct Key {
    /// The kind, `crate.snake_case`: `auth.user`.
    pub kind: Cow<'static, str>,
    /// The id, unique within its kind. Never personal data: it is stored in the clear.
    pub id: String,
}

impl Key {
    /// A key.
    #[must_use]
    pub fn new(kind: impl Into<Cow<'static, str>>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

/// Something a record can be found by besides its id: a name and a value, compared exactly. A sealed
/// store keeps a keyed hash of the value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "these two are all there is")]
pub struct Term {
    /// What it is: `username`.
    pub name: Cow<'static, str>,
    /// Its value; may be personal.
    pub value: String,
}

impl Term {
    /// A term.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// Without the value, which may be personal.
impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}
