//! Listening: accept loop, TLS 1.3, time limits, and an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
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

/// A client that does not finish its request head in this time is cut off.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that does not finish its TLS handshake in this time is cut off.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

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

/// Reads certificate and key. TLS 1.3 only, HTTP/2 and HTTP/1.1.
///
/// # Errors
/// When a file can't be read or the key does not belong to the certificate.
pub fn tls_acceptor(certificate: &Path, key: &Path) -> io::Result<TlsAcceptor> {
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
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until `shutdown` ends, then lets running requests finish for at most `drain`.
///
/// # Errors
/// When the listener breaks for good.
pub async fn serve<A: App>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    app: A,
    shutdown: impl Future<Output = ()> + Send,
    drain: Duration,
) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let watcher = graceful.watcher();
                    connections.spawn(connection(stream, peer, tls.clone(), app.clone(), watcher));
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

/// An error of one connection is its own; running out of descriptors passes; the rest is for good.
async fn pause_after(error: &io::Error) -> io::Result<()> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    const OUT_OF_DESCRIPTORS: [i32; 2] = [23, 24];
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return Ok(());
    }
    if error.raw_os_error().is_some_and(|code| OUT_OF_DESCRIPTORS.contains(&code)) {
        tracing::error!("out of file descriptors: raise the limit (`ulimit -n`)");
        tokio::time::sleep(Duration::from_millis(100)).await;
        return Ok(());
    }
    Err(io::Error::other(format!("accepting connections: {error}")))
}

async fn connection<A: App>(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    app: A,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // A response is one small write: waiting to fill a packet would only delay it.
    let _ = stream.set_nodelay(true);
    match tls {
        None => talk(stream, peer, app, watcher).await,
        Some(acceptor) => {
            match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => talk(stream, peer, app, watcher).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "tls handshake failed"),
                Err(_) => tracing::debug!(%peer, "tls handshake took too long"),
            }
        }
    }
}

async fn talk<A: App>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    app: A,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = app.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(PeerAddr(peer));
        request
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(64 * 1024);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(128);
    let connection = builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}
