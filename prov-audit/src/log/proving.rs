//! Proofs about the tree: what is in it, that it only grew, and that a range is complete.

use std::ops::Range;
use std::sync::Arc;

use prov_core::audit::RetentionClass;
use prov_core::{Error, Result, codes as core_codes};

#[cfg(feature = "sqlite-index")]
use super::sources::Of;
use super::{Log, blocking};
use crate::codes;
use crate::journal::Proven;
use crate::merkle::{Hash, consistency_proof, inclusion_proof, range_proof};
use crate::note::Checkpoint;
#[cfg(feature = "sqlite-index")]
use crate::note::{CosignerKey, VerifierKey};
use crate::tiles::TilesAt;

/// A proof about the tree over the first `size` events of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeProof {
    /// How many events the tree has that the proof leads to.
    pub size: u64,
    /// The root of that tree.
    pub root: Hash,
    /// The proof itself.
    pub hashes: Vec<Hash>,
    /// The newest checkpoint: it covers that tree, and is of it when the sizes are the same.
    pub checkpoint: Checkpoint,
}

impl From<Proven<Vec<Hash>>> for TreeProof {
    fn from(proven: Proven<Vec<Hash>>) -> Self {
        let Proven { proof, size, root, checkpoint } = proven;
        Self { size, root, hashes: proof, checkpoint }
    }
}

impl Log {
    /// The proof that event number `index` is in the tree of `size` events (RFC 6962, section 2.1.1);
    /// the newest checkpoint's unless said. One is signed when the newest covers too little.
    ///
    /// # Errors
    /// [`codes::EVENT_NOT_FOUND`] when there is no such event in that tree;
    /// [`core_codes::INVALID_REQUEST`] when the log has fewer than `size` events.
    pub async fn inclusion_proof(
        &self,
        class: RetentionClass,
        index: u64,
        size: Option<u64>,
    ) -> Result<TreeProof> {
        self.prove(class, Asked::inclusion(index, size), inclusion_of(index)).await
    }

    /// The proof that the tree of `size` events continues the one of `old` (RFC 6962, section
    /// 2.1.2): that nothing was changed or taken out since.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] when `old` is more than `size`, or the log has fewer than `size` events.
    pub async fn consistency_proof(
        &self,
        class: RetentionClass,
        old: u64,
        size: Option<u64>,
    ) -> Result<TreeProof> {
        self.prove(class, Asked::consistency(old, size), consistency_since(old)).await
    }

    /// The proof that certain events are exactly those numbered `range`, none left out: see
    /// [`verify_range`](crate::verify_range).
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] when the range is empty or ends behind the log.
    pub async fn range_proof(&self, class: RetentionClass, range: Range<u64>) -> Result<TreeProof> {
        self.prove(class, Asked::range(&range), complete(range)?).await
    }

    /// As [`Log::inclusion_proof`], of a joined log by its name: of another node's in what is here. The key
    /// verifies the checkpoint.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_LOG`] for a log that is not joined; [`codes::NOT_YET_SIGNED`] when nothing of it is
    /// here; as [`Log::inclusion_proof`].
    #[cfg(feature = "sqlite-index")]
    pub async fn joined_inclusion_proof(
        &self,
        origin: &str,
        index: u64,
        size: Option<u64>,
    ) -> Result<(TreeProof, VerifierKey)> {
        self.prove_joined(origin, Asked::inclusion(index, size), inclusion_of(index)).await
    }

    /// As [`Log::consistency_proof`], of a joined log by its name: of another node's in what is here. The key
    /// verifies the checkpoint.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_LOG`] for a log that is not joined; [`codes::NOT_YET_SIGNED`] when nothing of it is
    /// here; as [`Log::consistency_proof`].
    #[cfg(feature = "sqlite-index")]
    pub async fn joined_consistency_proof(
        &self,
        origin: &str,
        old: u64,
        size: Option<u64>,
    ) -> Result<(TreeProof, VerifierKey)> {
        self.prove_joined(origin, Asked::consistency(old, size), consistency_since(old)).await
    }

    /// As [`Log::range_proof`], of a joined log by its name: of another node's events those that are here.
    /// The key verifies the checkpoint.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_LOG`] for a log that is not joined; [`codes::NOT_YET_SIGNED`] when nothing of it is
    /// here; as [`Log::range_proof`].
    #[cfg(feature = "sqlite-index")]
    pub async fn joined_range_proof(
        &self,
        origin: &str,
        range: Range<u64>,
    ) -> Result<(TreeProof, VerifierKey)> {
        self.prove_joined(origin, Asked::range(&range), complete(range)?).await
    }

    /// The newest checkpoint of a joined log by its name, and the key that verifies it: of an own log one
    /// over everything durable now, of another node's what is here.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_LOG`] for a log that is not joined; [`codes::NOT_YET_SIGNED`] when nothing of it is
    /// here; when the checkpoint can't be read.
    #[cfg(feature = "sqlite-index")]
    pub async fn joined_checkpoint(&self, origin: &str) -> Result<(Checkpoint, VerifierKey)> {
        let source = self.source(origin)?;
        let key = source.key();
        if let Of::Own(_) = source.of {
            return Ok((self.checkpoint(source.class).await?, key));
        }
        Ok((blocking(move || source.newest_checkpoint()).await?, key))
    }

    /// The key for ML-DSA-44 that a joined log of this name must be signed with too: an own log's, or one that
    /// is [stated](crate::joining::JoinOptions::ml_dsa_44) here.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_LOG`] for a log that is not joined.
    #[cfg(feature = "sqlite-index")]
    pub fn joined_ml_dsa_44_key(&self, origin: &str) -> Result<Option<CosignerKey>> {
        Ok(self.source(origin)?.second_key())
    }

    async fn prove(
        &self,
        class: RetentionClass,
        asked: Asked,
        proof: impl Fn(&TilesAt<'_>, u64) -> Result<Vec<Hash>> + Send + 'static,
    ) -> Result<TreeProof> {
        let needed = asked.size.unwrap_or(asked.needed);
        if needed > self.newest_checkpoint(class).size && needed <= self.size(class) {
            self.checkpoint(class).await?;
        }
        let journal = Arc::clone(self.journals.of(class));
        blocking(move || {
            asked.check(journal.newest_checkpoint().size)?;
            journal.prove(asked.size, proof).map(TreeProof::from)
        })
        .await
    }

    #[cfg(feature = "sqlite-index")]
    async fn prove_joined(
        &self,
        origin: &str,
        asked: Asked,
        proof: impl Fn(&TilesAt<'_>, u64) -> Result<Vec<Hash>> + Send + 'static,
    ) -> Result<(TreeProof, VerifierKey)> {
        let source = self.source(origin)?;
        let key = source.key();
        if let Of::Own(_) = source.of {
            return Ok((self.prove(source.class, asked, proof).await?, key));
        }
        let proven = blocking(move || {
            asked.check(source.newest_checkpoint()?.size)?;
            source.prove(asked.size, proof)
        });
        Ok((proven.await?.into(), key))
    }
}

/// In which tree something is to be proved.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// How many events the tree has; as many as the newest checkpoint unless said.
    size: Option<u64>,
    /// Where whoever asks says how many.
    field: &'static str,
    /// How many events the tree must have for it, unless the size is said.
    needed: u64,
}

impl Asked {
    fn inclusion(index: u64, size: Option<u64>) -> Self {
        Self { size, field: "size", needed: index.saturating_add(1) }
    }

    fn consistency(old: u64, size: Option<u64>) -> Self {
        Self { size, field: "to", needed: old }
    }

    fn range(range: &Range<u64>) -> Self {
        Self { size: None, field: "to", needed: range.end }
    }

    /// Refuses a tree that is larger than the one of the newest checkpoint.
    fn check(self, newest: u64) -> Result<()> {
        if self.size.is_some_and(|size| size > newest) {
            return Err(beyond(self.field, newest));
        }
        Ok(())
    }
}

fn beyond(field: &'static str, size: u64) -> Error {
    let what = format!("at most {size}, the size of the log");
    Error::new(core_codes::INVALID_REQUEST).field(field, what)
}

/// The proof that an event is there.
fn inclusion_of(index: u64) -> impl Fn(&TilesAt<'_>, u64) -> Result<Vec<Hash>> + Send {
    move |tiles, size| inclusion(tiles, index, size)
}

/// The proof that a tree only grew.
fn consistency_since(old: u64) -> impl Fn(&TilesAt<'_>, u64) -> Result<Vec<Hash>> + Send {
    move |tiles, size| {
        if old > size {
            let what = format!("the log had {size} events, fewer than `{old}`");
            return Err(Error::new(core_codes::INVALID_REQUEST).field("from", what));
        }
        consistency_proof(tiles, old, size)
    }
}

/// The proof that events are all of a range.
fn complete(range: Range<u64>) -> Result<impl Fn(&TilesAt<'_>, u64) -> Result<Vec<Hash>> + Send> {
    if range.is_empty() {
        return Err(Error::new(core_codes::INVALID_REQUEST).field("to", "more than `from`"));
    }
    Ok(move |tiles: &TilesAt<'_>, size: u64| {
        if range.end > size {
            return Err(beyond("to", size));
        }
        range_proof(tiles, &range, 0..size)
    })
}

/// The inclusion proof, of an event that is there.
pub(super) fn inclusion(tiles: &TilesAt<'_>, index: u64, size: u64) -> Result<Vec<Hash>> {
    if index >= size {
        return Err(codes::EVENT_NOT_FOUND.into());
    }
    inclusion_proof(tiles, index, size)
}
