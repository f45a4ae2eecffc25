use std::collections::BTreeSet;

use prov_core::TeamName;

use super::grounds::Grounds;
use crate::AccessRequest;
use crate::anatomy::Part;
use crate::cedar::Rule;

/// The teams that a permit names and to whose members it would be allowed as the request stands.
pub(super) fn allowed(
    grounds: &Grounds<'_>,
    near: &[(&Rule, Part)],
    request: &AccessRequest<'_>,
) -> Vec<String> {
    /// Nobody reads more, and each costs a decision.
    const MOST_TEAMS: usize = 8;
    let others = near.iter().filter(|(_, missed)| *missed == Part::Principal);
    let groups = others.filter_map(|(rule, _)| rule.scope.principal());
    let teams = groups.filter(|group| group.kind.rsplit("::").next() == Some("Team"));
    let named: BTreeSet<_> = teams.map(|team| team.id).collect();
    let would_be_allowed = |name: &&str| {
        let Ok(team) = name.parse::<TeamName>() else { return false };
        let mut member = request.principal.clone();
        member.teams.push(team);
        (grounds.decide)(&AccessRequest { principal: &member, ..*request }).allowed
    };
    let allowed = named.into_iter().take(MOST_TEAMS).filter(would_be_allowed);
    allowed.map(str::to_owned).collect()
}
