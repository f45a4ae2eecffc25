//! The outermost layer: facts in, problems out.

mod future;
mod layer;
mod recorded_path;
mod service;

pub use future::EdgeFuture;
pub use layer::{EdgeLayer, PeerAddr, PeerCertificates};
pub use service::{Edge, socket_address};
