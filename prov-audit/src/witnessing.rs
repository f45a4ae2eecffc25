//! Having the log's checkpoints cosigned by witnesses (C2SP tlog-witness).
//!
//! A [`Witnessing`] takes the newest checkpoint of each log now and then and asks every witness of a
//! [`WitnessPolicy`](crate::WitnessPolicy) that has a URL. When enough of them have cosigned, the
//! checkpoint is kept beside the log with their signatures. Nothing is ever waited for by whoever
//! records: a witness that is dead, stalled or lies costs freshness, and is seen in
//! [`Log::witnessing`](crate::Log::witnessing).
//!
//! ```
//! # use std::sync::Arc;
//! # async fn start(log: Arc<prov_audit::Log>, stop: impl Future<Output = ()> + Send) -> prov_core::Result<()> {
//! use prov_audit::witnessing::WitnessingOptions;
//!
//! let policy = std::fs::read_to_string("/etc/prov/witnesses").unwrap_or_default().parse()?;
//! let witnessing = log.add_witnesses(WitnessingOptions::new(policy)).await?;
//! witnessing.run(stop).await; // until told to stop
//! # Ok(()) }
//! ```

mod options;
mod peer;
mod runner;
mod shared;

pub use options::WitnessingOptions;
pub use runner::Witnessing;
pub(crate) use shared::Shared;
