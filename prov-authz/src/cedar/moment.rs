//! The engine at one moment, for questions that take many decisions: all of them see the same
//! policies and the same entities.

use std::sync::Arc;

use prov_core::{Error, Result, Timestamp, codes};

use super::context::known_circumstances;
use super::engine::CedarEngine;
use super::held::{Doing, hold};
use super::live::Live;
use crate::entities::Subject;
use crate::{CedarOptions, Circumstances, Claims, EntitiesSnapshot, ResourceEntity};

/// What was in force when it was taken.
#[derive(Debug)]
pub(crate) struct Moment<'e> {
    live: Arc<Live>,
    options: &'e CedarOptions,
    now: Timestamp,
}

impl CedarEngine {
    /// What is in force now.
    pub(crate) fn moment(&self) -> Moment<'_> {
        Moment { live: self.live(), options: self.options(), now: self.now() }
    }
}

impl Moment<'_> {
    pub(crate) fn entities(&self) -> &EntitiesSnapshot {
        &self.live.entities
    }

    /// The resource to decide about when `stated` is asked about.
    pub(crate) fn resolve<'r>(&'r self, stated: &'r ResourceEntity) -> Result<Subject<'r>> {
        self.live.resolve(stated, self.options)
    }

    /// Everything that can be done to a resource of this type, sorted.
    pub(crate) fn actions_on(&self, kind: &str) -> impl Iterator<Item = &str> {
        let actions = self.live.set.compiled.facts.actions.iter();
        actions
            .filter(move |(_, facts)| facts.resources.iter().any(|known| known == kind))
            .map(|(action, _)| action.as_str())
    }

    /// Of these claims, those that the action takes.
    pub(crate) fn claims_for(&self, action: &str, claims: &Claims) -> Claims {
        let taken = self.live.set.compiled.facts.actions.get(action).map(|facts| &facts.context);
        claims.clone().retain(|name| taken.is_some_and(|taken| taken.contains_key(name)))
    }

    /// Whether it is allowed.
    pub(crate) fn allows(&self, asked: Doing<'_>, subject: Subject<'_>) -> bool {
        let grants_at = asked.circumstances.time.max(self.now);
        let evaluated = hold(&self.live, asked, subject)
            .and_then(|held| self.live.evaluate_all(&held, Some(grants_at), self.options.by_cedar));
        evaluated.is_ok_and(|evaluated| evaluated.allowed && evaluated.errors.is_empty())
    }

    /// Whether the policies can speak of it.
    pub(crate) fn check(&self, asked: Doing<'_>, subject: Subject<'_>) -> Result<()> {
        hold(&self.live, asked, subject).map(drop)
    }

    /// Whether the policies can speak of this action on any resource of this type, under these
    /// circumstances: what must hold before a search for resources means anything.
    pub(crate) fn check_search(
        &self,
        (action, kind): (&str, &str),
        circumstances: &Circumstances,
        claims: &Claims,
    ) -> Result<()> {
        let shown =
            |text: &str| -> String { text.chars().take(64).flat_map(char::escape_debug).collect() };
        let invalid =
            |field: &str, message: String| Error::new(codes::INVALID_REQUEST).field(field, message);
        let facts = &self.live.set.compiled.facts;
        let Some(known) = facts.actions.get(action) else {
            return Err(invalid("action", format!("the schema has no action `{}`", shown(action))));
        };
        if !facts.types.contains_key(kind) {
            return Err(invalid("type", format!("the schema has no type `{}`", shown(kind))));
        }
        if !known.resources.iter().any(|known| known == kind) {
            let message = format!("`{action}` is nothing that is done to a `{kind}`");
            return Err(invalid("action", message));
        }
        claims.check()?;
        claims.check_declared(action, &known.context)?;
        known_circumstances(circumstances).map(drop)
    }
}
