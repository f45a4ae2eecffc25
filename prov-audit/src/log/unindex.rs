//! Taking people out of the indexes when their keys are destroyed.

use prov_core::Result;

use super::Both;
use crate::index::Index;
use crate::people::Vault;

/// Takes these people, by their pseudonyms, out of both indexes: of each as far as it can be done.
pub(super) async fn unindex(indexes: &Both<Index>, vault: &Vault, erased: &[String]) -> Result<()> {
    if erased.is_empty() {
        return Ok(());
    }
    let pids: Vec<i64> = erased.iter().map(|pid| vault.term("pid", pid)).collect();
    let mut done = Ok(());
    for (_, index) in indexes.each() {
        done = done.and(index.forget(pids.clone()).await);
    }
    done
}
