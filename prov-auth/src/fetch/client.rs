//! The client that speaks HTTPS by itself.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::header::{ACCEPT, CONNECTION, HOST, HeaderValue, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use prov_core::{Error, Result, codes as core_codes};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Fetch;
use super::addresses::{Loopback, Target, refused};

/// The bounds of an [`HttpsClient`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpsOptions {
    /// How long one exchange may take, name resolution and all; 5 seconds unless said otherwise.
    pub timeout: Duration,
    /// The largest answer, in bytes; 256 KiB unless said otherwise.
    pub most_bytes: usize,
    /// Certificates, as PEM, of authorities that are trusted besides those of the machine.
    pub authorities: Option<String>,
    /// Whether an identity provider on this very machine may be asked, also without TLS. For tests, and
    /// for a provider beside the server: whoever can register an issuer can then ask this machine.
    pub insecure_loopback: bool,
}

impl Default for HttpsOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            most_bytes: 256 * 1024,
            authorities: None,
            insecure_loopback: false,
        }
    }
}

impl HttpsOptions {
    /// Trusting these authorities too, as PEM.
    #[must_use]
    pub fn with_authorities(mut self, pem: Option<String>) -> Self {
        self.authorities = pem;
        self
    }

    /// Asking also this very machine, with TLS or without.
    #[must_use]
    pub fn with_insecure_loopback(mut self, permitted: bool) -> Self {
        self.insecure_loopback = permitted;
        self
    }

    /// With another time.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// Asks over HTTPS: rustls with the authorities of the machine, one connection for each exchange.
///
/// Redirects are not followed. Names that lead to this machine, or to a link's own addresses, are not
/// asked. See [`Fetch`].
pub struct HttpsClient {
    tls: Arc<ClientConfig>,
    options: HttpsOptions,
}

impl fmt::Debug for HttpsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsClient").field("options", &self.options).finish_non_exhaustive()
    }
}

impl HttpsClient {
    /// A client with these bounds.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] when the authorities can't be read.
    pub fn new(options: HttpsOptions) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let unreadable = || {
            Error::new(core_codes::INVALID_REQUEST).detail("the authorities can't be read as PEM")
        };
        for certificate in
            CertificateDer::pem_slice_iter(options.authorities.as_deref().unwrap_or("").as_bytes())
        {
            let certificate = certificate.map_err(|e| unreadable().source(e.to_string()))?;
            roots.add(certificate).map_err(|e| unreadable().source(e))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::new(core_codes::INTERNAL).context("making a TLS client").source(e))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(tls), options })
    }

    fn loopback(&self) -> Loopback {
        if self.options.insecure_loopback { Loopback::Permitted } else { Loopback::Refused }
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let target = Target::of(request.uri(), self.loopback())?;
        let stream = self.connect(&target).await?;
        let request = in_origin_form(request)?;
        if !target.over_tls {
            return self.over(stream, request).await;
        }
        let name = ServerName::try_from(target.host.clone())
            .map_err(|e| refused("the host is no name").source(e))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, stream).await;
        self.over(stream.map_err(|e| refused("no TLS").source(e))?, request).await
    }

    async fn connect(&self, target: &Target) -> Result<TcpStream> {
        let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
        let found = found.map_err(|e| refused("the name is not known").source(e))?;
        let mut error = refused("the name leads to no address that may be asked");
        for address in target.permitted(found, self.loopback()) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(e) => error = refused("no connection").source(e),
            }
        }
        Err(error)
    }

    async fn over(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| refused("no HTTP").source(e))?;
        let answer = async {
            let response = sender.send_request(request).await;
            let (head, body) = response.map_err(|e| refused("no answer").source(e))?.into_parts();
            let body = Limited::new(body, self.options.most_bytes).collect().await;
            let body = body.map_err(|e| refused("the answer is too large or broken").source(e))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        match select(pin!(answer), pin!(connection)).await {
            Either::Left((answer, _)) => answer,
            // The connection has ended; whether its answer is whole, its reader knows.
            Either::Right((_, answer)) => answer.await,
        }
    }
}

/// The request as it is written: the path alone, and the headers that are owed.
fn in_origin_form(request: Request<Bytes>) -> Result<Request<Full<Bytes>>> {
    let (mut head, body) = request.into_parts();
    let host = head.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    let host = host.and_then(std::result::Result::ok).ok_or_else(|| refused("no host"))?;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path.parse::<Uri>().map_err(|e| refused("no path").source(e))?;
    head.headers.insert(HOST, host);
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    head.headers.insert(USER_AGENT, HeaderValue::from_static("prov"));
    head.headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    Ok(Request::from_parts(head, Full::new(body)))
}

#[async_trait]
impl Fetch for HttpsClient {
    async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        match tokio::time::timeout(self.options.timeout, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(refused("no answer in time")),
        }
    }
}
