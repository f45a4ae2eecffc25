//! Teams: what users belong to and policies speak of.

use prov_core::store::Entity;
use prov_core::{TeamName, Timestamp};
use serde::{Deserialize, Serialize};

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Team {
    /// Its name, which is also its id.
    pub name: TeamName,
    /// What it is for, up to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the shipped policies name it; such a team can't be deleted.
    pub shipped: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Team {
    pub(crate) fn new(name: TeamName, description: Option<String>, now: Timestamp) -> Self {
        let shipped = TeamName::SHIPPED.contains(&name.as_str());
        Self { name, description, shipped, created_at: now }
    }
}

/// A team is written again, unchanged, whenever somebody joins it: deleting it at the same moment
/// then fails instead of leaving a member of a team that does not exist.
impl Entity for Team {
    const KIND: &'static str = "auth.team";

    fn id(&self) -> String {
        self.name.as_str().to_owned()
    }
}
