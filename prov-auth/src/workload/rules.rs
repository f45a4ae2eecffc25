//! Who programs are here.

use prov_core::{Error, Principal, PrincipalKind, Result, Role, TeamName, codes};

use super::SpiffeId;

/// Which programs are meant, and what they get.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkloadRule {
    pattern: Pattern,
    roles: Vec<Role>,
    teams: Vec<TeamName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exactly(SpiffeId),
    /// Every id below this one.
    Below(SpiffeId),
}

impl WorkloadRule {
    /// A rule for one id, `spiffe://example.org/ns/prov/sa/api`, or for all below one:
    /// `spiffe://example.org/ns/prov/*`. There are no other patterns.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] for anything else.
    pub fn new(pattern: &str, roles: impl IntoIterator<Item = Role>) -> Result<Self> {
        let pattern = match pattern.strip_suffix("/*") {
            Some(above) => Pattern::Below(above.parse()?),
            None => Pattern::Exactly(pattern.parse()?),
        };
        if matches!(&pattern, Pattern::Exactly(id) if id.path().is_empty()) {
            return Err(Error::new(codes::INVALID_REQUEST)
                .detail("a trust domain by itself is no program: name a path, or `/*` for all"));
        }
        Ok(Self { pattern, roles: roles.into_iter().collect(), teams: Vec::new() })
    }

    /// With these teams.
    #[must_use]
    pub fn with_teams(mut self, teams: impl IntoIterator<Item = TeamName>) -> Self {
        self.teams = teams.into_iter().collect();
        self
    }

    fn means(&self, id: &SpiffeId) -> bool {
        match &self.pattern {
            Pattern::Exactly(known) => known == id,
            Pattern::Below(above) => {
                // The slash belongs to it: `/ns/prov` is not above `/ns/provider`.
                id.as_str()
                    .strip_prefix(above.as_str())
                    .is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
            }
        }
    }
}

/// All rules. Several that mean a program add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkloadRules(Vec<WorkloadRule>);

impl WorkloadRules {
    /// These.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = WorkloadRule>) -> Self {
        Self(rules.into_iter().collect())
    }

    /// Who a program is; `None` when no rule knows it.
    pub(super) fn principal(&self, id: &SpiffeId) -> Option<Principal> {
        let mut meant = self.0.iter().filter(|rule| rule.means(id)).peekable();
        meant.peek()?;
        let (mut roles, mut teams) = (Vec::new(), Vec::new());
        for rule in meant {
            roles.extend(&rule.roles);
            teams.extend(rule.teams.iter().cloned());
        }
        roles.sort_unstable();
        roles.dedup();
        teams.sort_unstable();
        teams.dedup();
        let principal = Principal::new(PrincipalKind::Workload, id.as_str(), id.as_str());
        Some(principal.with_roles(roles).with_teams(teams))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_mean_one_program_or_all_below_a_path_and_add_up() {
        let rules = WorkloadRules::new([
            WorkloadRule::new("spiffe://example.org/ns/prov/*", [Role::Viewer]).unwrap(),
            WorkloadRule::new("spiffe://example.org/ns/prov/sa/api", [Role::Operator])
                .unwrap()
                .with_teams(["sre".parse().unwrap()]),
        ]);
        let who = |id: &str| rules.principal(&id.parse().unwrap());
        let api = who("spiffe://example.org/ns/prov/sa/api").unwrap();
        assert_eq!((api.roles, api.teams.len()), (vec![Role::Operator, Role::Viewer], 1));
        assert_eq!(who("spiffe://example.org/ns/prov/sa/db").unwrap().roles, [Role::Viewer]);
        for other in [
            "spiffe://example.org/ns/prov",
            "spiffe://example.org/ns/provider/x",
            "spiffe://example.org.evil/ns/prov/x",
            "spiffe://other.org/ns/prov/x",
            "spiffe://example.org",
        ] {
            assert_eq!(who(other), None, "{other}");
        }
        let domain = WorkloadRules::new([WorkloadRule::new("spiffe://example.org/*", []).unwrap()]);
        assert!(domain.principal(&"spiffe://example.org/x".parse().unwrap()).is_some());
        assert!(domain.principal(&"spiffe://example.org".parse().unwrap()).is_none());
        for bad in ["", "*", "spiffe://*", "spiffe://example.org", "spiffe://example.org/a*", "/x"]
        {
            assert!(WorkloadRule::new(bad, []).is_err(), "{bad}");
        }
    }
}
