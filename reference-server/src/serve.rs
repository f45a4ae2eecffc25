//! Listening: accept loop, TLS 1.3, time limits, and an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use prov_http::PeerAddr;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tower_service::Service;

use crate::connections::Connections;

/// A client that does not finish its request head in this time, from the first byte it could have
/// sent, is cut off; so is a connection that rests longer between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that does not finish its TLS handshake in this time is cut off.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a resting HTTP/2 connection is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// What answers requests: the whole chain of layers.
pub trait App:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> App for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// Certificate and key, which can be replaced while connections go on.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ArcSwap<rustls::ServerConfig>>);

impl Tls {
    /// Reads certificate and key. TLS 1.3 only, HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// When a file can't be read or the key does not belong to the certificate.
    pub fn read(certificate: &Path, key: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(tls_config(certificate, key)?))))
    }

    /// Reads them again; connections from now on get the new ones.
    ///
    /// # Errors
    /// As [`read`](Self::read); the old ones stay.
    pub fn reload(&self, certificate: &Path, key: &Path) -> io::Result<()> {
        self.0.store(Arc::new(tls_config(certificate, key)?));
        Ok(())
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

fn tls_config(certificate: &Path, key: &Path) -> io::Result<rustls::ServerConfig> {
    let named = |path: &Path, e: &dyn std::fmt::Display| {
        io::Error::other(format!("`{}`: {e}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| named(certificate, &e))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| named(key, &e))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| named(key, &e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Serves until `shutdown` ends, then lets running requests finish for at most `drain`.
///
/// # Errors
/// When the listener breaks for good.
pub async fn serve<A: App>(
    listener: TcpListener,
    tls: Option<Tls>,
    app: A,
    shutdown: impl Future<Output = ()> + Send,
    drain: Duration,
    places: Connections,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Without a place the connection ends here, before it costs anything.
                    if let Some(place) = places.take(peer.ip()) {
                        let acceptor = tls.as_ref().map(Tls::acceptor);
                        let talk = connection(stream, peer, acceptor, app.clone(), graceful.watcher());
                        connections.spawn(async move {
                            talk.await;
                            drop(place);
                        });
                    }
                }
                Err(error) => pause_after(&error).await?,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests were still running: cut off");
    }
    connections.shutdown().await;
    Ok(())
}

/// Errors of one connection and shortages pass (accept(2)); only a listener that is none any more is
/// for good.
async fn pause_after(error: &io::Error) -> io::Result<()> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    const EBADF: i32 = 9;
    const EINVAL: i32 = 22;
    const ENOTSOCK: i32 = 88;
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return Ok(());
    }
    if error.raw_os_error().is_some_and(|code| [EBADF, EINVAL, ENOTSOCK].contains(&code)) {
        return Err(io::Error::other(format!("accepting connections: {error}")));
    }
    tracing::error!(%error, "can't accept connections; if it is file descriptors, raise `ulimit -n`");
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}

async fn connection<A: App>(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    app: A,
    watcher: Watcher,
) {
    // A response is one small write: waiting to fill a packet would only delay it.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = tls else { return talk_http1(stream, peer, app, watcher).await };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            talk_http2(stream, peer, app, watcher).await;
        }
        Ok(Ok(stream)) => talk_http1(stream, peer, app, watcher).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "tls handshake failed"),
        Err(_) => tracing::debug!(%peer, "tls handshake took too long"),
    }
}

async fn talk_http1<A: App>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    app: A,
    watcher: Watcher,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service_for(app, peer));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

async fn talk_http2<A: App>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    app: A,
    watcher: Watcher,
) {
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(HEADER_TIMEOUT)
        .max_concurrent_streams(128)
        .max_header_list_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service_for(app, peer));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

/// The chain for one connection: each request carries the socket it came from.
fn service_for<A: App>(
    app: A,
    peer: SocketAddr,
) -> TowerToHyperService<
    impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone,
> {
    TowerToHyperService::new(app.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(PeerAddr(peer));
        request
    }))
}
