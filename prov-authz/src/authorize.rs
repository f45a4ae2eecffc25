//! The layer that lets nothing through that the policies do not permit.

mod future;
mod layer;
mod protection;
mod service;

pub use future::AuthzFuture;
pub use layer::{AuthzLayer, ResourceMapper};
pub use protection::Protection;
pub use service::Authz;
pub(crate) use service::denial;
