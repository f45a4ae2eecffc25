//! Taking people out of the indexes when their keys are destroyed.

use prov_core::Result;

use super::Log;
use crate::index::Index;
use crate::people::Vault;

/// Takes these people, by their pseudonyms, out of these indexes: of each as far as it can be done.
pub(super) async fn unindex(
    indexes: impl Iterator<Item = &Index> + Send,
    vault: &Vault,
    erased: &[String],
) -> Result<()> {
    if erased.is_empty() {
        return Ok(());
    }
    let pids: Vec<i64> = erased.iter().map(|pid| vault.term("pid", pid)).collect();
    let mut done = Ok(());
    for index in indexes {
        done = done.and(index.forget(pids.clone()).await);
    }
    done
}

impl Log {
    /// What keeps an index from being what it should be, if anything does.
    pub(super) fn index_trouble(&self) -> Option<&'static str> {
        let own = self.indexes.each().into_iter().find_map(|(_, index)| index.trouble());
        own.or_else(|| self.peers().iter().find_map(|peer| peer.index.trouble()))
    }

    /// Takes these people out of every index, of other nodes' logs too.
    pub(super) async fn unindex_all(&self, erased: &[String]) -> Result<()> {
        let own = self.indexes.each().map(|(_, index)| index);
        let done = unindex(own.into_iter(), &self.vault, erased).await;
        let peers = self.peers();
        done.and(unindex(peers.iter().map(|peer| &peer.index), &self.vault, erased).await)
    }
}
