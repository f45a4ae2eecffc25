//! Who must have a second factor.

use std::collections::BTreeSet;
use std::time::Duration;

use prov_core::store::Entity;
use prov_core::{Error, Result, Role, TeamName, codes, duration_text};
use serde::{Deserialize, Serialize};

/// The longest grace: longer is no rule.
const LONGEST_GRACE: Duration = Duration::from_hours(90 * 24);

/// Who must have a second factor, by role and by team. Without a policy, nobody must.
///
/// A role counts where it is held, directly or by inheritance: who must have a factor as `operator`
/// must have one as `admin`.
///
/// ```
/// use std::time::Duration;
/// use prov_core::Role;
/// use prov_mfa::MfaPolicy;
///
/// let policy = MfaPolicy::of_roles([Role::Operator]).with_grace(Duration::from_hours(7 * 24));
/// assert!(policy.asks(&[Role::Admin], &[]) && !policy.asks(&[Role::Viewer], &[]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MfaPolicy {
    /// Whoever has one of these roles.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
    /// Whoever is in one of these teams.
    #[serde(default)]
    pub teams: BTreeSet<TeamName>,
    /// How long somebody may go on without, from their first sign-in under the policy; at most 90 days.
    #[serde(default, with = "duration_text")]
    pub grace: Duration,
}

impl MfaPolicy {
    /// Whoever has one of these roles, at once.
    #[must_use]
    pub fn of_roles(roles: impl IntoIterator<Item = Role>) -> Self {
        Self { roles: roles.into_iter().collect(), ..Self::default() }
    }

    /// And whoever is in one of these teams.
    #[must_use]
    pub fn with_teams(mut self, teams: impl IntoIterator<Item = TeamName>) -> Self {
        self.teams = teams.into_iter().collect();
        self
    }

    /// After this grace.
    #[must_use]
    pub const fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Whether somebody with these roles and teams must have a second factor.
    #[must_use]
    pub fn asks(&self, roles: &[Role], teams: &[TeamName]) -> bool {
        let by_role = roles.iter().any(|held| self.roles.iter().any(|asked| held.includes(*asked)));
        by_role || teams.iter().any(|team| self.teams.contains(team))
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.grace > LONGEST_GRACE {
            return Err(Error::new(codes::INVALID_REQUEST).field("grace", "at most `90d`"));
        }
        Ok(())
    }
}

/// The policy in force.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct PolicyRecord {
    pub(crate) policy: MfaPolicy,
}

impl PolicyRecord {
    pub(crate) const ID: &'static str = "policy";
}

impl Entity for PolicyRecord {
    const KIND: &'static str = "mfa.policy";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}
