//! The outermost layer: facts in, problems out.

mod future;
mod layer;
mod service;

pub use future::EdgeFuture;
pub use layer::{EdgeLayer, PeerAddr, PeerCertificates};
pub use service::{Edge, socket_address};
