//! The tamper-evident audit log: durable before acknowledged, provable for ever, and still able to
//! forget a person.
//!
//! ```
//! use std::sync::Arc;
//! use prov_audit::{Log, LogOptions, Query};
//! use prov_core::SystemClock;
//! use prov_core::audit::{Action, Actor, Event, Outcome, Recorder};
//! use prov_core::store::MemoryStore;
//!
//! # async fn example(dir: &std::path::Path) -> prov_core::Result<()> {
//! let clock = Arc::new(SystemClock::new());
//! let store = Arc::new(MemoryStore::new(clock.clone()));
//! let log = Log::open(LogOptions::new(dir, "prov.example/audit", store, clock.clone())).await?;
//!
//! let alice = Actor::account(prov_core::PrincipalKind::User, "user_1", "alice");
//! let event = Event::new(&*clock, Action::AUTH_LOGIN, Outcome::Success).by(alice);
//! log.record(event).await?; // on the disk when this returns
//!
//! # #[cfg(feature = "sqlite-index")]
//! assert_eq!(log.query(&Query::new().user("alice")).await?.items.len(), 1);
//! assert!(log.verify(prov_core::audit::RetentionClass::Standard).await?.intact);
//! log.close().await
//! # }
//! # let dir = tempfile::tempdir().unwrap();
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
//! #     .block_on(example(dir.path())).unwrap();
//! ```
//!
//! # On disk
//!
//! One directory for each retention class (`standard`, `break-glass`), each of them a transparency
//! log that foreign tools read: `checkpoint` (C2SP tlog-checkpoint, Ed25519), `tile/…` (C2SP
//! tlog-tiles: hash tiles and entry bundles), `checkpoints` (those signed before, fewer the older),
//! `log.vkey` (the public key) and `segments/…`, the log's own order and the only files that are
//! written before an event is acknowledged. `index/` is made anew when it is lost.
//!
//! # Rules
//!
//! * An event is acknowledged when it is durable, or not at all; a full disk refuses events and
//!   harms nothing, and the log goes on when there is room.
//! * A torn tail, which was never acknowledged, is cut when the log is opened. Any other damage stops
//!   the log from opening, names the record, and is never passed over.
//! * Personal data (names, addresses, user agents) is always sealed under a key of its subject;
//!   there is no setting that leaves it in the clear.
//! * The index is never waited for by whoever records.

#![cfg_attr(
    not(feature = "sqlite-index"),
    expect(dead_code, reason = "without the index nobody reads single events back")
)]

#[cfg(feature = "timestamps")]
pub mod anchoring;
mod anchors;
#[cfg(feature = "axum")]
pub mod api;
mod audit_layer;
mod catalogue;
pub mod codes;
mod disk;
#[cfg(test)]
#[path = "../tests/it/faults_report.rs"]
mod faults_report;
mod files;
pub mod format;
#[cfg(feature = "sqlite-index")]
mod index;
#[cfg(feature = "sqlite-index")]
pub mod joining;
mod journal;
mod leaf;
mod log;
mod merkle;
mod note;
mod options;
mod people;
mod proof;
#[cfg(feature = "sqlite-index")]
mod query;
#[cfg(feature = "sqlite-index")]
mod question;
pub mod reconcile;
#[cfg(feature = "sqlite-index")]
mod record;
mod retention;
mod segment;
pub mod sink;
mod tiles;
mod verify;
mod witness;
#[cfg(feature = "witnesses")]
pub mod witnessing;

#[cfg(feature = "timestamps")]
pub use anchoring::TsaRoots;
pub use anchors::Anchor;
pub use audit_layer::{Audit, AuditFuture, AuditLayer};
pub use catalogue::action_page;
pub use log::{ExportedLeaf, LeafReader, Log, TreeProof};
#[cfg(feature = "sqlite-index")]
pub use log::{News, Proof, Tail, Tailed};
pub use merkle::Hash;
pub use note::{Checkpoint, CosignerKey, VerifierKey};
pub use options::LogOptions;
pub use proof::{verify_extension, verify_proof, verify_range};
#[cfg(feature = "sqlite-index")]
pub use query::{ActionCount, Counts, Page, Query, Stats, ValueCount};
#[cfg(feature = "sqlite-index")]
pub use question::{CountBy, Question};
#[cfg(feature = "sqlite-index")]
pub use record::{AuditRecord, RecordedActor, RecordedRequest};
pub use retention::{
    Archive, ArchiveReport, Hold, NewHold, PruneEnd, Pruned, Retention, verify_archive,
    verify_archive_in,
};
pub use verify::{Finding, FindingKind, Report, Trust, key_beside, verify, verify_with};
pub use witness::{
    Cosigned, CosignedLog, PolicyWitness, Submitted, WatchedLog, Witness, WitnessOptions,
    WitnessPolicy, WitnessState, WitnessStatus, WitnessingStatus,
};
