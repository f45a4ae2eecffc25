//! Several nodes, one view: each writes a log of its own, and keeps verified copies of the others'.
//!
//! Nodes that share a [`Store`](prov_core::store::Store) pass their logs on through it, behind the
//! acknowledgement: each publishes its newest signed checkpoint and, in parts of 256 records, what
//! somebody lacks. Each part proves by itself that the log signed it. Whoever takes it in also proves that
//! it continues what was taken in before, and keeps it as a *mirror*: a directory like that of the log
//! itself, which every verifier reads, also when the node that wrote it is gone. Questions are then
//! answered from all logs together.
//!
//! ```
//! # use std::sync::Arc;
//! # async fn start(log: Arc<prov_audit::Log>, stop: impl Future<Output = ()> + Send) -> prov_core::Result<()> {
//! use prov_audit::joining::JoinOptions;
//! use prov_audit::Query;
//!
//! let joining = log.join(JoinOptions::new()).await?;
//! joining.run(stop).await; // publishes and takes in, until told to stop
//!
//! let page = log.query(&Query::new().user("alice")).await?; // what alice did, on whatever node
//! for joined in log.joined() {
//!     println!("{} of {} events of {}", joined.size, joined.published, joined.origin);
//!     if let Some(alarm) = joined.alarm { eprintln!("{}", alarm.detail); }
//! }
//! # Ok(()) }
//! ```
//!
//! # What is believed
//!
//! The first key under which a log shows itself is kept in its mirror, and no other is believed from
//! then on; [`JoinOptions::key`] says beforehand whose logs are joined. Of a log whose key for ML-DSA-44 is
//! [stated](JoinOptions::ml_dsa_44) nothing is taken in that is not signed with that one too. Whatever does
//! not fit is an [alarm](JoinAlarm): recorded, in [`Log::joined`](crate::Log::joined), and in health; it is
//! never passed over, and nothing of it gets into the mirror.

mod following;
mod keys;
mod options;
mod part;
mod peer;
mod publishing;
mod records;
mod runner;
mod shared;
mod status;

pub(crate) use keys::Keys;
pub use options::JoinOptions;
pub(crate) use peer::Peer;
pub use runner::Joining;
pub(crate) use shared::Shared;
pub use status::{JoinAlarm, JoinAlarmKind, JoinedLog};
