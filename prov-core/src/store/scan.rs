//! Reading records in order.

use std::borrow::Cow;
use std::num::NonZeroU32;

use bytes::Bytes;
use jiff::Timestamp;

use super::Term;

/// The state of a record: rises with every write, never repeats for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// For stores: the version of this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// For stores: its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// One stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores of third parties make them")]
pub struct Record {
    /// Its id within its kind.
    pub id: String,
    /// What was put.
    pub value: Bytes,
    /// Its state.
    pub version: Version,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}

/// What to read: records of one kind, by id prefix and, if given, by one term.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scan {
    /// The kind.
    pub kind: Cow<'static, str>,
    /// Only ids that start with this.
    pub prefix: String,
    /// Only records that carry this term.
    pub term: Option<Term>,
    /// Only ids after this one.
    pub after: Option<String>,
    /// At most this many; stores cap it at 1000.
    pub limit: NonZeroU32,
}

impl Scan {
    /// The largest page.
    pub const MAX_LIMIT: NonZeroU32 = NonZeroU32::new(1000).unwrap();

    /// All records of a kind, from the start, up to 1000.
    #[must_use]
    pub fn kind(kind: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: kind.into(),
            prefix: String::new(),
            term: None,
            after: None,
            limit: Self::MAX_LIMIT,
        }
    }

    /// Only ids that start with `prefix`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Only records that carry `term`.
    #[must_use]
    pub fn with_term(mut self, term: Term) -> Self {
        self.term = Some(term);
        self
    }

    /// Continues after a page's cursor.
    #[must_use]
    pub fn after(mut self, id: Option<String>) -> Self {
        self.after = id;
        self
    }

    /// At most `limit` records.
    #[must_use]
    pub fn limit(mut self, limit: NonZeroU32) -> Self {
        self.limit = limit.min(Self::MAX_LIMIT);
        self
    }
}

/// A part of the answer to a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores of third parties make them")]
pub struct Page {
    /// The records, ids ascending.
    pub records: Vec<Record>,
    /// The last id of this page when there may be more; give it to [`Scan::after`].
    pub next: Option<String>,
}
