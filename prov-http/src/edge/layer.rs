use std::net::SocketAddr;
use std::sync::Arc;

use prov_core::Clock;
use tower_layer::Layer;

use super::Edge;
use crate::{RouteTable, TrustedProxies};

/// The socket a request came from; the server's accept loop puts it into the request's extensions.
/// With the feature `axum`, axum's `ConnectInfo<SocketAddr>` is understood as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name for one thing")]
pub struct PeerAddr(pub SocketAddr);

/// The certificates a client showed in the TLS handshake and proved to own, as DER, the leaf first; the
/// server's accept loop puts them into the request's extensions. Nobody has looked where they lead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name for one thing")]
pub struct PeerCertificates(pub Arc<[bytes::Bytes]>);

/// The outermost layer of the chain.
///
/// Rules:
/// * Every request gets fresh [`RequestFacts`](prov_core::RequestFacts); an id that a client sends is
///   not believed.
/// * With a [`RouteTable`], a request that is not in it gets 404 or 405 and goes no further.
/// * Every response carries `x-request-id`: the server's, or the client's where the route
///   [says so](crate::Route::echoing_request_id).
/// * Every 4xx or 5xx leaves as `application/problem+json`, also when something behind wrote text.
///
/// ```
/// use std::sync::Arc;
/// use prov_core::SystemClock;
/// use prov_http::{EdgeLayer, TrustedProxies};
///
/// let layer = EdgeLayer::new(Arc::new(SystemClock::new()))
///     .trusting(TrustedProxies::new(["10.0.0.0/8"]).unwrap());
/// ```
#[derive(Debug, Clone)]
pub struct EdgeLayer {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) proxies: TrustedProxies,
    pub(super) routes: Option<Arc<RouteTable>>,
}

impl EdgeLayer {
    /// An edge that believes no proxy and lets every path through.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, proxies: TrustedProxies::default(), routes: None }
    }

    /// Believes these proxies about the client's address.
    #[must_use]
    pub fn trusting(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Lets through only what stands in this table.
    #[must_use]
    pub fn with_routes(mut self, routes: Arc<RouteTable>) -> Self {
        self.routes = Some(routes);
        self
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Edge<S> {
        Edge { inner, edge: self.clone() }
    }
}
