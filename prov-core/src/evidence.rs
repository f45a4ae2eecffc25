//! The port through which a running component proves what it does.

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Result;

/// One fact that was read from the running system, with the moment it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Evidence {
    /// Which fact: `auth.password_hashing`, `audit.checkpoint`.
    pub name: String,
    /// When it was read.
    pub observed_at: Timestamp,
    /// The fact, without secrets.
    pub value: serde_json::Value,
}

impl Evidence {
    /// A fact read at this moment.
    #[must_use]
    pub fn new(name: impl Into<String>, observed_at: Timestamp, value: serde_json::Value) -> Self {
        Self { name: name.into(), observed_at, value }
    }
}

/// A component that can prove what it does. Contract: every fact is read from the live state when
/// asked, never from configuration text or a constant.
#[async_trait]
pub trait EvidenceSource: Debug + Send + Sync + 'static {
    /// Who speaks: `prov-auth`.
    fn source(&self) -> &'static str;

    /// Everything it can prove now.
    ///
    /// # Errors
    /// When the live state can't be read.
    async fn collect(&self) -> Result<Vec<Evidence>>;
}
