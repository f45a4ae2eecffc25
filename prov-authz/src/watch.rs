//! Watching the policy directory, or the store; feature `watch`.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use notify::{EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use prov_core::store::Changes;
use prov_core::{Clock, SecurityContext};
use tokio::sync::Notify;

use crate::{PolicyHistory, PolicyReloader};

/// Changes that follow each other this fast are one change; so long a set must have been at rest.
const QUIET: Duration = Duration::from_millis(100);
/// When to look again at a directory that was being changed.
const SOON: Duration = Duration::from_millis(200);

type Watch = Debouncer<RecommendedWatcher, RecommendedCache>;

impl PolicyReloader {
    /// Reloads whenever the directory changes or another node puts a kept set in force, and looks every `interval` even when nothing told of
    /// a change (network file systems do not, and a directory that vanishes takes its watch along).
    /// Ends with `shutdown`. What is refused is in [`CedarEngine::status`](crate::CedarEngine::status),
    /// in the log and in the audit log.
    ///
    /// Replace files by renaming; a file that is written in place and left half-written for more than
    /// 100 ms is read half-written. That is refused unless the half happens to be valid.
    pub async fn run(
        self: Arc<Self>,
        clock: Arc<dyn Clock>,
        interval: Duration,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let mut shutdown = pin!(shutdown);
        let changed = Arc::new(Notify::new());
        let mut kept_sets = self.history().map(PolicyHistory::changes);
        loop {
            // Made anew each time round: a watch does not survive its directory.
            let watch = self.directory().and_then(|directory| watch(directory, &changed));
            self.look(&*clock).await;
            let patience = if self.is_waiting().await { SOON } else { interval };
            let told = pin!(changed.notified());
            let kept = pin!(self.news(&mut kept_sets));
            let waited = pin!(tokio::time::timeout(patience, select(told, kept)));
            if let Either::Left(_) = select(shutdown.as_mut(), waited).await {
                return;
            }
            drop(watch);
        }
    }

    /// Waits until the store says that another set may be in force.
    async fn news(&self, changes: &mut Option<Changes>) {
        match (self.history(), changes) {
            (Some(history), Some(changes)) => history.changed(changes).await,
            _ => std::future::pending().await,
        }
    }

    async fn look(&self, clock: &dyn Clock) {
        let context = match SecurityContext::system("policy-watcher", clock) {
            Ok(context) => context,
            Err(error) => {
                tracing::error!(?error, "no request id for a policy reload");
                return;
            }
        };
        // A refusal is logged, recorded and in the status where it is found.
        if let Err(error) = self.refresh(&context).await
            && !error.is(crate::codes::POLICIES_INVALID)
        {
            tracing::error!(?error, "a policy reload failed");
        }
    }
}

fn watch(directory: &Path, changed: &Arc<Notify>) -> Option<Watch> {
    let changed = Arc::clone(changed);
    let tell = move |events: DebounceEventResult| {
        // Reading is no change: our own reading would wake us for ever.
        let is_change =
            events.map_or(true, |all| all.iter().any(|e| !matches!(e.kind, EventKind::Access(_))));
        if is_change {
            changed.notify_one();
        }
    };
    let watch = new_debouncer(QUIET, None, tell).and_then(|mut watch| {
        watch.watch(directory, RecursiveMode::NonRecursive)?;
        Ok(watch)
    });
    match watch {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::warn!(%error, "the policy directory can't be watched; looking at intervals");
            None
        }
    }
}
