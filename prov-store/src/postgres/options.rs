//! How to reach a PostgreSQL database, and how long to wait for it.

use std::sync::Arc;
use std::time::Duration;

use prov_core::{Clock, Error, Result};
use tokio_postgres::Config;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls;
use crate::codes;

/// How to open a [`PostgresStore`](super::PostgresStore).
///
/// The URL is that of `libpq`: `postgres://user:password@host:port/database?option=value`, also
/// with several hosts, or with `host=/folder` for a socket. Beyond what `tokio-postgres` reads from
/// it, these options count:
///
/// * `sslmode`: `disable`, `prefer` (TLS if the server offers it) or `require` (or `verify-ca`,
///   `verify-full`: the same here). Whenever TLS is spoken the certificate and its name are verified.
///   Unless said: `require`, and `disable` if every host is on this machine.
/// * `sslrootcert`: a PEM file of the authorities to trust instead of the operating system's.
#[derive(Clone)]
#[must_use = "options open nothing until they are given to `PostgresStore::open_with`"]
pub struct PostgresOptions {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) readers: usize,
    pub(super) statement_timeout: Duration,
}

impl std::fmt::Debug for PostgresOptions {
    /// `Config` leaves the password out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("config", &self.config)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

impl PostgresOptions {
    /// The database at `url`. Records end by `clock`.
    ///
    /// # Errors
    /// [`codes::URL_NOT_UNDERSTOOD`], without a word of the URL, and when the certificates to trust
    /// can't be read.
    pub fn new(url: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let (url, wanted) = tls::Wanted::taken_from(url)?;
        // The parser's own message may quote what it stumbled over, which may be the password.
        let mut config: Config = url.parse().map_err(|_| {
            Error::new(codes::URL_NOT_UNDERSTOOD).detail(
                "the PostgreSQL URL is not understood; write \
                 `postgres://user:password@host:port/database`, with `%40` for an @ in the password",
            )
        })?;
        config
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(3));
        }
        if config.get_application_name().is_none() {
            config.application_name("prov");
        }
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            // Of several hosts the one that can write.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let tls = wanted.apply_to(&mut config)?;
        Ok(Self { config, tls, clock, readers: 4, statement_timeout: Duration::from_secs(5) })
    }

    /// How many connections read: 4 unless said; at least one. One more writes and one listens.
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// How long one statement may take, waiting for locks included: 5 s unless said. A commit waits
    /// at most four times as long.
    pub fn statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = limit;
        self
    }

    /// How long a connection may take to be made: the network's part has its own, shorter limit.
    pub(super) fn connect_limit(&self) -> Duration {
        let network = self.config.get_connect_timeout().copied().unwrap_or_default();
        network.saturating_add(self.statement_timeout)
    }
}
