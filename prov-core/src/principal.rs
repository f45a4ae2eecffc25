//! Who acts.

use serde::{Deserialize, Serialize};

use crate::{Role, TeamName};

/// What kind of actor a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PrincipalKind {
    /// A person with an account.
    User,
    /// A program, named by its SPIFFE ID or API token.
    Workload,
    /// prov itself, doing background work.
    System,
}

/// Who acts: stable id, current name, roles and teams at the time of authentication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Principal {
    /// What kind of actor.
    pub kind: PrincipalKind,
    /// Stable id: `user_01J…` for a person, a SPIFFE ID for a workload.
    pub id: String,
    /// The name people know it by; personal data of a person.
    pub name: String,
    /// Roles held directly; see [`Role::includes`] for those held by inheritance.
    pub roles: Vec<Role>,
    /// Teams.
    pub teams: Vec<TeamName>,
}

impl Principal {
    /// A principal without roles or teams.
    #[must_use]
    pub fn new(kind: PrincipalKind, id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, id: id.into(), name: name.into(), roles: Vec::new(), teams: Vec::new() }
    }

    /// With these roles.
    #[must_use]
    pub fn with_roles(mut self, roles: impl IntoIterator<Item = Role>) -> Self {
        self.roles = roles.into_iter().collect();
        self
    }

    /// With these teams.
    #[must_use]
    pub fn with_teams(mut self, teams: impl IntoIterator<Item = TeamName>) -> Self {
        self.teams = teams.into_iter().collect();
        self
    }

    /// Whether a role is held, directly or by inheritance.
    #[must_use]
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.iter().any(|held| held.includes(role))
    }
}
