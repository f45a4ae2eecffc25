use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, Response};
use prov_core::{Error, RequestFacts, RequestId, SecretText, codes};
use tower_service::Service;

use super::future::REQUEST_ID;
use super::recorded_path::recorded_path;
use super::{EdgeFuture, EdgeLayer, PeerAddr, PeerCertificates};
use crate::route::Lookup;
use crate::{device, refuse};

/// The service of [`EdgeLayer`].
#[derive(Debug, Clone)]
pub struct Edge<S> {
    pub(super) inner: S,
    pub(super) edge: EdgeLayer,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Edge<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: From<Bytes>,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = EdgeFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let mut facts = match self.edge.facts_of(&request) {
            Ok(facts) => facts,
            Err(error) => return EdgeFuture::refused(refuse(error, None), None),
        };
        let routes = self.edge.routes.as_ref();
        let found = routes.map(|routes| routes.find(request.method(), request.uri().path()));
        if let Some(Lookup::Found(route)) = &found {
            let path = recorded_path(&route.0.path, request.uri().path());
            facts = facts.recorded_as(path);
        }
        let facts = Arc::new(facts);
        request.extensions_mut().insert(Arc::clone(&facts));
        let mut echo = None;
        if let Some(found) = found {
            match found {
                Lookup::Found(route) => {
                    if route.0.echoes_request_id {
                        echo = client_request_id(&request);
                    }
                    request.extensions_mut().insert(route);
                }
                Lookup::Unknown => {
                    let error = Error::new(codes::NOT_FOUND).detail("there is no such path");
                    return EdgeFuture::refused(refuse(error, Some(&facts)), Some(facts));
                }
                Lookup::WrongMethod(methods) => {
                    let allowed =
                        methods.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", ");
                    let mut response = refuse(codes::METHOD_NOT_ALLOWED.into(), Some(&facts));
                    if let Ok(value) = HeaderValue::from_str(&allowed) {
                        response.headers_mut().insert(ALLOW, value);
                    }
                    return EdgeFuture::refused(response, Some(facts));
                }
            }
        }
        EdgeFuture::passed(self.inner.call(request), facts).echoing(echo)
    }
}

impl EdgeLayer {
    /// The facts of a request, for a layer that finds none because no edge stands before it.
    ///
    /// # Errors
    /// When the operating system gives no randomness for the request id.
    pub fn facts_of<B>(&self, request: &Request<B>) -> prov_core::Result<RequestFacts> {
        let id = RequestId::generate(&*self.clock)?;
        let client =
            socket_address(request).and_then(|ip| self.proxies.client(ip, request.headers()));
        let agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(RequestFacts::new(id, self.clock.now())
            .from_client(client)
            .for_target(request.method().as_str(), request.uri().path())
            .by_agent(agent)
            .by_device(device::presented(request.headers()))
            .with_proof(proof_of(request.headers()))
            .with_certificate(certificate_of(request)))
    }
}

/// The `DPoP` header (RFC 9449, section 4.1). Several are joined, which makes no proof of them (section 4.3).
fn proof_of(headers: &HeaderMap) -> Option<SecretText> {
    let all: Vec<_> = headers.get_all("dpop").iter().collect();
    let texts: Vec<&str> = all.iter().map(|value| value.to_str().unwrap_or("?")).collect();
    (!texts.is_empty()).then(|| SecretText::new(texts.join(", ")))
}

/// The certificate of the connection's client.
fn certificate_of<B>(request: &Request<B>) -> Option<Bytes> {
    request.extensions().get::<PeerCertificates>()?.0.first().cloned()
}

/// The id a client gave its request; one that is longer than ids are is not carried back.
fn client_request_id<B>(request: &Request<B>) -> Option<HeaderValue> {
    const LONGEST: usize = 1024;
    request.headers().get(REQUEST_ID).filter(|value| value.len() <= LONGEST).cloned()
}

/// The address a request's socket belongs to, if the server put it into the extensions.
#[must_use]
pub fn socket_address<B>(request: &Request<B>) -> Option<IpAddr> {
    let extensions = request.extensions();
    if let Some(PeerAddr(address)) = extensions.get() {
        return Some(address.ip());
    }
    #[cfg(feature = "axum")]
    if let Some(::axum::extract::ConnectInfo(address)) =
        extensions.get::<::axum::extract::ConnectInfo<std::net::SocketAddr>>()
    {
        return Some(address.ip());
    }
    None
}
