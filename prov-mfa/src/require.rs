//! The layer that asks for a second factor.

mod future;
mod layer;
mod service;

pub use future::RequireMfaFuture;
pub use layer::RequireMfaLayer;
pub use service::RequireMfa;
