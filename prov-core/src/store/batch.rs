//! Writing records atomically.

use bytes::Bytes;
use jiff::Timestamp;

use super::{Key, Term, Version};

/// What must hold for an operation to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "stores of third parties match on it")]
pub enum Expect {
    /// Nothing.
    Any,
    /// There is no such record (or it has expired).
    Absent,
    /// The record is in exactly this state.
    Version(Version),
}

/// One operation of a batch.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "stores of third parties match on it")]
pub enum Operation {
    /// Writes a record with all its terms; earlier terms go.
    Put {
        /// Which.
        key: Key,
        /// The bytes.
        value: Bytes,
        /// When it ends, if it does.
        expires_at: Option<Timestamp>,
        /// What it can be found by.
        terms: Vec<Term>,
        /// What must hold.
        expect: Expect,
    },
    /// Deletes a record; deleting what is not there is no error under [`Expect::Any`].
    Delete {
        /// Which.
        key: Key,
        /// What must hold.
        expect: Expect,
    },
    /// Writes nothing, but the batch fails unless this holds.
    Check {
        /// Which.
        key: Key,
        /// What must hold.
        expect: Expect,
    },
}

/// Operations that are applied together or not at all.
#[derive(Debug, Clone, Default)]
#[must_use = "a batch does nothing until it is committed"]
pub struct Batch {
    operations: Vec<Operation>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operation.
    pub fn with(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Adds all operations of another batch.
    pub fn and(mut self, other: Self) -> Self {
        self.operations.extend(other.operations);
        self
    }

    /// Writes bytes without end or terms.
    pub fn put(self, key: Key, value: impl Into<Bytes>, expect: Expect) -> Self {
        let value = value.into();
        self.with(Operation::Put { key, value, expires_at: None, terms: Vec::new(), expect })
    }

    /// Deletes a record.
    pub fn delete(self, key: Key, expect: Expect) -> Self {
        self.with(Operation::Delete { key, expect })
    }

    /// Requires a state without changing it.
    pub fn check(self, key: Key, expect: Expect) -> Self {
        self.with(Operation::Check { key, expect })
    }

    /// The operations, in order.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operations, in order.
    #[must_use]
    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
    }
}
