//! The port through which data about a person is found, exported and erased without knowing where it
//! lies (GDPR articles 15, 17 and 20).

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Result, SecurityContext, UserId};

/// One record held about a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SubjectRecord {
    /// What kind of record: `auth.user`, `auth.session`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// What it says, without secrets.
    pub data: serde_json::Value,
}

impl SubjectRecord {
    /// A record.
    #[must_use]
    pub fn new(kind: impl Into<String>, id: impl Into<String>, data: serde_json::Value) -> Self {
        Self { kind: kind.into(), id: id.into(), data }
    }
}

/// A holder of data about people. Contract: `export` gives everything this holder has about the
/// subject except secrets; after `erase` returns, a later `export` is empty.
#[async_trait]
pub trait SubjectData: Debug + Send + Sync + 'static {
    /// Who holds it: `prov-auth`.
    fn holder(&self) -> &'static str;

    /// Everything held about the subject, without secrets.
    ///
    /// # Errors
    /// When it can't be read completely; never a part of it.
    async fn export(&self, subject: &UserId) -> Result<Vec<SubjectRecord>>;

    /// Erases what is held and returns how many records went.
    ///
    /// # Errors
    /// When something could not be erased; it may be called again.
    async fn erase(&self, context: &SecurityContext, subject: &UserId) -> Result<u64>;
}
