//! The roles an operator defines.

use std::sync::Arc;

use prov_core::audit::{Action, Event, Outcome, Recorder, RecorderExt};
use prov_core::store::{Batch, Entity, Expect, Scan, Store, StoreExt};
use prov_core::{Clock, Result, SecurityContext, codes as core_codes};

use super::authority::DEFAULT_ROLE;
use super::role::SshRole;
use crate::codes;

/// The roles of the SSH certificate authority.
#[derive(Debug)]
pub struct SshRoles {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    recorder: Arc<dyn Recorder>,
}

impl SshRoles {
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        recorder: Arc<dyn Recorder>,
    ) -> Result<Self> {
        match store.create(&SshRole::shipped()).await {
            Err(error) if !error.is(core_codes::CONFLICT) => Err(error),
            _ => Ok(Self { store, clock, recorder }),
        }
    }

    /// The role of this name.
    ///
    /// # Errors
    /// [`codes::ROLE_UNKNOWN`] when there is none.
    pub async fn show(&self, name: &str) -> Result<SshRole> {
        let stored = self.store.load::<SshRole>(name).await?;
        stored.map(|stored| stored.entity).ok_or_else(|| codes::ROLE_UNKNOWN.into())
    }

    /// A page of roles by name, and where the next one starts.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn list(
        &self,
        after: Option<String>,
        limit: std::num::NonZeroU32,
    ) -> Result<(Vec<SshRole>, Option<String>)> {
        let scan = Scan::kind(SshRole::KIND).after(after).limit(limit);
        let page = self.store.list::<SshRole>(&scan).await?;
        Ok((page.items.into_iter().map(|stored| stored.entity).collect(), page.next))
    }

    /// Adds a role.
    ///
    /// # Errors
    /// [`codes::ROLE_EXISTS`]; [`core_codes::INVALID_REQUEST`] for rules that make no sense.
    pub async fn create(&self, ctx: &SecurityContext, role: &SshRole) -> Result<()> {
        role.check()?;
        self.store.create(role).await.map_err(|error| {
            if error.is(core_codes::CONFLICT) { codes::ROLE_EXISTS.into() } else { error }
        })?;
        self.record(ctx, Action::SECRET_ROLE_SET, &role.name).await
    }

    /// Sets the rules of a role, whether it exists or not. Certificates that were signed before keep
    /// what they say.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for rules that make no sense.
    pub async fn set(&self, ctx: &SecurityContext, role: &SshRole) -> Result<()> {
        role.check()?;
        self.store.commit(Batch::new().with(role.put(Expect::Any)?)).await?;
        self.record(ctx, Action::SECRET_ROLE_SET, &role.name).await
    }

    /// Deletes a role.
    ///
    /// # Errors
    /// [`codes::ROLE_UNKNOWN`]; [`codes::ROLE_SHIPPED`] for the role `default`.
    pub async fn delete(&self, ctx: &SecurityContext, name: &str) -> Result<()> {
        if name == DEFAULT_ROLE {
            return Err(codes::ROLE_SHIPPED.into());
        }
        let stored = self.store.load::<SshRole>(name).await?.ok_or(codes::ROLE_UNKNOWN)?;
        let batch = Batch::new().delete(SshRole::key(name), Expect::Version(stored.version));
        self.store.commit(batch).await?;
        self.record(ctx, Action::SECRET_ROLE_DELETE, name).await
    }

    async fn record(&self, ctx: &SecurityContext, action: Action, name: &str) -> Result<()> {
        let event = Event::new(&*self.clock, action, Outcome::Success)
            .in_context(ctx)
            .on("secret-role", name)
            .with("engine", super::ENGINE);
        self.recorder.record_in(ctx.request(), event).await.map(drop)
    }
}
