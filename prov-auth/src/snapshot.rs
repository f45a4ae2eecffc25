//! Keeping what is in memory in step with the store.

use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::select;
use prov_core::Result;
use prov_core::store::{Change, Key, Store};

/// How long to wait before the store is asked again after it failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Something in memory that mirrors records.
#[async_trait]
pub(crate) trait Snapshot: Sync {
    /// Reads everything again.
    async fn reload(&self) -> Result<()>;

    /// Takes over one changed record; ignores those of others.
    async fn changed(&self, key: &Key) -> Result<()>;

    /// Notes whether memory is known to agree with the store.
    fn note(&self, in_step: bool);
}

/// Follows `store` until `shutdown` is ready or the store is gone. Whenever news was missed or could
/// not be read, everything is read again, as often as it takes.
pub(crate) async fn follow<S: Snapshot>(
    snapshot: &S,
    store: &dyn Store,
    shutdown: impl Future<Output = ()> + Send,
) {
    let work = async {
        // Listening starts before the first reading, so that nothing falls between the two.
        let mut changes = store.changes();
        reload(snapshot).await;
        while let Some(change) = changes.next().await {
            let missed = match change {
                Change::Changed(key) => snapshot.changed(&key).await.is_err(),
                Change::Missed => true,
            };
            if missed {
                reload(snapshot).await;
            }
        }
    };
    select(pin!(work), pin!(shutdown)).await;
}

async fn reload<S: Snapshot>(snapshot: &S) {
    while let Err(error) = snapshot.reload().await {
        snapshot.note(false);
        tracing::warn!(?error, "what is in memory can't be brought in step with the store");
        tokio::time::sleep(PAUSE).await;
    }
    snapshot.note(true);
}
