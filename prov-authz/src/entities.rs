//! The inventory: what prov itself knows of the resources and groups that policies speak of.
//!
//! * What is known is an immutable [`EntitiesSnapshot`] beside the policies, in the one snapshot that
//!   a decision sees from start to end; a change makes the next one, which shares all that stayed.
//! * What an entity is in, directly or not, is worked out when something changes, never when
//!   something is decided.
//! * **What is known decides.** A request that says something else about a known resource is refused,
//!   or what it says is dropped: [`Contradiction`]. Whether a request may describe a resource that is
//!   not known is for the site to say: [`InventoryPolicy`].

mod change;
mod closure;
mod fact;
mod facts;
mod file;
mod follow;
mod inventory;
mod record;
mod resolve;
mod rule;
mod snapshot;
mod subject;
mod uid;

pub(crate) use change::Change;
pub(crate) use closure::Misplaced;
pub(crate) use fact::{Drafts, EntityFact};
pub use fact::{Origin, StoredEntity};
pub(crate) use file::read_entities;
pub use inventory::Inventory;
pub use rule::{Contradiction, InventoryPolicy};
pub use snapshot::{EntitiesPage, EntitiesSnapshot};
pub(crate) use subject::{Scalar, Subject};
pub(crate) use uid::Uid;

#[cfg(test)]
mod tests;
