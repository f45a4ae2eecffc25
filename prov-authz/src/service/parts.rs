//! Searches with cursors: each goes on with the question it came from and with no other.

use std::num::NonZeroU32;

use prov_core::{Error, Result, SecurityContext, codes as core_codes};

use super::{DecisionService, Question, StatedContext};
use crate::search::Cursor;
use crate::{AccessRequest, Circumstances, EntityRef, PolicyEngine};

/// Which part of an answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SearchPart {
    /// At most so many items, from 1 to 1000.
    pub limit: NonZeroU32,
    /// Goes on where the answer with this cursor ended.
    pub cursor: Option<String>,
}

impl SearchPart {
    /// The first part, of at most so many items.
    #[must_use]
    pub const fn first(limit: NonZeroU32) -> Self {
        Self { limit, cursor: None }
    }

    /// The part after this cursor.
    #[must_use]
    pub fn after(mut self, cursor: Option<String>) -> Self {
        self.cursor = cursor;
        self
    }

    /// The place the cursor names, and the limit.
    fn place(&self, cursor: &Cursor) -> Result<(Option<String>, usize)> {
        const MOST: u32 = 1_000;
        if self.limit.get() > MOST {
            return Err(Error::new(core_codes::INVALID_REQUEST).field("limit", "at most 1000"));
        }
        let place = self.cursor.as_deref().map(|text| cursor.read(text)).transpose()?;
        Ok((place, usize::try_from(self.limit.get()).unwrap_or(usize::MAX)))
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundEntities {
    /// Resources or users, by id.
    pub items: Vec<EntityRef>,
    /// Where the next part begins; absent at the end, and only there.
    pub next_cursor: Option<String>,
}

impl DecisionService {
    /// Which known resources of a type may a principal (the caller, if none is named) do something
    /// to? Complete: a part without a next cursor is the last. Leaves one event for each part.
    ///
    /// # Errors
    /// As [`authorize`](Self::authorize); a cursor of another question.
    pub async fn search_resources(
        &self,
        caller: &SecurityContext,
        principal: Option<&EntityRef>,
        (action, kind): (&str, &str),
        context: &StatedContext,
        part: &SearchPart,
    ) -> Result<FoundEntities> {
        let itself = EntityRef::new("User", caller.principal().id.clone());
        let who = principal.unwrap_or(&itself);
        let own = context.applied_to(Circumstances::of(caller, &*self.clock))?;
        self.engine.moment().check_search((action, kind), &own, &context.claims)?;
        let cursor = Cursor::of(&("resources", who, action, kind, context));
        let (after, limit) = part.place(&cursor)?;
        let asked = (who, action, kind);
        let found = self.resources_for(caller, asked, context, (after.as_deref(), limit)).await?;
        let named = |id| EntityRef::new(kind.to_owned(), id);
        Ok(FoundEntities {
            items: found.ids.into_iter().map(named).collect(),
            next_cursor: found.next.map(|last| cursor.at(&last)),
        })
    }

    /// Who may do something to a resource? Needs `admin` on `Api::"decisions"`, as everything about
    /// others does. A second factor counts as absent unless it is stated. Complete: a part without a
    /// next cursor is the last. Leaves one event for each part.
    ///
    /// # Errors
    /// As [`authorize`](Self::authorize); a cursor of another question;
    /// [`PRINCIPALS_UNLISTED`](crate::codes::PRINCIPALS_UNLISTED).
    pub async fn search_principals(
        &self,
        caller: &SecurityContext,
        asked: &Question,
        part: &SearchPart,
    ) -> Result<FoundEntities> {
        let own = asked.context.applied_to(Circumstances::of(caller, &*self.clock))?;
        let Question { action, resource, context, .. } = asked;
        let probe = AccessRequest::by(caller.principal(), own, action, resource);
        self.engine.check(&probe.with_claims(&context.claims))?;
        let cursor = Cursor::of(&("principals", asked));
        let (after, limit) = part.place(&cursor)?;
        let asked = ("User", action.as_str(), resource);
        let found = self.principals_for(caller, asked, context, (after.as_deref(), limit)).await?;
        Ok(FoundEntities {
            items: found.ids.into_iter().map(|id| EntityRef::new("User", id)).collect(),
            next_cursor: found.next.map(|last| cursor.at(&last)),
        })
    }
}
