//! Legal holds.

use prov_core::audit::{Action, Event, Outcome, Recorder};
use prov_core::id::is_id;
use prov_core::store::{Batch, Entity, Expect, StoreExt};
use prov_core::{Error, PrincipalKind, Result, SecurityContext, codes as core_codes};

use super::{Log, api_name};
use crate::codes;
use crate::retention::{Hold, MOST_HOLDS, NewHold};

/// How the ids of workloads begin: those that SPIFFE gives, and those of another issuer's tokens.
const WORKLOADS: [&str; 2] = ["spiffe://", "oidc:"];

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
        if let Some(user) = &hold.user
            && !self.is_account(user).await?
        {
            let what = "the id of an account, as in `user_…` or `spiffe://…`; a name is none";
            return Err(Error::new(core_codes::INVALID_REQUEST).field("user", what));
        }
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

    /// Whether this is the id of an account, of one that has done nothing yet too. A name would hold nothing, as
    /// events know accounts by their ids, and would stand in the log in the clear.
    async fn is_account(&self, id: &str) -> Result<bool> {
        if is_id(id) || WORKLOADS.iter().any(|scheme| id.starts_with(scheme)) {
            return Ok(true);
        }
        for kind in [PrincipalKind::User, PrincipalKind::Workload] {
            if self.vault.pid_of(kind, id).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
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
