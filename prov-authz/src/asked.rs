//! What the audit log keeps of a question, so that it can be decided again.

use prov_core::audit::{Asked, Resource};
use serde_json::{Map, Value};

use crate::{AccessRequest, Claims, EntityRef};

/// Attributes, parents and claims of more bytes are left out of the record: an event has to fit
/// into the log whatever was asked.
const LARGEST: usize = 16 * 1024;

impl AccessRequest<'_> {
    /// What the audit log keeps of this question.
    #[must_use]
    pub fn asked(&self) -> Asked {
        let of = |entity: &EntityRef| Resource::new(entity.kind.as_ref(), entity.id.as_ref());
        let (action, resource) = (self.action, of(&self.resource.entity));
        let mut asked = Asked::new(self.principal, action, resource, self.circumstances.time);
        asked.mfa_verified = self.circumstances.mfa_verified;
        let claims = claimed(self.claims);
        let parents: usize =
            self.resource.parents.iter().map(|p| p.kind.len() + p.id.len() + 24).sum();
        let values = size_of_members(&self.resource.attributes) + size_of_members(&claims);
        if values + parents > LARGEST {
            asked.shortened = true;
            return asked;
        }
        asked.attributes.clone_from(&self.resource.attributes);
        asked.parents = self.resource.parents.iter().map(of).collect();
        asked.claims = claims;
        asked
    }
}

/// The claims as the record keeps them: of a reason only that there was one.
fn claimed(claims: &Claims) -> Map<String, Value> {
    let text = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| (name.to_owned(), Value::from(value.as_str())))
    };
    [
        text("approval_id", &claims.approval_id),
        claims.reason.as_ref().map(|_| ("reason".to_owned(), Value::Bool(true))),
        claims.force.map(|force| ("force".to_owned(), Value::Bool(force))),
        text("ssh_key_fingerprint", &claims.ssh_key_fingerprint),
    ]
    .into_iter()
    .flatten()
    .chain(claims.facts().map(|(name, value)| (name.to_owned(), value.clone())))
    .collect()
}

fn size_of_members(members: &Map<String, Value>) -> usize {
    members.iter().map(|(name, value)| name.len() + 4 + size_of(value)).sum()
}

/// About how many bytes a value takes as JSON.
fn size_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 20,
        // Escapes can make six bytes of one.
        Value::String(text) => {
            2 + text.bytes().map(|b| if b < b' ' { 6 } else { 2 }).sum::<usize>()
        }
        Value::Array(items) => 2 + items.iter().map(|item| 1 + size_of(item)).sum::<usize>(),
        Value::Object(members) => 2 + size_of_members(members),
    }
}

#[cfg(test)]
mod tests {
    use prov_core::{Principal, PrincipalKind, Role, Timestamp};
    use serde_json::json;

    use super::*;
    use crate::{Circumstances, ResourceEntity};

    fn asked(resource: &ResourceEntity, claims: &Claims) -> Asked {
        let ann = Principal::new(PrincipalKind::User, "user_ann", "ann")
            .with_roles([Role::Viewer])
            .with_teams(["sre".parse().unwrap()]);
        let from = Some([10, 0, 0, 1].into());
        let circumstances = Circumstances::new(true, from, Timestamp::UNIX_EPOCH);
        AccessRequest::by(&ann, circumstances, "deploy", resource).with_claims(claims).asked()
    }

    #[test]
    fn everything_a_decision_depends_on_is_kept_and_nothing_personal() {
        let server = ResourceEntity::new("Server", "web-1")
            .with("workspace", "shop")
            .within("Workspace", "s");
        let claims = Claims::NONE.with_approval("CHG-1").with_reason("for Bob").with_force(true);
        let kept = serde_json::to_value(asked(&server, &claims)).unwrap();
        let expected = json!({
            "principal": {"kind": "user", "id": "user_ann", "roles": ["viewer"], "teams": ["sre"]},
            "action": "deploy",
            "resource": {"type": "Server", "id": "web-1"},
            "attributes": {"workspace": "shop"},
            "parents": [{"type": "Workspace", "id": "s"}],
            "mfa_verified": true,
            "time": "1970-01-01T00:00:00Z",
            "claims": {"approval_id": "CHG-1", "reason": true, "force": true},
        });
        assert_eq!(kept, expected);
    }

    #[test]
    fn what_is_too_large_for_the_log_is_left_out_and_said_to_be() {
        let long = ResourceEntity::new("Server", "web-1").with("hostname", "\u{1}".repeat(4_000));
        let kept = asked(&long, &Claims::NONE.with_approval("CHG-1"));
        assert!(kept.shortened && kept.attributes.is_empty() && kept.claims.is_empty());
        assert!(serde_json::to_vec(&kept).unwrap().len() < 1_024);
        let nested = ResourceEntity::new("Server", "web-1").with("tags", vec!["x"; 10_000]);
        assert!(asked(&nested, &Claims::NONE).shortened);
        let many = (0..1_000).fold(ResourceEntity::new("Server", "web-1"), |server, at| {
            server.within("Workspace", format!("workspace-{at}"))
        });
        assert!(asked(&many, &Claims::NONE).shortened);
    }
}
