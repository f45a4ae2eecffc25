//! Every log that questions are answered from: this node's own, and the mirrors of the others'.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prov_core::audit::RetentionClass;
use prov_core::store::Store;
use prov_core::{Error, Result, codes as core_codes};

use super::pruning::Keeping;
use super::unindex::unindex;
use super::{CLASSES, Log, blocking, class_name};
use crate::codes;
use crate::files::io_error;
use crate::index::{Hit, IndexFile};
use crate::joining::{Peer, Shared};
use crate::journal::{Journal, Proven, Stub, Watermark, origin_hash_of};
use crate::note::{Checkpoint, CosignerKey, VerifierKey};
use crate::people::Vault;
use crate::segment::{Record, read_record};
use crate::tiles::TilesAt;

/// One log that is asked.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Its retention class.
    pub(crate) class: RetentionClass,
    /// Where it lies.
    pub(crate) dir: PathBuf,
    /// The file of its index.
    pub(crate) index: IndexFile,
    /// How many of its records are indexed.
    pub(crate) indexed: u64,
    /// What opens personal parts of its events.
    pub(crate) vault: Arc<Vault>,
    pub(crate) of: Of,
}

/// Whose log it is.
#[derive(Debug, Clone)]
pub(crate) enum Of {
    /// This node's.
    Own(Arc<Journal>),
    /// Another's.
    Peer(Arc<Peer>),
}

impl Source {
    /// The key that verifies it.
    pub(crate) fn key(&self) -> VerifierKey {
        match &self.of {
            Of::Own(journal) => journal.key().verifier().clone(),
            Of::Peer(peer) => peer.keys.first.clone(),
        }
    }

    /// The key for ML-DSA-44 that it must be signed with too: an own log's, or one that is stated here.
    pub(crate) fn second_key(&self) -> Option<CosignerKey> {
        match &self.of {
            Of::Own(journal) => journal.second_key().cloned(),
            Of::Peer(peer) => peer.keys.second.clone(),
        }
    }

    /// How far it may be read.
    pub(crate) fn durable(&self) -> &Arc<Watermark> {
        match &self.of {
            Of::Own(journal) => journal.durable(),
            Of::Peer(peer) => peer.durable(),
        }
    }

    /// The newest checkpoint. Blocks.
    ///
    /// # Errors
    /// [`codes::NOT_YET_SIGNED`] for another's log of which nothing is here; when it can't be read.
    pub(crate) fn newest_checkpoint(&self) -> Result<Checkpoint> {
        let newest = match &self.of {
            Of::Own(journal) => journal.newest_checkpoint(),
            Of::Peer(peer) => peer.newest_checkpoint()?,
        };
        if newest.note.is_empty() {
            return Err(Error::new(codes::NOT_YET_SIGNED)
                .detail("nothing of that log is here yet; try again in a moment"));
        }
        Ok(newest)
    }

    /// Proves something: as [`Journal::prove`]. Blocks.
    pub(crate) fn prove<T>(
        &self,
        size: Option<u64>,
        proof: impl Fn(&TilesAt<'_>, u64) -> Result<T>,
    ) -> Result<Proven<T>> {
        crate::journal::prove(&self.dir, || self.newest_checkpoint(), size, proof)
    }

    /// The record of a hit; `None` when it was pruned since the index was asked, which follows a moment later.
    /// Blocks.
    pub(crate) fn read(&self, hit: Hit) -> Result<Option<Record>> {
        match read_record(&self.dir, hit.seq, hit.segment, hit.place) {
            Ok(record) => Ok(Some(record)),
            // The signed statement is there before the first file goes.
            Err(_) if hit.seq < pruned_before(&self.dir, &self.key()) => Ok(None),
            Err(error) => {
                let what = format!("record {} of the audit log can't be read", hit.seq);
                Err(Error::new(codes::DAMAGED).detail(what).source(error))
            }
        }
    }
}

/// How many records of a log were pruned, as far as that can be read.
fn pruned_before(dir: &Path, key: &VerifierKey) -> u64 {
    let stub = Stub::read(dir, key);
    stub.ok().and_then(|stub| stub.ok().flatten()).map_or(0, |stub| stub.before)
}

/// Whether a log is the one of this name, or one of the node of this name.
pub(super) fn is_of(log: &str, origin: &str) -> bool {
    let node = |class| log.strip_suffix(class_name(class))?.strip_suffix('/');
    log == origin || CLASSES.into_iter().any(|class| node(class) == Some(origin))
}

/// A log in cursors and places.
pub(super) fn short(name: &str) -> u32 {
    origin_hash_of(name).first_chunk().copied().map(u32::from_be_bytes).unwrap_or_default()
}

/// What whoever asks for a log that is none of the joined ones is told.
pub(crate) fn unknown_log() -> Error {
    Error::new(codes::UNKNOWN_LOG).detail("no log of this name is joined here")
}

impl Log {
    /// Every log that questions are answered from, by name.
    pub(super) fn sources(&self) -> Vec<Source> {
        let own = self.indexes.each().map(|(class, index)| {
            let journal = self.journals.of(class);
            Source {
                name: journal.key().verifier().name().into(),
                class,
                dir: journal.dir().to_owned(),
                index: index.file().clone(),
                indexed: index.position(),
                vault: Arc::clone(&self.vault),
                of: Of::Own(Arc::clone(journal)),
            }
        });
        let others = self.peers().into_iter().map(|peer| Source {
            name: peer.name.as_str().into(),
            class: peer.class,
            dir: peer.dir.clone(),
            index: peer.index.file().clone(),
            indexed: peer.index.position(),
            vault: Arc::clone(&peer.vault),
            of: Of::Peer(peer),
        });
        let mut all: Vec<Source> = own.into_iter().chain(others).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Those of a node, or the one of this name; all of them unless said. None would look as if nothing had
    /// happened.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_LOG`] when there is none.
    pub(super) fn sources_at(&self, origin: Option<&str>) -> Result<Vec<Source>> {
        let mut sources = self.sources();
        sources.retain(|source| origin.is_none_or(|origin| is_of(&source.name, origin)));
        if sources.is_empty() { Err(unknown_log()) } else { Ok(sources) }
    }

    /// The names of all logs that are read here, with their classes: this node's own, and those of others
    /// that are joined.
    #[must_use]
    pub fn joined_names(&self) -> Vec<(String, RetentionClass)> {
        self.sources().into_iter().map(|source| (source.name.to_string(), source.class)).collect()
    }

    /// The one of this name.
    pub(super) fn source(&self, origin: &str) -> Result<Source> {
        let found = self.sources().into_iter().find(|source| *source.name == *origin);
        found.ok_or_else(unknown_log)
    }

    /// The mirrors of other nodes' logs.
    pub(super) fn peers(&self) -> Vec<Arc<Peer>> {
        self.joining.get().map(|shared| shared.peers()).unwrap_or_default()
    }

    pub(crate) fn joining(&self) -> Option<&Arc<Shared>> {
        self.joining.get()
    }

    /// Answers from these mirrors too, without those who were erased.
    pub(crate) async fn begin_joining(&self, shared: &Arc<Shared>) -> Result<()> {
        let erased = self.vault.erased().await?;
        self.joining.set(Arc::clone(shared)).map_err(|_| {
            Error::new(core_codes::INVALID_REQUEST).detail("the log is joined already")
        })?;
        let peers = shared.peers();
        let indexes = peers.iter().map(|peer| &peer.index);
        if let Err(error) = unindex(indexes, &self.vault, &erased).await {
            tracing::warn!(?error, "the erased could not be taken out of the index of a mirror");
        }
        Ok(())
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.options.store
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) fn origin(&self) -> &str {
        &self.options.origin
    }

    /// How many events of a class were pruned, as far as that can be read.
    pub(crate) fn pruned_before(&self, class: RetentionClass) -> u64 {
        let journal = self.journals.of(class);
        pruned_before(journal.dir(), journal.key().verifier())
    }

    /// Whether a mirror has an event before `before` that must still be kept, by the retention and the holds of
    /// this node.
    pub(crate) async fn keeps_of_mirror(
        &self,
        class: RetentionClass,
        dir: PathBuf,
        before: u64,
    ) -> Result<bool> {
        let keeping = Keeping::of_mirror(self, class).await?;
        let keeps = move || keeping.keeps_any_before(&dir, before);
        blocking(move || keeps().map_err(|e| io_error(e, "reading old segments"))).await
    }
}
