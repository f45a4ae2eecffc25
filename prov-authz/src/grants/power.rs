//! Who may grant what, and who may take it back.

use prov_core::{Error, Result, SecurityContext};

use super::{Grant, Grants};
use crate::authorize::denial;
use crate::delegation::Delegated;
use crate::{AccessRequest, ResourceEntity, codes};

impl Grants {
    /// Nobody grants beyond what they hold.
    pub(super) fn may_grant(&self, caller: &SecurityContext, grant: &Grant) -> Result<()> {
        if self.over_grants(caller, "admin").is_ok() {
            return Ok(());
        }
        let beyond = |why: String| Err(Error::new(codes::GRANT_BEYOND_OWN).detail(why));
        let Some(resource) = &grant.resource else {
            return beyond(
                "only who may `admin` `grants` grants about no single resource".to_owned(),
            );
        };
        let Some((template, actions)) =
            self.engine.actions_of_template(&grant.template, &resource.kind)
        else {
            return beyond("there is no such template".to_owned());
        };
        let to_a_user = grant.principal.as_ref().is_some_and(|principal| principal.kind == "User");
        if !(template.by_holders
            && template.document.effect == "permit"
            && template.names_one_resource()
            && to_a_user)
        {
            return beyond(format!("only who may `admin` `grants` grants `{}` so", grant.template));
        }
        // Nothing is known of it but what prov itself knows: what is not stored is not held.
        let resource = ResourceEntity::new(resource.kind.clone(), resource.id.clone());
        for action in &actions {
            let request = AccessRequest::new(caller, &*self.clock, action, &resource);
            let by_actor = Delegated::of(caller, request).by_actor();
            for request in [Some(request), by_actor].into_iter().flatten() {
                let decision = self.engine.decide_without_grants(&request);
                if !decision.allowed {
                    let why = denial(&decision, action, &resource);
                    return beyond(format!(
                        "you grant what you may not do: {}",
                        why.public_detail()
                    ));
                }
            }
        }
        if actions.is_empty() {
            beyond("nothing can be done to this type".to_owned())
        } else {
            Ok(())
        }
    }

    /// Whoever gave it, or may delete any.
    pub(super) fn may_revoke(&self, caller: &SecurityContext, grant: &Grant) -> Result<()> {
        let gave_it = caller.actor().is_none() && grant.granted_by == caller.principal().id;
        if gave_it { Ok(()) } else { self.over_grants(caller, "delete") }
    }

    fn over_grants(&self, caller: &SecurityContext, action: &str) -> Result<()> {
        let all = ResourceEntity::api("grants");
        let request = AccessRequest::new(caller, &*self.clock, action, &all);
        let decision = Delegated::of(caller, request).decide(&*self.engine);
        if decision.allowed { Ok(()) } else { Err(denial(&decision, action, &all)) }
    }
}
