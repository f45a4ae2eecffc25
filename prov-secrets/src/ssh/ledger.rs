//! The revocation list, made from the leases.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prov_core::{Clock, Result, Timestamp};
use tokio::sync::Mutex;

use super::authority::{ENGINE, SshAuthority};
use super::certificate::CertificateType;
use super::krl::{self, Krl, RevokedOf};
use crate::leases::later;
use crate::{Lease, LeaseFilter, LeaseState, Leases};

/// How long a revoked serial stays listed beyond its certificate's end, for servers whose clocks are
/// behind.
const BEYOND_THE_END: Duration = Duration::from_hours(1);
/// The age at which a list is made anew although this node knows of no revocation: others may.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// Makes the list, at most once a second unless something was revoked.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    last: Mutex<Option<Made>>,
}

#[derive(Debug)]
struct Made {
    krl: Arc<Krl>,
    at: Duration,
    revocations: u64,
}

impl Ledger {
    pub(crate) async fn krl(
        &self,
        leases: &Leases,
        authority: &SshAuthority,
        clock: &dyn Clock,
    ) -> Result<Arc<Krl>> {
        let mut last = self.last.lock().await;
        let (now, revocations) = (clock.monotonic(), leases.revocation_count());
        let fresh = last.as_ref().filter(|made| {
            made.revocations == revocations && now.saturating_sub(made.at) < FRESH_FOR
        });
        if let Some(made) = fresh {
            return Ok(Arc::clone(&made.krl));
        }
        let krl = Arc::new(make(leases, authority, clock.now()).await?);
        *last = Some(Made { krl: Arc::clone(&krl), at: now, revocations });
        Ok(krl)
    }
}

async fn make(leases: &Leases, authority: &SshAuthority, now: Timestamp) -> Result<Krl> {
    let mut users = BTreeSet::new();
    let mut hosts = BTreeSet::new();
    for state in [LeaseState::Revoking, LeaseState::Revoked] {
        let filter =
            LeaseFilter::default().of_engine(Some(ENGINE.to_owned())).in_state(Some(state));
        let mut after = None;
        loop {
            let page = leases.list(&filter, after, prov_core::store::Scan::MAX_LIMIT).await?;
            for lease in page.items.iter().filter(|l| later(l.expires_at, BEYOND_THE_END) > now) {
                match serial(lease) {
                    Some((serial, true)) => hosts.insert(serial),
                    Some((serial, false)) => users.insert(serial),
                    None => continue,
                };
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    let of = |certifies, serials| {
        Ok::<_, prov_core::Error>(RevokedOf { ca: authority.signer(certifies).blob()?, serials })
    };
    Ok(krl::write(now, &[of(CertificateType::User, users)?, of(CertificateType::Host, hosts)?]))
}

/// The serial of a lease's certificate, and whether it is a host's.
fn serial(lease: &Lease) -> Option<(u64, bool)> {
    let serial = lease.facts.get("serial")?.as_u64()?;
    let kind = lease.facts.get("certificate_type")?.as_str()?;
    Some((serial, kind == CertificateType::Host.as_str()))
}
