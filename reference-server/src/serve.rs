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
use prov_http::{PeerAddr, PeerCertificates};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
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
pub struct Tls {
    config: Arc<ArcSwap<rustls::ServerConfig>>,
    clients: Clients,
}

/// Whether clients are asked for certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "they are asked or they are not")]
pub enum Clients {
    /// No.
    NotAsked,
    /// Yes, and whoever has none may come all the same. The handshake proves that a certificate is the
    /// client's own; where it leads, the authentication layer finds out, which knows the trust domains.
    Asked,
}

impl Tls {
    /// Reads certificate and key. TLS 1.3 only, HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// When a file can't be read or the key does not belong to the certificate.
    pub fn read(certificate: &Path, key: &Path, clients: Clients) -> io::Result<Self> {
        let config = tls_config(certificate, key, clients)?;
        Ok(Self { config: Arc::new(ArcSwap::from_pointee(config)), clients })
    }

    /// Reads them again; connections from now on get the new ones.
    ///
    /// # Errors
    /// As [`read`](Self::read); the old ones stay.
    pub fn reload(&self, certificate: &Path, key: &Path) -> io::Result<()> {
        self.config.store(Arc::new(tls_config(certificate, key, self.clients)?));
        Ok(())
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }
}

fn tls_config(
    certificate: &Path,
    key: &Path,
    clients: Clients,
) -> io::Result<rustls::ServerConfig> {
    let named = |path: &Path, e: &dyn std::fmt::Display| {
        io::Error::other(format!("`{}`: {e}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| named(certificate, &e))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| named(key, &e))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?;
    let builder = match clients {
        Clients::NotAsked => builder.with_no_client_auth(),
        Clients::Asked => builder.with_client_cert_verifier(Arc::new(ProvesItsKey)),
    };
    let mut config = builder.with_single_cert(chain, private).map_err(|e| named(key, &e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Takes any certificate of which the client proves the key; who that is, others find out.
#[derive(Debug)]
struct ProvesItsKey;

impl ClientCertVerifier for ProvesItsKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let algorithms = &provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
struct Client {
    peer: SocketAddr,
    certificates: Option<PeerCertificates>,
}

fn certificates_of(connection: &rustls::ServerConnection) -> Option<PeerCertificates> {
    let chain = connection.peer_certificates().filter(|chain| !chain.is_empty())?;
    let chain: Vec<_> = chain.iter().map(|der| bytes::Bytes::copy_from_slice(der)).collect();
    Some(PeerCertificates(chain.into()))
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
    let Some(acceptor) = tls else {
        let client = Client { peer, certificates: None };
        return talk_http1(stream, client, app, watcher).await;
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let client = Client { peer, certificates: certificates_of(stream.get_ref().1) };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                talk_http2(stream, client, app, watcher).await;
            } else {
                talk_http1(stream, client, app, watcher).await;
            }
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "tls handshake failed"),
        Err(_) => tracing::debug!(%peer, "tls handshake took too long"),
    }
}

async fn talk_http1<A: App>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    client: Client,
    app: A,
    watcher: Watcher,
) {
    let peer = client.peer;
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service_for(app, client));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

async fn talk_http2<A: App>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    client: Client,
    app: A,
    watcher: Watcher,
) {
    let peer = client.peer;
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(HEADER_TIMEOUT)
        .max_concurrent_streams(128)
        .max_header_list_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service_for(app, client));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

/// The chain for one connection: each request carries the socket it came from.
fn service_for<A: App>(
    app: A,
    client: Client,
) -> TowerToHyperService<
    impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone,
> {
    TowerToHyperService::new(app.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(PeerAddr(client.peer));
        if let Some(certificates) = &client.certificates {
            request.extensions_mut().insert(certificates.clone());
        }
        request
    }))
}
