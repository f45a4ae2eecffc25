//! How a component says whether it can do its work.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Whether a component can do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HealthState {
    /// Fully.
    Up,
    /// In part; the detail says which part is missing.
    Degraded,
    /// Not at all.
    Down,
}

/// The state of one component, for `readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// Whether it can work.
    pub state: HealthState,
    /// Why not, for an operator; no secrets, no internal paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Health {
    /// All is well.
    #[must_use]
    pub const fn up() -> Self {
        Self { state: HealthState::Up, detail: None }
    }

    /// Works in part.
    #[must_use]
    pub fn degraded(detail: impl Into<String>) -> Self {
        Self { state: HealthState::Degraded, detail: Some(detail.into()) }
    }

    /// Does not work.
    #[must_use]
    pub fn down(detail: impl Into<String>) -> Self {
        Self { state: HealthState::Down, detail: Some(detail.into()) }
    }
}

/// A component that can be asked how it is. Contract: answers within a second.
#[async_trait]
pub trait HealthCheck: Debug + Send + Sync + 'static {
    /// The name `readyz` shows: `store`, `signing_key`, `policies`, `kms`, `audit`.
    fn component(&self) -> &'static str;

    /// How it is now.
    async fn health(&self) -> Health;
}
