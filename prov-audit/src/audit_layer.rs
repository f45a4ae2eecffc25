//! The layer that records requests; see [`AuditLayer`].

mod describe;
mod future;
mod layer;
mod service;

pub use future::AuditFuture;
pub use layer::AuditLayer;
pub use service::Audit;
