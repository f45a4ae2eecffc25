//! Keeping up with the other nodes of one store.

use std::sync::Arc;
use std::time::Duration;

use prov_core::store::Change;

use super::Log;

/// How long a failure is waited out before the next attempt.
const REST: Duration = Duration::from_secs(1);

impl Log {
    /// Takes in what other nodes do to subjects, until `shutdown` ends or the store is gone: a
    /// person erased by another node is erased in this node's memory and index as well. Also makes
    /// up for what happened while nobody listened. A program whose store is shared must run it.
    pub async fn follow(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        tokio::select! {
            () = self.follow_on() => {}
            () = shutdown => {}
        }
    }

    async fn follow_on(&self) {
        let mut news = self.options.store.changes();
        // What was erased, but perhaps not in the index yet.
        let mut erased = Vec::new();
        let mut next = Some(Change::Missed);
        loop {
            if let Some(change) = next.take() {
                match self.vault.hear(&change).await {
                    Ok(more) => erased.extend(more),
                    Err(error) => {
                        tracing::warn!(?error, "keys of subjects can't be read again yet");
                        tokio::time::sleep(REST).await;
                        next = Some(Change::Missed);
                        continue;
                    }
                }
            }
            self.unindex(&mut erased).await;
            tokio::select! {
                change = news.next() => match change {
                    Some(change) => next = Some(change),
                    None => return,
                },
                () = tokio::time::sleep(REST), if !erased.is_empty() => {}
            }
        }
    }

    /// Takes the erased out of the indexes; whoever could not be taken out stays in the list.
    #[cfg(feature = "sqlite-index")]
    async fn unindex(&self, erased: &mut Vec<String>) {
        match self.unindex_all(erased).await {
            Ok(()) => erased.clear(),
            Err(error) => {
                tracing::warn!(?error, "the erased can't be taken out of the audit index yet");
            }
        }
    }

    #[cfg(not(feature = "sqlite-index"))]
    #[expect(clippy::unused_async, reason = "with an index it waits for it")]
    async fn unindex(&self, erased: &mut Vec<String>) {
        erased.clear();
    }
}
