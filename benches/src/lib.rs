//! Benchmarks of prov. Each program prints a table and, with `--json FILE`, writes the same figures.
//!
//! * [`authz`]: what a decision costs, over growing policy sets, beside Cedar as it comes, regorus and a
//!   program by hand.
//! * [`chain`]: what each layer adds to a request, and the whole chain, beside the same handler on
//!   bare axum.
//! * [`entities`]: what it costs to keep and to search an inventory, beside Cedar's own `Entities`.
//! * [`footprint`]: how soon the reference server is ready, what it keeps in memory, and what a
//!   request costs it, beside a bare axum server.
//!
//! Figures are ratios in one run: what they are compared with is measured in turn with them, so that a
//! busy machine is busy for all.

#![expect(clippy::clone_on_ref_ptr, reason = "wiring reads better with short clones")]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded to be read")]

pub mod authz;
pub mod chain;
pub mod entities;
pub mod footprint;
pub mod measure;
pub mod table;

/// An error of a benchmark: whatever went wrong goes to the terminal.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
