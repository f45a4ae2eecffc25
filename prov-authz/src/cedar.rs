//! The engine that ships: Cedar, held to a stricter rule about errors.

mod context;
mod engine;
mod entities;
mod evaluate;
#[cfg(feature = "fast")]
mod fast;
mod granted;
mod held;
mod index;
mod live;
mod moment;
mod name;
mod prepare;
mod resource;
mod rules;
mod scope;
mod snapshot;
mod status;

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod differential_tests;
#[cfg(test)]
mod generated_tests;

pub(crate) use context::context_of;
pub(crate) use engine::Trial;
pub use engine::{Candidate, CedarEngine};
pub(crate) use entities::{Roles, principal_entities};
pub(crate) use held::Doing;
pub(crate) use moment::Moment;
pub(crate) use name::{Closure, Name, OwnedName};
pub(crate) use resource::stated_parents;
pub(crate) use rules::{Rule, Rules};
pub use status::{EngineStats, LoadFailure, PolicySource, PolicyStatus};
