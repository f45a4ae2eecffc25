//! Connections to receivers: TCP, or TLS over it.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prov_core::{Error, Result, SecretText, codes as core_codes};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::codes;

/// What a [`Target`] needs besides its address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetOptions {
    /// The certificates (PEM) that a receiver's own must be signed by; those of the system unless set.
    pub ca: Option<PathBuf>,
    /// A certificate (PEM) to be known by, together with `client_key`.
    pub client_cert: Option<PathBuf>,
    /// Its private key (PEM).
    pub client_key: Option<PathBuf>,
    /// Sends events, and secrets, in the clear to other machines too. Dangerous.
    pub insecure: bool,
}

impl TargetOptions {
    /// The receiver's certificate must be signed by one of these (PEM).
    #[must_use]
    pub fn ca(mut self, ca: Option<PathBuf>) -> Self {
        self.ca = ca;
        self
    }

    /// Known by a certificate and its private key (PEM).
    #[must_use]
    pub fn known_by(mut self, cert: Option<PathBuf>, key: Option<PathBuf>) -> Self {
        (self.client_cert, self.client_key) = (cert, key);
        self
    }

    /// Sends in the clear to other machines too. Dangerous.
    #[must_use]
    pub fn insecure(mut self, insecure: bool) -> Self {
        self.insecure = insecure;
        self
    }
}

/// Where a receiver listens, and how it is spoken to.
#[derive(Clone)]
pub struct Target {
    host: String,
    port: u16,
    path: String,
    tls: Option<Arc<ClientConfig>>,
}

/// A connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The schemes that are understood: whether it is TLS, and the port unless said.
const SCHEMES: [(&str, bool, u16); 6] = [
    ("http", false, 80),
    ("https", true, 443),
    ("tcp", false, 514),
    ("tls", true, 6514),
    ("nats", false, 4222),
    ("relp", false, 2514),
];

impl Target {
    /// A receiver at a URL: `https://…`, `tls://host:6514`.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for what is no such URL, for other machines without TLS unless
    /// that is allowed, and when certificates can't be read.
    pub fn new(url: &str, options: &TargetOptions) -> Result<Self> {
        let refuse = |what: String| Error::new(core_codes::INVALID_REQUEST).detail(what);
        let known = || SCHEMES.map(|(name, ..)| name).join(", ");
        let uri: http::Uri =
            url.parse().map_err(|e| refuse(format!("`{url}` is no URL")).source(e))?;
        let scheme = uri.scheme_str().and_then(|s| SCHEMES.iter().find(|(name, ..)| *name == s));
        let Some((_, is_tls, port)) = scheme else {
            return Err(refuse(format!(
                "`{url}`: a receiver's URL begins with one of {}",
                known()
            )));
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(refuse("a secret does not belong into a URL: use a file".to_owned()));
        }
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let near = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !is_tls && !near && !options.insecure {
            return Err(refuse(format!(
                "`{url}` would carry events in the clear to another machine: use TLS, or say \
                 `insecure = true`"
            )));
        }
        let tls = is_tls.then(|| client_config(options)).transpose()?.map(Arc::new);
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(*port), path, tls })
    }

    /// Somebody who speaks HTTP, at a URL.
    ///
    /// # Errors
    /// As [`new`](Self::new), and for other schemes.
    #[cfg(any(feature = "timestamps", feature = "witnesses"))]
    pub(crate) fn of_web(url: &str, options: &TargetOptions) -> Result<Self> {
        if !url.starts_with("https://") && !url.starts_with("http://") {
            let what = format!("`{url}`: a URL that begins with `https://` or `http://` is wanted");
            return Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
        }
        Self::new(url, options)
    }

    /// Path and query of the URL.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// For the `Host` header, and for people.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Connects. Whoever calls says how long that may take.
    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>> {
        self.secure(self.connect_plain().await?).await
    }

    /// Connects, without TLS yet.
    pub(super) async fn connect_plain(&self) -> Result<TcpStream> {
        let failed = |error: std::io::Error| {
            let what = format!("connecting to {}: {}", self.authority(), error.kind());
            Error::new(codes::SINK_FAILED).detail(what).source(error)
        };
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(stream)
    }

    /// Puts what follows behind TLS, if the URL says so.
    pub(super) async fn secure(&self, stream: TcpStream) -> Result<Box<dyn Stream>> {
        let Some(config) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|e| Error::new(codes::SINK_FAILED).detail("no name for TLS").source(e))?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        Ok(Box::new(stream.map_err(|e| {
            // What is wrong with a certificate is in the text, and nothing secret.
            let what = format!("TLS with {}: {e}", self.authority());
            Error::new(codes::SINK_FAILED).detail(what).source(e)
        })?))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("authority", &self.authority())
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

fn client_config(options: &TargetOptions) -> Result<ClientConfig> {
    let refuse = |path: &Path, what: &str| {
        let what = format!("`{}` {what}", path.display());
        Error::new(core_codes::INVALID_REQUEST).detail(what)
    };
    let mut roots = RootCertStore::empty();
    if let Some(ca) = &options.ca {
        for certificate in certificates(ca)? {
            roots.add(certificate).map_err(|e| refuse(ca, "is no certificate").source(e))?;
        }
    } else {
        for certificate in rustls_native_certs::load_native_certs().certs {
            // The system's store may hold what this library does not take.
            let _ = roots.add(certificate);
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(core_codes::INTERNAL).context("setting up TLS").source(e))?
        .with_root_certificates(roots);
    match (&options.client_cert, &options.client_key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let own = PrivateKeyDer::from_pem_file(key)
                .map_err(|e| refuse(key, "is no private key (PEM)").source(e))?;
            builder
                .with_client_auth_cert(certificates(cert)?, own)
                .map_err(|e| refuse(cert, "does not belong to the key").source(e))
        }
        _ => Err(Error::new(core_codes::INVALID_REQUEST)
            .detail("`client_cert` and `client_key` belong together")),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<_> = read.map_err(|e| {
        let what = format!("`{}` can't be read as certificates (PEM)", path.display());
        Error::new(core_codes::INVALID_REQUEST).detail(what).source(e)
    })?;
    if found.is_empty() {
        let what = format!("`{}` holds no certificate (PEM)", path.display());
        return Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
    }
    Ok(found)
}

/// A secret in a file, read whenever it is needed, so that it can be changed.
#[derive(Debug, Clone)]
pub(super) struct SecretFile(PathBuf);

impl SecretFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) async fn read(&self) -> Result<SecretText> {
        let path = self.0.clone();
        crate::log::blocking(move || {
            let text =
                std::fs::read_to_string(&path).map(zeroize::Zeroizing::new).map_err(|e| {
                    let what = format!("the secret in `{}` can't be read", path.display());
                    Error::new(codes::SINK_FAILED).detail(what).source(e)
                })?;
            Ok(SecretText::new(text.trim().to_owned()))
        })
        .await
    }
}

/// What a receiver said, for people: printable, and not much of it.
pub(crate) fn quoted(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said.get(..said.len().min(400)).unwrap_or_default());
    let text: String =
        text.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).take(160).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
