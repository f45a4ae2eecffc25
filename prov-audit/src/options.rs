use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prov_core::store::Store;
use prov_core::{Clock, Error, Result, codes as core_codes};

use crate::note::checked_name;
use crate::retention::{Archive, FolderArchive, Retention};

/// How a [`Log`](crate::Log) is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogOptions {
    /// Where it lies: one directory for each retention class, and the index.
    pub dir: PathBuf,
    /// Its name in checkpoints, without a scheme: `prov.example/audit`. The logs of the classes are
    /// called `…/standard` and `…/break-glass`. It must never change.
    pub origin: String,
    /// Where the signing keys and the keys of subjects are kept; sealed at rest by the embedder.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How large a segment file is, in bytes; 64 KiB to 1 GiB, 8 MiB unless set.
    pub segment_bytes: u64,
    /// Whether checkpoints are signed with ML-DSA-44 besides Ed25519, for verifiers who expect Ed25519 to be
    /// broken one day; not unless set. May be turned on and off when the log is opened.
    pub ml_dsa_44: bool,
    /// How many events may wait for the disk before callers wait for a place; 16,384 unless set.
    pub queue_events: usize,
    /// How often a grown log signs a checkpoint; 2 seconds unless set. What a crash tears off behind
    /// the newest checkpoint can't be told from what somebody cut off there.
    pub checkpoint_every: Duration,
    /// How long the personal part of events of nobody known (failed logins of unknown names) can be
    /// read; 90 days unless set.
    pub unattributed_for: Duration,
    /// How long a query waits for the index; 2 seconds unless set.
    pub index_patience: Duration,
    /// How long events are kept at least, by class; a year and seven years unless set.
    pub retention: Retention,
    /// Where events are copied to before they are pruned; nowhere unless set.
    pub archive: Option<Arc<dyn Archive>>,
}

impl LogOptions {
    /// A log in this directory, with this name.
    #[must_use]
    pub fn new(
        dir: impl Into<PathBuf>,
        origin: impl Into<String>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            dir: dir.into(),
            origin: origin.into(),
            store,
            clock,
            segment_bytes: 8 << 20,
            ml_dsa_44: false,
            queue_events: 16_384,
            checkpoint_every: Duration::from_secs(2),
            unattributed_for: Duration::from_hours(90 * 24),
            index_patience: Duration::from_secs(2),
            retention: Retention::default(),
            archive: None,
        }
    }

    /// Segments of this size in bytes.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// Checkpoints that are signed with ML-DSA-44 too (C2SP tlog-checkpoint), with a key of its own in the
    /// store. Tools that know Ed25519 only read them as before; [`Trust::ml_dsa_44`](crate::Trust::ml_dsa_44)
    /// wants both. Each is 3.3 kB larger, the newest only.
    #[must_use]
    pub fn with_ml_dsa_44(mut self, signs: bool) -> Self {
        self.ml_dsa_44 = signs;
        self
    }

    /// Room for so many events on their way to the disk.
    #[must_use]
    pub fn queue_events(mut self, events: usize) -> Self {
        self.queue_events = events;
        self
    }

    /// A checkpoint this often.
    #[must_use]
    pub fn checkpoint_every(mut self, interval: Duration) -> Self {
        self.checkpoint_every = interval;
        self
    }

    /// The personal part of events of nobody known can be read for so long.
    #[must_use]
    pub fn unattributed_for(mut self, time: Duration) -> Self {
        self.unattributed_for = time;
        self
    }

    /// A query waits so long for the index.
    #[must_use]
    pub fn index_patience(mut self, time: Duration) -> Self {
        self.index_patience = time;
        self
    }

    /// Events are kept so long at least.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Events are copied to this folder, compressed, before they are pruned.
    #[must_use]
    pub fn archive(self, folder: impl Into<PathBuf>) -> Self {
        self.archive_in(Arc::new(FolderArchive(folder.into())))
    }

    /// Events are copied to this archive, compressed, before they are pruned.
    #[must_use]
    pub fn archive_in(mut self, archive: Arc<dyn Archive>) -> Self {
        self.archive = Some(archive);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        checked_name(&self.origin)?;
        let refuse = |what| Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
        if !(64 << 10..=1 << 30).contains(&self.segment_bytes) {
            return refuse("a segment of the audit log has 64 KiB to 1 GiB");
        }
        if !(1..=1_000_000).contains(&self.queue_events) {
            return refuse("the queue of the audit log holds 1 to 1,000,000 events");
        }
        self.retention.check()?;
        if self.checkpoint_every < Duration::from_millis(10) {
            return refuse("checkpoints can be signed every 10 ms at most");
        }
        Ok(())
    }
}
