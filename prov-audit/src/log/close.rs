//! Closing, and the memory of what was vouched for.

use std::sync::Arc;

use prov_core::store::{Entity, Expect, Store, StoreExt};
use prov_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Log, blocking};
use crate::codes;
use crate::journal::Journal;
use crate::merkle::tree_root;
use crate::note::Checkpoint;
use crate::tiles::{TileFiles, TilesAt};

/// The newest checkpoint the store knows of. The log's own directory can be put back to an earlier
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

/// Refuses a log that lacks what the store remembers.
pub(super) async fn check_head(store: &dyn Store, journal: &Arc<Journal>) -> Result<()> {
    let name = journal.key().verifier().name();
    let Some(head) = store.load::<Head>(name).await? else { return Ok(()) };
    let journal = Arc::clone(journal);
    blocking(move || {
        let newest = journal.newest_checkpoint();
        let files = TileFiles::new(journal.dir());
        let same = newest.size >= head.size && {
            let tiles = TilesAt { files: &files, size: newest.size };
            hex::encode(tree_root(&tiles, 0, head.size)?) == head.root
        };
        if same { Ok(()) } else { Err(codes::ROLLED_BACK.into()) }
    })
    .await
}

/// Remembers a checkpoint, unless a later one is remembered already.
pub(super) async fn remember_head(
    store: &dyn Store,
    journal: &Journal,
    checkpoint: &Checkpoint,
) -> Result<()> {
    let log = journal.key().verifier().name().to_owned();
    let head = Head { log, size: checkpoint.size, root: hex::encode(checkpoint.root) };
    let known = store.load::<Head>(&head.log).await?;
    if known.as_ref().is_some_and(|known| known.size >= head.size) {
        return Ok(());
    }
    let expect = known.map_or(Expect::Absent, |known| Expect::Version(known.version));
    let batch = prov_core::store::Batch::new().with(head.put(expect)?);
    match store.commit(batch).await {
        // Somebody else remembered one at the same moment; theirs is as good.
        Err(error) if error.is(prov_core::codes::CONFLICT) => Ok(()),
        other => other.map(drop),
    }
}

impl Log {
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
            remember_head(&*self.options.store, journal, &checkpoint).await?;
            complete &= checkpoint.size == self.size(class);
        }
        #[cfg(feature = "sqlite-index")]
        for (_, index) in self.indexes.each() {
            index.stop();
        }
        if complete {
            return Ok(());
        }
        Err(Error::new(codes::UNAVAILABLE)
            .context("every event is durable, but the last checkpoint could not be signed"))
    }
}
