//! The audit log as the rest of the program sees it.

mod anchors;
#[cfg(feature = "sqlite-index")]
mod asking;
mod close;
mod export;
mod follow;
mod holds;
mod people;
mod proving;
mod pruning;
#[cfg(feature = "sqlite-index")]
mod read;
mod recording;
mod second;
#[cfg(feature = "sqlite-index")]
mod sources;
#[cfg(feature = "sqlite-index")]
mod tail;
#[cfg(feature = "sqlite-index")]
mod unindex;
mod verification;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use export::{ExportedLeaf, LeafReader};
use prov_core::audit::{Action, Actor, Event, Outcome, RetentionClass};
use prov_core::store::Store;
use prov_core::{Clock, Error, PrincipalKind, Result, codes as core_codes};
pub use proving::TreeProof;
#[cfg(feature = "sqlite-index")]
#[cfg(feature = "sqlite-index")]
pub use read::Proof;
#[cfg(feature = "axum")]
pub(crate) use sources::unknown_log;
#[cfg(feature = "sqlite-index")]
pub use tail::{News, Tail, Tailed};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::journal::{Journal, JournalOptions, Notice, Notices};
use crate::leaf::Leaf;
use crate::note::{Checkpoint, CosignerKey, SigningKey, VerifierKey};
use crate::options::LogOptions;
use crate::people::{Vault, secret};
use crate::sink::Sinks;

/// The tamper-evident audit log: two logs on disk, one for each retention class, because a log can
/// only be pruned from its start.
///
/// Recording: the event's personal part is sealed, the rest is serialised; the bytes are durable
/// before [`record`](prov_core::audit::Recorder::record) returns, together with whatever else was
/// recorded meanwhile. If the caller stops waiting, the event is recorded all the same.
///
/// [`Log::close`] signs the last checkpoint; so does dropping it, on the dropping thread.
#[derive(Debug)]
pub struct Log {
    options: LogOptions,
    vault: Arc<Vault>,
    /// Verifying reads everything: one at a time.
    verifying: Arc<Semaphore>,
    // Before the journals: fields are dropped in order, and an index reads its journal.
    #[cfg(feature = "sqlite-index")]
    indexes: Both<crate::index::Index>,
    /// The mirrors of other nodes' logs, where they are joined.
    #[cfg(feature = "sqlite-index")]
    joining: std::sync::OnceLock<Arc<crate::joining::Shared>>,
    journals: Both<Arc<Journal>>,
    pub(crate) sinks: Sinks,
    #[cfg(feature = "timestamps")]
    pub(crate) anchoring: std::sync::OnceLock<Arc<crate::anchoring::Shared>>,
    #[cfg(feature = "witnesses")]
    pub(crate) witnessing: std::sync::OnceLock<Arc<crate::witnessing::Shared>>,
}

/// One of each retention class.
#[derive(Debug)]
struct Both<T> {
    standard: T,
    break_glass: T,
}

impl<T> Both<T> {
    fn of(&self, class: RetentionClass) -> &T {
        match class {
            RetentionClass::BreakGlass => &self.break_glass,
            _ => &self.standard,
        }
    }

    fn each(&self) -> [(RetentionClass, &T); 2] {
        CLASSES.map(|class| (class, self.of(class)))
    }
}

/// Every retention class.
pub(crate) const CLASSES: [RetentionClass; 2] =
    [RetentionClass::Standard, RetentionClass::BreakGlass];

/// The directory of a class below the log's.
pub(crate) fn class_dir(dir: &Path, class: RetentionClass) -> PathBuf {
    dir.join(class_name(class))
}

/// The place of a class in arrays of both.
pub(crate) fn place(class: RetentionClass) -> usize {
    usize::from(class == RetentionClass::BreakGlass)
}

/// The name of a class in the API.
pub(crate) fn api_name(class: RetentionClass) -> &'static str {
    match class {
        RetentionClass::BreakGlass => "break_glass",
        _ => "standard",
    }
}

/// The name of a class in directories and origins.
pub(crate) fn class_name(class: RetentionClass) -> &'static str {
    match class {
        RetentionClass::BreakGlass => "break-glass",
        _ => "standard",
    }
}

impl Log {
    /// Opens the log, or creates it: reads what a crash left behind, cuts a torn tail, loads or
    /// makes the signing keys in the store, and starts the threads that own the files.
    ///
    /// # Errors
    /// [`codes::DAMAGED`](crate::codes::DAMAGED) naming the record, when what was durable is not
    /// what was written: the log does not go on over damage.
    /// [`codes::ROLLED_BACK`](crate::codes::ROLLED_BACK) when the store remembers a checkpoint of
    /// more events. [`codes::IN_USE`](crate::codes::IN_USE) when another process has it.
    pub async fn open(options: LogOptions) -> Result<Self> {
        options.check()?;
        let vault = Arc::new(
            Vault::open(
                Arc::clone(&options.store),
                Arc::clone(&options.clock),
                &options.origin,
                options.unattributed_for,
            )
            .await?,
        );
        let journals = Both {
            standard: open_journal(&options, RetentionClass::Standard).await?,
            break_glass: open_journal(&options, RetentionClass::BreakGlass).await?,
        };
        #[cfg(feature = "sqlite-index")]
        let indexes = read::open_indexes(&options, &journals, &vault).await?;
        Ok(Self {
            options,
            vault,
            verifying: Arc::new(Semaphore::new(1)),
            #[cfg(feature = "sqlite-index")]
            indexes,
            #[cfg(feature = "sqlite-index")]
            joining: std::sync::OnceLock::new(),
            journals,
            sinks: Sinks::default(),
            #[cfg(feature = "timestamps")]
            anchoring: std::sync::OnceLock::new(),
            #[cfg(feature = "witnesses")]
            witnessing: std::sync::OnceLock::new(),
        })
    }

    /// Opens the log with every default, shared: by the layer, and by every service that records.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn embedded(
        dir: impl Into<PathBuf>,
        origin: impl Into<String>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>> {
        Self::open(LogOptions::new(dir, origin, store, clock)).await.map(Arc::new)
    }

    /// The key that verifies the checkpoints of a class. Keep a copy away from the log.
    #[must_use]
    pub fn verifier_key(&self, class: RetentionClass) -> &VerifierKey {
        self.journals.of(class).key().verifier()
    }

    /// The key for ML-DSA-44 that signs them too, where [`LogOptions::with_ml_dsa_44`] says so. Keep a copy
    /// of it as well.
    #[must_use]
    pub fn ml_dsa_44_key(&self, class: RetentionClass) -> Option<&CosignerKey> {
        self.journals.of(class).second_key()
    }

    /// The newest checkpoint of a class.
    #[must_use]
    pub fn newest_checkpoint(&self, class: RetentionClass) -> Checkpoint {
        self.journals.of(class).newest_checkpoint()
    }

    /// How many events of a class are durable.
    #[must_use]
    pub fn size(&self, class: RetentionClass) -> u64 {
        self.journals.of(class).durable().size()
    }

    /// Where the log lies.
    pub(crate) fn dir(&self) -> &Path {
        &self.options.dir
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.options.clock
    }

    pub(crate) fn journal(&self, class: RetentionClass) -> &Arc<Journal> {
        self.journals.of(class)
    }

    /// Signs a checkpoint over everything durable now, and remembers it in the store, so that a log
    /// that is put back to an earlier state is found out when it is opened.
    ///
    /// # Errors
    /// When tiles or checkpoint can't be written.
    pub async fn checkpoint(&self, class: RetentionClass) -> Result<Checkpoint> {
        let journal = self.journals.of(class);
        let checkpoint = journal.checkpoint().await?;
        let head = (checkpoint.size, checkpoint.root);
        close::remember_head(&*self.options.store, journal, head).await?;
        Ok(checkpoint)
    }
}

async fn open_journal(options: &LogOptions, class: RetentionClass) -> Result<Arc<Journal>> {
    let name = format!("{}/{}", options.origin, class_name(class));
    let seed = secret(&*options.store, &format!("checkpoint-key/{name}")).await?;
    let key = SigningKey::from_seed(&name, &seed)?;
    let second = second::before(options, &name).await?;
    let signs_twice = second.is_some();
    let journal = JournalOptions {
        dir: class_dir(&options.dir, class),
        key,
        second,
        segment_bytes: options.segment_bytes,
        queue_events: options.queue_events,
        checkpoint_every: options.checkpoint_every,
        remembered: close::remembered(&*options.store, &name).await?,
        notices: notices(Arc::clone(&options.clock)),
    };
    let journal = blocking(move || Journal::open(journal)).await?;
    if signs_twice {
        second::after(&*options.store, &name).await?;
    }
    Ok(Arc::new(journal))
}

/// The events the log records about itself.
fn notices(clock: Arc<dyn Clock>) -> Notices {
    let actor = Actor::account(PrincipalKind::System, "system:audit-log", "audit-log");
    Notices::new(move |notice| {
        let event = |action, outcome| {
            Event::new(&*clock, action, outcome).by(actor.clone()).on("audit", "log")
        };
        let event = match notice {
            Notice::Full => event(Action::AUDIT_LOG_FULL, Outcome::Failure)
                .with("remedy", "make room; the log then goes on by itself"),
            Notice::Resumed { refused } => {
                event(Action::AUDIT_LOG_RESUMED, Outcome::Success).with("refused", *refused)
            }
            Notice::Tampered { file } => {
                event(Action::AUDIT_LOG_TAMPERED, Outcome::Failure).with("file", file.as_str())
            }
        };
        // Nothing in these can fail to be written as JSON.
        Leaf::of(&event, None).to_bytes().unwrap_or_default()
    })
}

/// Runs what blocks away from the tasks.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::new(core_codes::INTERNAL)
            .context("blocking work of the audit log")
            .source(error))
    })
}
