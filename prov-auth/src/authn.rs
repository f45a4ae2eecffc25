//! The layer that asks who sent a request.

mod future;
mod layer;
mod service;

pub use future::AuthnFuture;
pub use layer::AuthnLayer;
pub use service::Authn;
