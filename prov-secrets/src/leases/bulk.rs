//! Revoking many leases: past every failure, with a line for each.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt};
use prov_core::store::{Entity, Scan, StoreExt, Term};
use prov_core::{Error, Result, SecurityContext, codes as core_codes};

use super::Leases;
use crate::lease::{Lease, LeaseId, LeaseState, terms};

/// What became of one lease.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revocation {
    /// Which.
    pub lease: LeaseId,
    /// Where it stands; `None` when that could not even be made durable.
    pub state: Option<LeaseState>,
    /// The code of what went wrong.
    pub error: Option<String>,
}

/// What became of all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevocationReport {
    /// One line per lease, oldest first.
    pub leases: Vec<Revocation>,
}

impl RevocationReport {
    /// How many have ended.
    #[must_use]
    pub fn revoked(&self) -> usize {
        let ended = |line: &&Revocation| line.state.is_some_and(LeaseState::is_ended);
        self.leases.iter().filter(ended).count()
    }

    /// How many have not ended yet; the durable ones are tried until they do.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.leases.len() - self.revoked()
    }
}

/// A mistyped id must not look like a principal who has no leases.
fn check_text(field: &str, text: &str) -> Result<()> {
    if (1..=512).contains(&text.len()) && !text.contains(char::is_control) {
        return Ok(());
    }
    Err(Error::new(core_codes::INVALID_REQUEST)
        .field(field, "1 to 512 bytes without control characters"))
}

impl Leases {
    /// Revokes every live lease of a principal, of every engine, continuing past failures.
    ///
    /// # Errors
    /// [`prov_core::codes::INVALID_REQUEST`] for a text that is no id; when the leases can't be
    /// listed.
    pub async fn revoke_user(&self, ctx: &SecurityContext, user: &str) -> Result<RevocationReport> {
        check_text("user", user)?;
        self.revoke_matching(ctx, terms::user(user), &|_| true).await
    }

    /// Revokes every live lease whose path `engine/role/id` starts with `prefix`, continuing past
    /// failures. The engine must be named in full: `ssh/`, `ssh/ops/`.
    ///
    /// # Errors
    /// [`prov_core::codes::INVALID_REQUEST`] for a prefix without an engine; when the leases can't be
    /// listed.
    pub async fn revoke_prefix(
        &self,
        ctx: &SecurityContext,
        prefix: &str,
    ) -> Result<RevocationReport> {
        check_text("prefix", prefix)?;
        let Some((engine, _)) = prefix.split_once('/') else {
            return Err(Error::new(core_codes::INVALID_REQUEST)
                .field("prefix", "name the engine in full, then `/`: `ssh/ops/`"));
        };
        self.lane(engine)?;
        let matches = |lease: &Lease| lease.path().starts_with(prefix);
        self.revoke_matching(ctx, terms::engine(engine), &matches).await
    }

    async fn revoke_matching(
        &self,
        ctx: &SecurityContext,
        term: Term,
        matches: &(dyn for<'l> Fn(&'l Lease) -> bool + Sync),
    ) -> Result<RevocationReport> {
        // What is issued while this runs is caught by the next pass.
        const PASSES: usize = 8;
        let mut seen = BTreeSet::new();
        let mut report = RevocationReport::default();
        for _ in 0..PASSES {
            let fresh: Vec<LeaseId> = self
                .live_ids(term.clone(), matches)
                .await?
                .into_iter()
                .filter(|id| seen.insert(id.clone()))
                .collect();
            if fresh.is_empty() {
                break;
            }
            report.leases.extend(self.revoke_each(ctx, fresh).await);
        }
        report.leases.sort_by(|a, b| a.lease.cmp(&b.lease));
        Ok(report)
    }

    async fn revoke_each(&self, ctx: &SecurityContext, ids: Vec<LeaseId>) -> Vec<Revocation> {
        stream::iter(ids)
            .map(|id| async move {
                match self.revoke(ctx, &id).await {
                    Ok(lease) => {
                        Revocation { lease: id, state: Some(lease.state), error: lease.last_error }
                    }
                    Err(error) => {
                        tracing::warn!(lease = %id, ?error, "not revoked");
                        let error = Some(error.code().name().to_owned());
                        Revocation { lease: id, state: None, error }
                    }
                }
            })
            .buffer_unordered(self.options.revocations_at_once.max(1))
            .collect()
            .await
    }

    async fn live_ids(
        &self,
        term: Term,
        matches: &(dyn for<'l> Fn(&'l Lease) -> bool + Sync),
    ) -> Result<Vec<LeaseId>> {
        let mut ids = Vec::new();
        let mut scan = Scan::kind(Lease::KIND).with_term(term);
        loop {
            let page = self.store.list::<Lease>(&scan).await?;
            let live = page.items.iter().filter(|l| !l.state.is_ended() && matches(l));
            ids.extend(live.map(|lease| lease.id.clone()));
            let Some(next) = page.next else { return Ok(ids) };
            scan = scan.after(Some(next));
        }
    }
}
