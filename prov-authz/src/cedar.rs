//! The engine that ships: Cedar, held to a stricter rule about errors.

mod context;
mod engine;
mod entities;
mod evaluate;
mod explain;
mod prepare;
mod snapshot;
mod status;

pub(crate) use context::context_of;
pub use engine::{Candidate, CedarEngine};
pub(crate) use entities::{Roles, principal_entities};
pub use explain::{Explanation, Lever, PolicyNote};
pub use status::{EngineStats, LoadFailure, PolicySource, PolicyStatus};
