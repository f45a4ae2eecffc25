//! Keeping up with other nodes, and with the clock.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use prov_core::audit::{Action, Outcome};
use prov_core::store::{Batch, Change, Entity, Expect, StoreExt};
use prov_core::{Result, SecurityContext};

use super::{Grant, Grants};

/// Ended grants are swept away at least this often.
const SWEEP: Duration = Duration::from_secs(30);
/// How long to wait before the store is asked again after it failed.
const PAUSE: Duration = Duration::from_millis(500);

impl Grants {
    /// Takes over what other nodes grant and revoke, and sweeps away what has ended, until `shutdown`
    /// or until the store is gone.
    pub async fn follow(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        let work = async {
            // Listening starts before the first reading, so that nothing falls between the two.
            let mut changes = self.store.changes();
            self.keep_up().await;
            loop {
                let (next, pause) = (pin!(changes.next()), pin!(tokio::time::sleep(SWEEP)));
                let news = match select(next, pause).await {
                    Either::Left((news, _)) => news,
                    Either::Right(_) => Some(Change::Missed),
                };
                match news {
                    None => return,
                    Some(Change::Changed(key)) if key.kind != Grant::KIND => {}
                    Some(_) => self.keep_up().await,
                }
            }
        };
        select(pin!(work), pin!(shutdown)).await;
    }

    async fn keep_up(&self) {
        while let Err(error) = self.sweep().await {
            tracing::warn!(?error, "grants can't be brought in step with the store");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Forgets grants that have ended, each with an event by the node that was first, and puts the
    /// others in force.
    ///
    /// # Errors
    /// When the store can't be read or written, or the end can't be recorded.
    pub async fn sweep(&self) -> Result<()> {
        let now = self.clock.now();
        let context = SecurityContext::system("grants", &*self.clock)?;
        for stored in self.store.load_all::<Grant>().await? {
            if stored.expires_at > now {
                continue;
            }
            let key = Grant::key(stored.id.as_str());
            let batch = Batch::new().delete(key, Expect::Version(stored.version));
            if self.store.commit(batch).await.is_ok() {
                self.record(&context, Action::AUTHZ_GRANT_EXPIRE, Outcome::Success, &stored)
                    .await?;
            }
        }
        self.refresh().await
    }
}
