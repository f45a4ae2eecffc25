//! The engine and the grants beside its policies.

use std::sync::Arc;

use prov_core::{Error, Result, codes};

use super::super::entities::check_id;
use super::super::granted::Granted;
use super::super::live::Live;
use super::CedarEngine;
use crate::load::PolicyTemplate;
use crate::{AccessRequest, Decision, Grant};

impl CedarEngine {
    /// Puts these grants in force, and no others; whoever decides sees them before this returns.
    pub(crate) fn set_grants(&self, grants: Vec<Grant>) {
        let _changing = self.changing.lock();
        let before = self.live.load();
        let granted = Arc::new(Granted::of(&before.set.compiled, grants.into(), &before.granted));
        let (set, entities) = (Arc::clone(&before.set), Arc::clone(&before.entities));
        self.live.store(Arc::new(Live { set, entities, granted }));
    }

    /// The grants in force.
    #[must_use]
    pub fn grants(&self) -> Arc<[Grant]> {
        Arc::clone(&self.live.load().granted.grants)
    }

    /// Whether a grant fits a template in force.
    pub(crate) fn check_grant(&self, grant: &Grant) -> Result<()> {
        let live = self.live.load();
        let template = live.compiled.templates.get(&grant.template).ok_or_else(|| {
            Error::new(codes::INVALID_REQUEST).field("template", "there is no template of this id")
        })?;
        let (principal, resource) = (grant.principal.as_ref(), grant.resource.as_ref());
        for (field, entity) in [("principal.id", principal), ("resource.id", resource)] {
            entity.map_or(Ok(()), |entity| check_id(field, &entity.id))?;
        }
        let kinds = ["User", "Team", "Role"];
        if principal.is_some_and(|principal| !kinds.contains(&principal.kind.as_ref())) {
            let message = "a `User`, a `Team` or a `Role`";
            return Err(Error::new(codes::INVALID_REQUEST).field("principal.type", message));
        }
        template.filled(&live.compiled.facts, grant.id.as_str(), principal, resource).map(drop)
    }

    /// A template in force, and the actions it is about on resources of a type.
    pub(crate) fn actions_of_template(
        &self,
        id: &str,
        kind: &str,
    ) -> Option<(Arc<PolicyTemplate>, Vec<String>)> {
        let template = self.live.load().compiled.templates.get(id).cloned()?;
        let mut actions = self.actions_on(kind);
        actions.retain(|name| template.actions.as_ref().is_none_or(|named| named.contains(name)));
        // A group of actions stands for what is in it, which nobody worked out here.
        let all_known = template.actions.as_ref().is_none_or(|named| named.len() == actions.len());
        if !all_known {
            actions.clear();
        }
        Some((template, actions))
    }

    /// What the policies by themselves say, uncounted: nobody passes on what was granted to them.
    pub(crate) fn decide_without_grants(&self, asked: &AccessRequest<'_>) -> Decision {
        self.decide_at(&self.live.load(), asked, None)
    }
}
