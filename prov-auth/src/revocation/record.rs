//! Revocations as they are remembered.

use prov_core::Timestamp;
use prov_core::store::Entity;
use serde::{Deserialize, Serialize};

/// What was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    Session(String),
    Token(String),
    User(String),
    Everything,
}

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RevocationRecord {
    pub(super) target: Target,
    /// What was made in an earlier generation is revoked; 0 for a session or token, which is revoked
    /// by its name.
    #[serde(default)]
    pub(super) generation: u64,
    pub(super) until: Timestamp,
}

impl Entity for RevocationRecord {
    const KIND: &'static str = "auth.revocation";

    fn id(&self) -> String {
        match &self.target {
            Target::Session(id) => format!("session:{id}"),
            Target::Token(id) => format!("token:{id}"),
            Target::User(id) => format!("user:{id}"),
            Target::Everything => "everything".to_owned(),
        }
    }

    fn expires_at(&self) -> Option<Timestamp> {
        // What is revoked for everybody is one number, kept for ever.
        (self.target != Target::Everything).then_some(self.until)
    }
}

/// How many generations there have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GenerationRecord {
    pub(super) generation: u64,
}

impl GenerationRecord {
    pub(super) const ID: &'static str = "current";
}

impl Entity for GenerationRecord {
    const KIND: &'static str = "auth.revocation_generation";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}
