//! Having the log's checkpoints time-stamped by an authority (RFC 3161).
//!
//! A witness says that a log only grew; a time stamp says that it had got so far by a moment, in the word
//! of somebody who knows nothing of logs. An [`Anchoring`] sends the hash of the newest checkpoint of each
//! log to an authority now and then, checks the answer to the last byte, and keeps both in `anchors/`
//! beside the log: `N.checkpoint` and `N.tsr`, as `openssl ts -verify` takes them.
//!
//! ```
//! # use std::sync::Arc;
//! # async fn start(log: Arc<prov_audit::Log>, stop: impl Future<Output = ()> + Send) -> prov_core::Result<()> {
//! use prov_audit::TsaRoots;
//! use prov_audit::anchoring::AnchoringOptions;
//!
//! let roots = TsaRoots::read("/etc/prov/tsa-roots.pem".as_ref())?;
//! let options = AnchoringOptions::new("http://tsa.example", roots);
//! log.add_anchoring(options).await?.run(stop).await; // until told to stop
//! # Ok(()) }
//! ```

mod options;
mod request;
mod roots;
mod runner;
mod signer;
mod token;

pub use options::AnchoringOptions;
pub use roots::TsaRoots;
pub(crate) use runner::Shared;
pub use runner::{Anchoring, AnchoringStatus};
pub(crate) use token::verify_token;
