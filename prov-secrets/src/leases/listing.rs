//! Lists of leases.

use std::num::NonZeroU32;

use prov_core::Result;
use prov_core::store::{Entity, Scan, StoreExt};

use super::Leases;
use crate::lease::{Lease, LeaseState, terms};

/// Which leases to list. Without any condition: all that are on record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseFilter {
    /// Only of this principal's stable id.
    pub user: Option<String>,
    /// Only of this engine.
    pub engine: Option<String>,
    /// Only in this state.
    pub state: Option<LeaseState>,
}

impl LeaseFilter {
    /// Only of this principal.
    #[must_use]
    pub fn of_user(mut self, user: Option<String>) -> Self {
        self.user = user;
        self
    }

    /// Only of this engine.
    #[must_use]
    pub fn of_engine(mut self, engine: Option<String>) -> Self {
        self.engine = engine;
        self
    }

    /// Only in this state.
    #[must_use]
    pub fn in_state(mut self, state: Option<LeaseState>) -> Self {
        self.state = state;
        self
    }

    fn matches(&self, lease: &Lease) -> bool {
        self.user.as_ref().is_none_or(|user| *user == lease.user)
            && self.engine.as_ref().is_none_or(|engine| *engine == lease.engine)
            && self.state.is_none_or(|state| state == lease.state)
    }

    /// The narrowest term there is for it; the rest is filtered.
    fn scan(&self) -> Scan {
        let scan = Scan::kind(Lease::KIND);
        match (&self.user, &self.engine, self.state) {
            (Some(user), _, _) => scan.with_term(terms::user(user)),
            (None, Some(engine), Some(state)) => scan.with_term(terms::engine_state(engine, state)),
            (None, Some(engine), None) => scan.with_term(terms::engine(engine)),
            (None, None, Some(state)) if !state.is_ended() => scan.with_term(terms::live()),
            (None, None, _) => scan,
        }
    }
}

/// A part of a list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LeasePage {
    /// Leases, oldest first.
    pub items: Vec<Lease>,
    /// The id after which the rest follows, if there may be a rest.
    pub next: Option<String>,
}

impl Leases {
    /// A page of leases, oldest first. A page may hold fewer than `limit` and still have a next one.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn list(
        &self,
        filter: &LeaseFilter,
        after: Option<String>,
        limit: NonZeroU32,
    ) -> Result<LeasePage> {
        // Bounds the work of one call, however little of it matches.
        const PAGES: usize = 8;
        let mut scan = filter.scan().after(after).limit(limit);
        let mut items: Vec<Lease> = Vec::new();
        let wanted = usize::try_from(scan.limit.get()).unwrap_or(usize::MAX);
        for _ in 0..PAGES {
            let page = self.store.list::<Lease>(&scan).await?;
            for stored in page.items {
                if items.len() == wanted {
                    let next = items.last().map(|lease| lease.id.as_str().to_owned());
                    return Ok(LeasePage { items, next });
                }
                items.extend(Some(stored.entity).filter(|lease| filter.matches(lease)));
            }
            let Some(next) = page.next else { return Ok(LeasePage { items, next: None }) };
            if items.len() == wanted {
                return Ok(LeasePage { items, next: Some(next) });
            }
            scan = scan.after(Some(next));
        }
        Ok(LeasePage { items, next: scan.after })
    }
}
