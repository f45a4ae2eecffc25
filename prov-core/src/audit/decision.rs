//! The decision behind an event, with what is needed to decide it again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Resource;
use crate::{Principal, PrincipalKind, Role, TeamName};

/// The decision that allowed or refused it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DecisionRecord {
    /// Names the decision.
    pub id: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// The policies that determined it.
    pub policies: Vec<String>,
    /// The revision of the policy set that reproduces it.
    pub revision: String,
    /// The epoch of the stored entities that reproduces it; absent when none are stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entities: Option<u64>,
    /// What was asked; absent in records of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Box<Asked>>,
}

impl DecisionRecord {
    /// A decision.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        allowed: bool,
        policies: Vec<String>,
        revision: impl Into<String>,
    ) -> Self {
        let (id, revision) = (id.into(), revision.into());
        Self { id, allowed, policies, revision, entities: None, asked: None }
    }

    /// Made with the stored entities as of this epoch.
    #[must_use]
    pub fn with_entities(mut self, epoch: Option<u64>) -> Self {
        self.entities = epoch;
        self
    }

    /// About this question.
    #[must_use]
    pub fn about(mut self, asked: Asked) -> Self {
        self.asked = Some(Box::new(asked));
        self
    }
}

/// What was decided about: together with the policy set and the entities that the record names,
/// enough to decide it again.
///
/// Everything here is public to whoever may read the log, so it holds ids, not names: the name of
/// the actor and the client's address stand in the event, sealed as personal. The text of a stated
/// reason may be about a person and is not kept; that there was one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Asked {
    /// Who would act.
    pub principal: AskedPrincipal,
    /// By whose hand, when somebody acts for them: then both were decided about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<AskedPrincipal>,
    /// Doing what.
    pub action: String,
    /// To what.
    pub resource: Resource,
    /// What was said about the resource.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// What the resource was said to belong to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Resource>,
    /// Whether attributes, parents and claims were too large to be kept and are left out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shortened: bool,
    /// Whether a second factor counted as given.
    pub mfa_verified: bool,
    /// The moment it was decided for.
    pub time: Timestamp,
    /// Whether the address was one that the question stated instead of the client's: then it is not
    /// kept.
    #[serde(default, skip_serializing_if = "is_false")]
    pub address_stated: bool,
    /// What the request said about itself.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
}

impl Asked {
    /// May this principal do this to that, at this moment? Without a second factor, attributes,
    /// parents and claims.
    #[must_use]
    pub fn new(
        principal: &Principal,
        action: impl Into<String>,
        resource: Resource,
        time: Timestamp,
    ) -> Self {
        Self {
            principal: AskedPrincipal::of(principal),
            actor: None,
            action: action.into(),
            resource,
            attributes: Map::new(),
            parents: Vec::new(),
            shortened: false,
            mfa_verified: false,
            time,
            address_stated: false,
            claims: Map::new(),
        }
    }
}

/// Who would act: what the policies see of a principal, without its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AskedPrincipal {
    /// What kind of actor.
    pub kind: PrincipalKind,
    /// The stable id.
    pub id: String,
    /// Roles held directly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Teams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<TeamName>,
}

impl AskedPrincipal {
    /// What is kept of this principal.
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        Self {
            kind: principal.kind,
            id: principal.id.clone(),
            roles: principal.roles.clone(),
            teams: principal.teams.clone(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_before_questions_were_kept_is_still_read() {
        let old = r#"{"id": "dec_1", "allowed": true, "policies": ["p"], "revision": "r"}"#;
        let record: DecisionRecord = serde_json::from_str(old).unwrap();
        assert_eq!(record, DecisionRecord::new("dec_1", true, vec!["p".into()], "r"));
    }

    #[test]
    fn what_is_kept_of_a_principal_has_no_name() {
        let ann = Principal::new(PrincipalKind::User, "user_1", "ann@example.org");
        let asked = Asked::new(&ann, "read", Resource::new("Api", "users"), Timestamp::UNIX_EPOCH);
        let record = DecisionRecord::new("dec_1", true, vec![], "r").about(asked);
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains("user_1") && !json.contains("example.org"), "{json}");
        assert_eq!(serde_json::from_str::<DecisionRecord>(&json).unwrap(), record);
    }
}
