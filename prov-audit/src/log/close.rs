//! Closing, and the memory of what was vouched for.

use std::sync::Arc;
use std::time::Duration;

use prov_core::store::{Entity, Expect, Store, StoreExt};
use prov_core::{Error, Result, codes as core_codes};
use serde::{Deserialize, Serialize};

use super::{Log, blocking};
use crate::codes;
use crate::journal::Journal;
use crate::merkle::Hash;

/// The newest state the store knows of. The log's own directory can be put back to an earlier
/// state as a whole; the store then still remembers the later one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Head {
    /// The log's name, with its class: several nodes with a log each share one store.
    log: String,
    size: u64,
    /// Hexadecimal.
    root: String,
}

impl Entity for Head {
    const KIND: &'static str = "audit.head";

    fn id(&self) -> String {
        self.log.clone()
    }
}

/// Size and root that the store remembers of the log of this name: one that lacks them is not opened.
pub(super) async fn remembered(store: &dyn Store, name: &str) -> Result<Option<(u64, Hash)>> {
    let Some(head) = store.load::<Head>(name).await? else { return Ok(None) };
    let mut root = Hash::default();
    hex::decode_to_slice(&head.root, &mut root).map_err(|e| {
        Error::new(core_codes::INTERNAL).context("the remembered root of an audit log").source(e)
    })?;
    Ok(Some((head.size, root)))
}

/// Remembers size and root of the log, unless a later state is remembered already.
pub(super) async fn remember_head(
    store: &dyn Store,
    journal: &Journal,
    (size, root): (u64, Hash),
) -> Result<()> {
    let log = journal.key().verifier().name().to_owned();
    let head = Head { log, size, root: hex::encode(root) };
    let known = store.load::<Head>(&head.log).await?;
    if known.as_ref().is_some_and(|known| known.size >= head.size) {
        return Ok(());
    }
    let expect = known.map_or(Expect::Absent, |known| Expect::Version(known.version));
    let batch = prov_core::store::Batch::new().with(head.put(expect)?);
    match store.commit(batch).await {
        // Somebody else remembered one at the same moment; theirs is as good.
        Err(error) if error.is(core_codes::CONFLICT) => Ok(()),
        other => other.map(drop),
    }
}

impl Log {
    /// Remembers in the store, this often while the log grows, how large it is and with which root,
    /// until `shutdown` ends. A log that was put back by more than that is not opened again. It costs
    /// no sync of the log's own.
    pub async fn remember(
        self: Arc<Self>,
        every: Duration,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        tokio::select! {
            () = self.remember_on(every) => {}
            () = shutdown => {}
        }
    }

    async fn remember_on(&self, every: Duration) {
        let mut known = [0; 2];
        loop {
            tokio::time::sleep(every).await;
            for ((_, journal), known) in self.journals.each().into_iter().zip(&mut known) {
                if journal.durable().size() == *known {
                    continue;
                }
                let remembered = match journal.head().await {
                    Ok(head) => {
                        remember_head(&*self.options.store, journal, head).await.map(|()| head.0)
                    }
                    Err(error) => Err(error),
                };
                match remembered {
                    Ok(size) => *known = size,
                    Err(error) => {
                        tracing::warn!(?error, "the head of the audit log is not remembered yet");
                    }
                }
            }
        }
    }

    /// Takes no more events, waits until everything queued is durable, signs the last checkpoints
    /// and stops all threads. Later calls of [`record`](prov_core::audit::Recorder::record) are
    /// refused with [`codes::CLOSED`].
    ///
    /// # Errors
    /// When the last checkpoint can't be signed (every event is durable, and it is signed when the
    /// log is opened again), or can't be remembered in the store. The log is closed all the same.
    pub async fn close(&self) -> Result<()> {
        for (_, journal) in self.journals.each() {
            journal.begin_close();
        }
        let mut complete = true;
        for (class, journal) in self.journals.each() {
            let closing = Arc::clone(journal);
            let checkpoint = blocking(move || {
                closing.finish_close();
                Ok(closing.newest_checkpoint())
            })
            .await?;
            let head = (checkpoint.size, checkpoint.root);
            remember_head(&*self.options.store, journal, head).await?;
            complete &= checkpoint.size == self.size(class);
        }
        #[cfg(feature = "sqlite-index")]
        {
            self.indexes.each().into_iter().for_each(|(_, index)| index.stop());
            self.peers().iter().for_each(|peer| peer.index.stop());
        }
        if complete {
            return Ok(());
        }
        Err(Error::new(codes::UNAVAILABLE)
            .context("every event is durable, but the last checkpoint could not be signed"))
    }
}
