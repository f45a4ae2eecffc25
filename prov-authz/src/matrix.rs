//! Who may do what to which resource, for access reviews; and what would change.

use std::collections::BTreeSet;
use std::fmt::Debug;

use prov_core::Principal;
use serde::Serialize;

use crate::cedar::{Doing, Moment};
use crate::entities::Subject;
use crate::{CedarEngine, Circumstances, Claims, EntityRef, StoredEntity};

/// What a review is about.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Review<'a> {
    /// Whose access.
    pub principals: &'a [Principal],
    /// To known resources of this type only.
    pub kind: Option<&'a str>,
    /// Under which circumstances.
    pub circumstances: Circumstances,
    /// With what requests would say about themselves; what an action does not take is left out of
    /// requests for it.
    pub claims: &'a Claims,
}

impl<'a> Review<'a> {
    /// The access of these principals to everything that is known, under these circumstances.
    #[must_use]
    pub const fn new(principals: &'a [Principal], circumstances: Circumstances) -> Self {
        Self { principals, kind: None, circumstances, claims: &Claims::NONE }
    }

    /// To known resources of this type only.
    #[must_use]
    pub const fn of_kind(mut self, kind: &'a str) -> Self {
        self.kind = Some(kind);
        self
    }

    /// With what requests would say about themselves.
    #[must_use]
    pub const fn with_claims(mut self, claims: &'a Claims) -> Self {
        self.claims = claims;
        self
    }
}

/// What one principal may do to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MatrixRow {
    /// The principal's id.
    pub principal: String,
    /// The resource.
    pub resource: EntityRef,
    /// The actions that are allowed, sorted.
    pub allowed: Vec<String>,
    /// The actions that are not, sorted; all that can be done to the resource are in one of the two.
    pub denied: Vec<String>,
}

/// What one principal may do to one resource after a change and could not before, or the other way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MatrixChange {
    /// The principal's id.
    pub principal: String,
    /// The resource.
    pub resource: EntityRef,
    /// Allowed after the change only, sorted.
    pub gained: Vec<String>,
    /// Allowed before the change only, sorted.
    pub lost: Vec<String>,
}

impl CedarEngine {
    /// Hands every cell of the matrix to `row`, principal by principal as they are given, resources
    /// by type and id; all of them decided by what is in force when this is called. Takes no memory
    /// for rows; ends early when `row` fails.
    ///
    /// # Errors
    /// Those of `row`.
    pub fn matrix<E>(
        &self,
        review: &Review<'_>,
        mut row: impl FnMut(MatrixRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let moment = self.moment();
        for principal in review.principals {
            for entity in moment.entities().after(review.kind, None) {
                let (subject, reference) = (Subject::Known(entity), entity.reference());
                let (mut allowed, mut denied) = (Vec::new(), Vec::new());
                for action in moment.actions_on(entity.kind()) {
                    let claims = moment.claims_for(action, review.claims);
                    let circumstances = review.circumstances;
                    let doing = Doing { principal, action, circumstances, claims: &claims };
                    let list =
                        if moment.allows(doing, subject) { &mut allowed } else { &mut denied };
                    list.push(action.to_owned());
                }
                // Types that nothing is done to, such as groups, have no cells.
                if !(allowed.is_empty() && denied.is_empty()) {
                    let principal = principal.id.clone();
                    row(MatrixRow { principal, resource: reference, allowed, denied })?;
                }
            }
        }
        Ok(())
    }

    /// Hands to `changed` every pair of principal and resource for which `after` decides otherwise
    /// than this engine, in the order of [`matrix`](Self::matrix). A resource that only one of the
    /// two knows, nobody may do anything to in the other.
    ///
    /// # Errors
    /// Those of `changed`.
    pub fn matrix_changes<E>(
        &self,
        after: &Self,
        review: &Review<'_>,
        mut changed: impl FnMut(MatrixChange) -> Result<(), E>,
    ) -> Result<(), E> {
        let moments = [self.moment(), after.moment()];
        let kinds = |at: usize| moments.get(at).map(|m| m.entities().after(review.kind, None));
        let known: BTreeSet<EntityRef> = [kinds(0), kinds(1)]
            .into_iter()
            .flatten()
            .flatten()
            .map(StoredEntity::reference)
            .collect();
        for principal in review.principals {
            for reference in &known {
                let allowed = moments.each_ref().map(|moment| {
                    let entity = moment.entities().find(&reference.kind, &reference.id);
                    entity.map(|e| moment.allowed(principal, review, e)).unwrap_or_default()
                });
                let [before, now] = &allowed;
                let (gained, lost): (Vec<_>, Vec<_>) = (only_in(now, before), only_in(before, now));
                if !(gained.is_empty() && lost.is_empty()) {
                    let (principal, resource) = (principal.id.clone(), reference.clone());
                    changed(MatrixChange { principal, resource, gained, lost })?;
                }
            }
        }
        Ok(())
    }
}

impl Moment<'_> {
    fn allowed(
        &self,
        principal: &Principal,
        review: &Review<'_>,
        entity: &StoredEntity,
    ) -> BTreeSet<String> {
        let (actions, circumstances) = (self.actions_on(entity.kind()), review.circumstances);
        let allowed = actions.filter(|action| {
            let claims = self.claims_for(action, review.claims);
            let doing = Doing { principal, action, circumstances, claims: &claims };
            self.allows(doing, Subject::Known(entity))
        });
        allowed.map(str::to_owned).collect()
    }
}

fn only_in(all: &BTreeSet<String>, others: &BTreeSet<String>) -> Vec<String> {
    all.difference(others).cloned().collect()
}
