//! The policy.

use std::time::Duration;

use prov_core::{Role, TeamName, duration_text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::MfaPolicy;

/// Who must have a second factor.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PolicyBody {
    /// Whoever has one of these roles, directly or by inheritance.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["operator"]))]
    pub roles: Vec<Role>,
    /// Whoever is in one of these teams.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["sre"]))]
    pub teams: Vec<TeamName>,
    /// How long somebody may go on without, from their first sign-in under the policy; at most `90d`.
    #[serde(default, with = "duration_text")]
    #[schema(value_type = String, example = "7d")]
    pub grace: Duration,
}

impl PolicyBody {
    pub(in crate::api) fn of(policy: MfaPolicy) -> Self {
        Self {
            roles: policy.roles.into_iter().collect(),
            teams: policy.teams.into_iter().collect(),
            grace: policy.grace,
        }
    }

    pub(in crate::api) fn into_policy(self) -> MfaPolicy {
        MfaPolicy::of_roles(self.roles).with_teams(self.teams).with_grace(self.grace)
    }
}
