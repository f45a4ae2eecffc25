//! May this principal do this, to that, now and from here? Decided by Cedar policies, in memory,
//! without waiting, and failing closed.
//!
//! ```
//! use std::sync::Arc;
//! use prov_authz::{AccessRequest, CedarEngine, CedarOptions, Circumstances, PolicyEngine, ResourceEntity};
//! use prov_core::{Clock, Principal, PrincipalKind, SystemClock};
//!
//! let clock = Arc::new(SystemClock::new());
//! let engine = CedarEngine::shipped(clock.clone(), CedarOptions::default())?;
//!
//! let dana = Principal::new(PrincipalKind::User, "user_dana", "dana")
//!     .with_teams(["developers".parse()?]);
//! let from_office = Circumstances::new(false, Some([10, 0, 0, 1].into()), clock.now());
//! let server = ResourceEntity::new("Server", "web-1")
//!     .with("hostname", "web-1.example.org")
//!     .with("workspace", "shop")
//!     .with("environment", "production");
//!
//! assert!(engine.decide(&AccessRequest::by(&dana, from_office, "read", &server)).allowed);
//! assert!(!engine.decide(&AccessRequest::by(&dana, from_office, "deploy", &server)).allowed);
//! # Ok::<(), prov_core::Error>(())
//! ```
//!
//! * [`PolicyEngine`] is the contract, [`CedarEngine`] the engine over Cedar policies; the set this
//!   crate ships ([`PolicyFiles::shipped`]) governs the five teams' infrastructure and prov's own API.
//! * A policy set is replaced as a whole and only by a valid one: [`CedarEngine::reload_from`],
//!   [`PolicyReloader`] (with its audit event), and with the feature `watch` a watcher of the
//!   directory.
//! * [`Grants`] gives somebody a permission for a time, by a template of the policy set.
//! * [`AuthzLayer`] decides every request of a tower service; [`DecisionService`] answers questions;
//!   with the feature `axum`, [`api`] is its HTTP API. [`authzen`] answers in the words of the
//!   `AuthZEN` standard.
//!
//! # What fails closed
//! No policy that permits; an unknown action, type or attribute; a missing one; an address that is
//! not known; **an error inside any policy** (Cedar by itself passes an erring policy over); a route
//! without a rule. What a request says about itself ([`Claims`]) can't change who asks, by how many
//! factors, from where and when ([`Circumstances`]). What the inventory knows of a resource decides;
//! of one that is not known, attributes are the asker's claim ([`InventoryPolicy`]).

mod anatomy;
#[cfg(feature = "axum")]
pub mod api;
mod asked;
mod authorize;
pub mod authzen;
mod bundle;
mod cedar;
pub mod codes;
mod decision;
mod delegation;
mod engine;
mod entities;
mod explain;
mod grants;
mod history;
mod load;
mod matrix;
#[cfg(feature = "prove")]
pub mod prove;
mod reload;
mod replay;
mod request;
mod resource;
mod search;
mod service;
mod shadow;
mod shards;
mod source;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "watch")]
mod watch;

pub use anatomy::{Fact, Part, Place, Seen};
pub use authorize::{Authz, AuthzFuture, AuthzLayer, Protection, ResourceMapper};
pub use bundle::{Bundle, BundleSigner, TrustRoot, bundle_manifest, sign_bundle};
pub use cedar::{Candidate, CedarEngine, EngineStats, LoadFailure, PolicySource, PolicyStatus};
pub use decision::{Decision, DecisionId, DecisionIds, Revision};
pub use engine::{DenyAll, PolicyEngine};
pub use entities::{
    Contradiction, EntitiesPage, EntitiesSnapshot, Inventory, InventoryPolicy, Origin, StoredEntity,
};
pub use explain::{Explanation, Lever, PartNote, PolicyNote, PolicyOutcome, Remedy};
pub use grants::{Grant, GrantId, GrantPage, Grants, NewGrant};
pub use history::{
    ChangedPolicy, HistoryPage, KeptFile, KeptSet, PolicyDiff, PolicyHistory, SetOrigin,
};
pub use load::{
    CedarOptions, Finding, PolicyFiles, PolicyInfo, Report, Severity, SourceFile, validate_dir,
};
pub use matrix::{MatrixChange, MatrixRow, Review};
pub use reload::{PolicyFeed, PolicyLife, PolicyReloader};
pub use replay::{
    DifferingDecision, PolicyShare, RecordedDecision, RecordedDecisions, RecordedPage, Simulation,
    Window,
};
pub use request::{AccessRequest, Circumstances, Claims};
pub use resource::{EntityRef, ResourceEntity};
pub use search::{ResourceSearch, ResourcesFound};
pub use service::{
    DecisionService, Draft, FoundEntities, Permitted, PrincipalPage, PrincipalSource, Question,
    SearchPart, StatedContext,
};
pub use shadow::{ShadowReport, ShadowedEngine};
