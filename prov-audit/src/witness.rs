//! Witnesses: others who say that a log only ever grew, so that nobody can be shown a log that the
//! others are not shown (C2SP tlog-witness, tlog-cosignature, tlog-policy).
//!
//! [`WitnessPolicy`] says whose word is wanted, and checks for it offline. [`Witness`] is such a
//! witness itself, for the logs of others; two deployments can vouch for each other.

mod kept;
mod policy;
mod seen;
mod service;
mod status;
mod submission;

#[cfg(feature = "witnesses")]
pub(crate) use kept::write as write_cosigned;
pub(crate) use kept::{FILE as COSIGNED_FILE, read as read_cosigned};
pub use policy::{Cosigned, PolicyWitness, WitnessPolicy};
pub use service::{Submitted, WatchedLog, Witness, WitnessOptions};
pub use status::{CosignedLog, WitnessState, WitnessStatus, WitnessingStatus};
#[cfg(feature = "witnesses")]
pub(crate) use submission::number;
