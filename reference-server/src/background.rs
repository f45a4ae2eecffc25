//! The owner of background work: starts it, stops it, waits for it.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use prov_audit::Log;
use prov_core::store::Store;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How often ended records are deleted, and how many at once.
const PURGE_INTERVAL: Duration = Duration::from_mins(1);
/// How often the state of a growing log is remembered outside the log.
const REMEMBER_INTERVAL: Duration = Duration::from_millis(250);
/// How often events are looked for that are older than they must be kept.
const PRUNE_INTERVAL: Duration = Duration::from_hours(1);
const PURGE_BATCH: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// Everything that runs beside requests.
#[derive(Debug)]
pub(crate) struct Background {
    stop: watch::Sender<bool>,
    tasks: JoinSet<&'static str>,
}

/// Ends when background work must end.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the owner is gone, which is an end as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Background {
    pub(crate) fn new() -> Self {
        Self { stop: watch::Sender::new(false), tasks: JoinSet::new() }
    }

    /// Ends when the work must end.
    pub(crate) fn stop_asked(&self) -> impl Future<Output = ()> + Send + use<> {
        stopped(self.stop.subscribe())
    }

    /// Runs work that ends when the future it is given ends.
    pub(crate) fn run<W, F>(&mut self, name: &'static str, work: W)
    where
        W: FnOnce(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let work = work(Box::pin(stopped(self.stop.subscribe())));
        self.tasks.spawn(async move {
            work.await;
            name
        });
    }

    /// Deletes ended records now and then.
    pub(crate) fn purge(&mut self, store: Arc<dyn Store>) {
        self.run("purge", |mut end| async move {
            loop {
                tokio::select! {
                    () = &mut end => return,
                    () = tokio::time::sleep(PURGE_INTERVAL) => {}
                }
                while let Ok(gone) = store.purge(PURGE_BATCH).await {
                    if gone < PURGE_BATCH.get() {
                        break;
                    }
                }
            }
        });
    }

    /// Has the log's state remembered in the store, so that a log put back to an earlier one is
    /// noticed at the next start, and has the log hear what other nodes do to subjects.
    pub(crate) fn look_after(&mut self, log: &Arc<Log>) {
        let (remembering, following) = (Arc::clone(log), Arc::clone(log));
        self.run("audit head", |stop| remembering.remember(REMEMBER_INTERVAL, stop));
        self.run("audit log", |stop| following.follow(stop));
        let pruning = Arc::clone(log);
        self.run("audit retention", |stop| pruning.keep_pruned(PRUNE_INTERVAL, stop));
    }

    /// Tells everything to end, waits, and names what did not end in time.
    pub(crate) async fn stop(mut self, patience: Duration) {
        let _ = self.stop.send(true);
        let wait = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "background work broke");
                }
            }
        };
        if tokio::time::timeout(patience, wait).await.is_err() {
            tracing::warn!(
                tasks = self.tasks.len(),
                "background work did not end in time: cut off"
            );
            self.tasks.shutdown().await;
        }
    }
}
