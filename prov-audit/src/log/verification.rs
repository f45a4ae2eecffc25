//! Verifying and proving, while the log is open.

use std::sync::Arc;
use std::time::Duration;

use prov_core::audit::RetentionClass;
use prov_core::{Error, HealthCheck, Result};

use super::{Log, blocking};
use crate::codes;
use crate::files::io_error;
use crate::journal::Failure;
use crate::note::Checkpoint;
use crate::verify::{Report, Trust, verify_open};
use crate::witness::read_cosigned;

impl Log {
    /// Signs a checkpoint and verifies everything it covers, from the files: see
    /// [`verify`](crate::verify()).
    ///
    /// One at a time: it reads everything.
    ///
    /// # Errors
    /// [`codes::VERIFYING`] while another call verifies. When the files can't be read at all; what is
    /// wrong with them is in the report.
    pub async fn verify(&self, class: RetentionClass) -> Result<Report> {
        let turn = self.verifying_turn()?;
        self.checkpoint(class).await?;
        let journal = Arc::clone(self.journals.of(class));
        blocking(move || {
            // Given back when the work is done, also when nobody waits for it any more.
            let _turn = turn;
            let durable = journal.durable().size();
            let mut trust = Trust::new();
            trust.ml_dsa_44 = journal.second_key().cloned();
            verify_open(journal.dir(), journal.key().verifier(), durable, &trust)
        })
        .await
    }
}

impl Log {
    /// Verifies a joined log by its name: of another node the mirror that is here, with the key that it was
    /// begun with, and the one for ML-DSA-44 where that is stated.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_LOG`] for a log that is not joined; as [`Log::verify`].
    #[cfg(feature = "sqlite-index")]
    pub async fn verify_joined(&self, origin: &str) -> Result<Report> {
        let own = super::CLASSES.into_iter().find(|c| self.verifier_key(*c).name() == origin);
        if let Some(class) = own {
            return self.verify(class).await;
        }
        let source = self.source(origin)?;
        let turn = self.verifying_turn()?;
        blocking(move || {
            let _turn = turn;
            let mut trust = Trust::new();
            trust.ml_dsa_44 = source.second_key();
            verify_open(&source.dir, &source.key(), source.durable().size(), &trust)
        })
        .await
    }

    fn verifying_turn(&self) -> Result<tokio::sync::OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.verifying).try_acquire_owned();
        turn.map_err(|_| Error::new(codes::VERIFYING).retry_after(Duration::from_secs(10)))
    }
}

impl Log {
    /// The newest checkpoint of a class that enough witnesses cosigned, with their signatures.
    ///
    /// # Errors
    /// [`codes::DAMAGED`] when what is kept is none of this log.
    pub async fn cosigned_checkpoint(&self, class: RetentionClass) -> Result<Option<Checkpoint>> {
        let journal = Arc::clone(self.journals.of(class));
        blocking(move || {
            read_cosigned(journal.dir(), journal.key().verifier())
                .map_err(|e| io_error(e, "reading the cosigned checkpoint"))?
                .map_err(|()| Error::new(codes::DAMAGED).context("the cosigned checkpoint"))
        })
        .await
    }
}

#[async_trait::async_trait]
impl HealthCheck for Log {
    fn component(&self) -> &'static str {
        "audit"
    }

    async fn health(&self) -> prov_core::Health {
        let failures = self.journals.each().map(|(_, journal)| journal.failure());
        if failures.contains(&Some(Failure::Full)) {
            return prov_core::Health::down("the disk is full: make room, the log then goes on");
        }
        if self.journals.each().iter().any(|(_, journal)| journal.tampered_file().is_some()) {
            return prov_core::Health::down(
                "a file of the log was deleted, replaced or changed: see the event that says which",
            );
        }
        if failures.iter().any(Option::is_some) {
            return prov_core::Health::down(
                "the disk failed under the log: restart when it is well",
            );
        }
        #[cfg(feature = "sqlite-index")]
        if self.joined().iter().any(|log| log.alarm.is_some()) {
            return prov_core::Health::degraded(
                "the log of a node does not fit what was seen of it: see the joined logs",
            );
        }
        #[cfg(feature = "sqlite-index")]
        if let Some(trouble) = self.index_trouble() {
            return prov_core::Health::degraded(trouble);
        }
        if self.journals.each().iter().any(|(_, journal)| journal.keeper_is_behind()) {
            return prov_core::Health::degraded("tiles and checkpoints can't be written");
        }
        prov_core::Health::up()
    }
}
