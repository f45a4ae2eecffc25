//! One permission that was given.

use prov_core::Timestamp;
use prov_core::store::{Entity, Term};
use serde::{Deserialize, Serialize};

use crate::EntityRef;

prov_core::typed_id!(
    /// Names one grant; it is the id of a policy as well, and stands among those that determined a
    /// decision.
    GrantId, "grant"
);

/// A template, filled for somebody, until a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Grant {
    /// Its name.
    pub id: GrantId,
    /// The `@id` of the template.
    pub template: String,
    /// What fills `?principal`: a `User`, a `Team` or a `Role`.
    #[serde(default)]
    pub principal: Option<EntityRef>,
    /// What fills `?resource`.
    #[serde(default)]
    pub resource: Option<EntityRef>,
    /// Why, in the words of whoever gave it.
    pub reason: String,
    /// The id of whoever gave it.
    pub granted_by: String,
    /// When.
    pub granted_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

impl Entity for Grant {
    const KIND: &'static str = "authz.grant";

    fn id(&self) -> String {
        self.id.as_str().to_owned()
    }

    fn terms(&self) -> Vec<Term> {
        vec![Term::new("granted_by", &self.granted_by)]
    }
}

/// What is to be granted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewGrant {
    /// The `@id` of the template.
    pub template: String,
    /// What fills `?principal`.
    pub principal: Option<EntityRef>,
    /// What fills `?resource`.
    pub resource: Option<EntityRef>,
    /// Why: 1 to 1,024 characters.
    pub reason: String,
    /// When it is to end: at most 366 days from now.
    pub expires_at: Timestamp,
}

impl NewGrant {
    /// A grant of this template until then, of nothing to nobody yet.
    #[must_use]
    pub fn new(
        template: impl Into<String>,
        reason: impl Into<String>,
        expires_at: Timestamp,
    ) -> Self {
        let (template, reason) = (template.into(), reason.into());
        Self { template, principal: None, resource: None, reason, expires_at }
    }

    /// To this principal.
    #[must_use]
    pub fn to(mut self, principal: EntityRef) -> Self {
        self.principal = Some(principal);
        self
    }

    /// On this resource.
    #[must_use]
    pub fn on(mut self, resource: EntityRef) -> Self {
        self.resource = Some(resource);
        self
    }
}

/// A part of all grants.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GrantPage {
    /// Grants, ids ascending.
    pub items: Vec<Grant>,
    /// The id after which the next part starts; `None` at the end.
    pub next: Option<String>,
}
