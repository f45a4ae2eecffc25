//! Permissions given to somebody for a time: templates of the policy set, filled.
//!
//! * A template is a policy with `?principal` or `?resource` in its head. It decides nothing by
//!   itself; a [`Grant`] fills it for one principal and one resource, until a time, for a reason.
//! * Grants are remembered in the store and in force in the engine before the call returns; every
//!   other node that shares the store takes them over ([`Grants::follow`], feature `watch`).
//! * **A grant that has ended never decides**: each decision looks at the clock. The sweeper only
//!   tidies up, and records the end.
//! * **Nobody grants beyond what they hold**: whoever may `admin` `Api::"grants"` grants any template;
//!   others grant templates that say `@grantable("holders")`, about one known resource, to a user, and
//!   only what the policies (and not some grant) let them do to it themselves at that moment.
//!
//! **Limit**: what a holder granted lasts to its end even if the holder loses the permission; revoke it.

#[cfg(feature = "watch")]
mod follow;
mod grant;
mod power;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::lock::Mutex;
pub use grant::{Grant, GrantId, GrantPage, NewGrant};
use prov_core::audit::{Action, Event, Outcome, Recorder, RecorderExt};
use prov_core::store::{Scan, Store, StoreExt};
use prov_core::{Clock, Error, Result, SecurityContext, codes as core_codes};

use crate::{CedarEngine, EntityRef, PrincipalSource, codes};

/// No grant lasts longer.
const LONGEST: Duration = Duration::from_hours(366 * 24);
/// No more grants are in force at once.
const MOST_GRANTS: usize = 10_000;

/// Gives and takes back permissions.
#[derive(Debug)]
pub struct Grants {
    engine: Arc<CedarEngine>,
    store: Arc<dyn Store>,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    principals: Arc<dyn PrincipalSource>,
    /// Held while what is remembered is put in force, so that an older state can't overtake a newer.
    refreshing: Mutex<()>,
}

impl Grants {
    /// Reads what is remembered and puts it in force in `engine`.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn open(
        engine: Arc<CedarEngine>,
        store: Arc<dyn Store>,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
        principals: Arc<dyn PrincipalSource>,
    ) -> Result<Arc<Self>> {
        let refreshing = Mutex::new(());
        let grants = Self { engine, store, recorder, clock, principals, refreshing };
        grants.refresh().await?;
        Ok(Arc::new(grants))
    }

    /// Grants a permission; it is in force when this returns, and recorded.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] naming each field that is wrong;
    /// [`GRANT_BEYOND_OWN`](codes::GRANT_BEYOND_OWN); when it can't be stored or recorded.
    pub async fn grant(&self, caller: &SecurityContext, new: &NewGrant) -> Result<Grant> {
        let grant = self.checked(caller, new).await?;
        if let Err(error) = self.may_grant(caller, &grant) {
            self.record(caller, Action::AUTHZ_GRANT_CREATE, Outcome::Denied, &grant).await?;
            return Err(error);
        }
        self.store.create(&grant).await?;
        let recorded =
            self.record(caller, Action::AUTHZ_GRANT_CREATE, Outcome::Success, &grant).await;
        if let Err(error) = recorded {
            // What is not in the log must not be in force.
            self.store.remove::<Grant>(grant.id.as_str()).await?;
            return Err(error);
        }
        self.refresh().await?;
        Ok(grant)
    }

    /// Takes a grant back; it decides nothing any more when this returns.
    ///
    /// # Errors
    /// [`core_codes::NOT_FOUND`]; [`ACCESS_DENIED`](codes::ACCESS_DENIED) unless the caller gave it or
    /// may `delete` `Api::"grants"`; when it can't be stored or recorded.
    pub async fn revoke(&self, caller: &SecurityContext, id: &GrantId) -> Result<Grant> {
        let unknown = || Error::new(core_codes::NOT_FOUND).detail("there is no such grant");
        let stored = self.store.load::<Grant>(id.as_str()).await?.ok_or_else(unknown)?;
        if let Err(error) = self.may_revoke(caller, &stored) {
            self.record(caller, Action::AUTHZ_GRANT_REVOKE, Outcome::Denied, &stored).await?;
            return Err(error);
        }
        self.store.remove::<Grant>(id.as_str()).await?;
        self.refresh().await?;
        self.record(caller, Action::AUTHZ_GRANT_REVOKE, Outcome::Success, &stored).await?;
        Ok(stored.entity)
    }

    /// Grants in the order in which they were made, those that have just ended among them.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn list(&self, limit: NonZeroU32, after: Option<String>) -> Result<GrantPage> {
        let scan = Scan::kind(<Grant as prov_core::store::Entity>::KIND).limit(limit).after(after);
        let page = self.store.list::<Grant>(&scan).await?;
        let items = page.items.into_iter().map(|stored| stored.entity).collect();
        Ok(GrantPage { items, next: page.next })
    }

    /// Puts what is remembered in force.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn refresh(&self) -> Result<()> {
        let _alone = self.refreshing.lock().await;
        let stored = self.store.load_all::<Grant>().await?;
        let now = self.clock.now();
        let in_force = stored.into_iter().map(|s| s.entity).filter(|grant| grant.expires_at > now);
        self.engine.set_grants(in_force.collect());
        Ok(())
    }

    /// The moment, for whoever says how long a grant is to last.
    #[cfg(feature = "axum")]
    pub(crate) fn now(&self) -> prov_core::Timestamp {
        self.clock.now()
    }

    /// The grant as it would be, with everything held against what is known.
    async fn checked(&self, caller: &SecurityContext, new: &NewGrant) -> Result<Grant> {
        let wrong = |field: &str, message: &str| {
            Error::new(core_codes::INVALID_REQUEST).field(field, message)
        };
        let now = self.clock.now();
        if !(1..=1024).contains(&new.reason.chars().count()) || new.reason.contains('\0') {
            return Err(wrong("reason", "1 to 1,024 characters and no NUL"));
        }
        let longest = now.checked_add(LONGEST).unwrap_or(now);
        if new.expires_at <= now || new.expires_at > longest {
            return Err(wrong("expires_at", "in the future, and at most 366 days from now"));
        }
        if self.engine.grants().len() >= MOST_GRANTS {
            return Err(codes::GRANTS_FULL.into());
        }
        let mut grant = Grant {
            id: GrantId::generate(&*self.clock)?,
            template: new.template.clone(),
            principal: new.principal.clone(),
            resource: new.resource.clone(),
            reason: new.reason.clone(),
            granted_by: caller.principal().id.clone(),
            granted_at: now,
            expires_at: new.expires_at,
        };
        self.engine.check_grant(&grant)?;
        if let Some(principal) = &mut grant.principal
            && principal.kind == "User"
        {
            let unknown = || wrong("principal.id", "there is no user of this id");
            let found = self.principals.principal(&principal.id).await?.ok_or_else(unknown)?;
            // The stable id, should the source know its users by other names as well.
            principal.id = found.id.into();
        }
        Ok(grant)
    }

    async fn record(
        &self,
        caller: &SecurityContext,
        action: Action,
        outcome: Outcome,
        grant: &Grant,
    ) -> Result<()> {
        let name = |entity: &EntityRef| format!("{}::{}", entity.kind, entity.id);
        let mut event = Event::new(&*self.clock, action, outcome)
            .in_context(caller)
            .on("grant", grant.id.as_str())
            .with("template", grant.template.as_str())
            .with("granted_by", grant.granted_by.as_str())
            .with("expires_at", grant.expires_at.to_string());
        if let Some(principal) = &grant.principal {
            event = event.with("principal", name(principal));
        }
        if let Some(resource) = &grant.resource {
            event = event.with("resource", name(resource));
        }
        self.recorder.record_in(caller.request(), event).await.map(drop)
    }
}
