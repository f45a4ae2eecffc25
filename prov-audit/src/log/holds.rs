//! Legal holds.

use prov_core::audit::{Action, Event, Outcome, Recorder};
use prov_core::store::{Batch, Entity, Expect, StoreExt};
use prov_core::{Error, Result, SecurityContext, codes as core_codes};

use super::{Log, api_name};
use crate::codes;
use crate::retention::{Hold, MOST_HOLDS, NewHold};

impl Log {
    /// The holds that are in force, the oldest first.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn holds(&self) -> Result<Vec<Hold>> {
        let all = self.options.store.load_all::<Hold>().await?;
        let mut holds: Vec<Hold> = all.into_iter().map(|stored| stored.entity).collect();
        holds.sort_by(|a, b| (a.placed_at, &a.id).cmp(&(b.placed_at, &b.id)));
        Ok(holds)
    }

    /// Places a hold: what it is about is neither pruned nor erased from now on.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for one that makes no sense; when it can't be recorded or stored.
    pub async fn place_hold(&self, context: &SecurityContext, hold: NewHold) -> Result<Hold> {
        let by = context.principal().id.clone();
        let hold = hold.placed(&by, self.options.clock.now())?;
        if self.holds().await?.len() >= MOST_HOLDS {
            let what = format!("there are {MOST_HOLDS} holds already: release some first");
            return Err(Error::new(core_codes::CONFLICT).detail(what));
        }
        // First the hold: what was recorded and is not in force would be a promise that is not kept.
        self.options.store.create(&hold).await?;
        let event = Event::new(&*self.options.clock, Action::AUDIT_HOLD_PLACE, Outcome::Success)
            .in_context(context)
            .on("audit_hold", &hold.id)
            .with("log", hold.log.map_or("all", api_name))
            .with("user", hold.user.clone());
        self.record(event).await?;
        context.request().mark_recorded();
        Ok(hold)
    }

    /// Releases a hold.
    ///
    /// # Errors
    /// [`codes::HOLD_NOT_FOUND`]; when it can't be recorded: then it stays in force.
    pub async fn release_hold(&self, context: &SecurityContext, id: &str) -> Result<()> {
        if self.options.store.load::<Hold>(id).await?.is_none() {
            return Err(codes::HOLD_NOT_FOUND.into());
        }
        let event = Event::new(&*self.options.clock, Action::AUDIT_HOLD_RELEASE, Outcome::Success)
            .in_context(context)
            .on("audit_hold", id);
        // First the event: what it kept may be gone a moment later.
        self.record(event).await?;
        context.request().mark_recorded();
        self.options.store.commit(Batch::new().delete(Hold::key(id), Expect::Any)).await.map(drop)
    }

    /// The hold that keeps what is known of an account from being erased, if there is one.
    pub(super) async fn hold_on(&self, account: &str) -> Result<Option<Hold>> {
        Ok(self.holds().await?.into_iter().find(|hold| hold.keeps_subject(account)))
    }
}
