//! The layer that asks who sent a request.

mod future;
mod layer;
mod possession;
mod service;

pub use future::AuthnFuture;
pub use layer::AuthnLayer;
pub use service::Authn;
