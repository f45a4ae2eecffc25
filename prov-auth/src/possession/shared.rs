//! Which proofs other nodes have seen.

use std::sync::Arc;
use std::time::Duration;

use prov_core::store::{Entity, Store, StoreExt};
use prov_core::{Clock, Error, Result, Timestamp, codes as core_codes};
use serde::{Deserialize, Serialize};

use super::replay::Name;
use crate::codes;
use crate::refresh::later;

/// That a proof was shown. Whoever writes it first has shown it first, on whichever node.
#[derive(Debug, Serialize, Deserialize)]
struct ShownProof {
    /// What names it, in hexadecimal.
    name: String,
    expires_at: Timestamp,
}

impl Entity for ShownProof {
    const KIND: &'static str = "auth.shown_proof";

    fn id(&self) -> String {
        self.name.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// The memory of all nodes over one store: one commit for each proof.
#[derive(Debug)]
pub(super) struct SharedReplays {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    kept_for: Duration,
}

impl SharedReplays {
    /// Proofs in this store, none of which outlives `span` by any clock that differs by less than that from
    /// the one it is remembered by.
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, span: Duration) -> Self {
        Self { store, clock, kept_for: span * 2 }
    }

    /// Remembers a proof.
    ///
    /// # Errors
    /// [`codes::PROOF_INVALID`] when any node has seen it; when the store can't be written: what can't be
    /// remembered could be shown again.
    pub(super) async fn remember(&self, name: Name) -> Result<()> {
        let expires_at = later(self.clock.now(), self.kept_for);
        let shown = ShownProof { name: format!("{name:032x}"), expires_at };
        match self.store.create(&shown).await {
            Err(error) if error.is(core_codes::CONFLICT) => {
                Err(Error::new(codes::PROOF_INVALID).context("it was shown to another node"))
            }
            other => other.map(drop),
        }
    }
}
