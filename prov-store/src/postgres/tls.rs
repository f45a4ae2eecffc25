//! TLS to the database: what the URL wants, and the certificates to trust.

use std::path::PathBuf;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use prov_core::{Error, Result, codes};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::codes::URL_NOT_UNDERSTOOD;

/// What a URL says about TLS.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    mode: Option<SslMode>,
    authorities: Option<PathBuf>,
}

impl Wanted {
    /// Splits a URL into what `tokio-postgres` understands and what it does not.
    pub(super) fn taken_from(url: &str) -> Result<(String, Self)> {
        let mut wanted = Self::default();
        let Some((base, query)) = url.split_once('?') else {
            return Ok((url.to_owned(), wanted));
        };
        let mut rest = Vec::new();
        for option in query.split('&') {
            match option.split_once('=') {
                Some(("sslmode", mode)) => wanted.mode = Some(ssl_mode(mode)?),
                Some(("sslrootcert", path)) => {
                    let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
                    wanted.authorities = Some(PathBuf::from(path));
                }
                _ => rest.push(option),
            }
        }
        Ok((format!("{base}?{}", rest.join("&")), wanted))
    }

    /// Sets the mode and makes what speaks TLS.
    pub(super) fn apply_to(self, config: &mut Config) -> Result<MakeRustlsConnect> {
        let unless_said = if is_local(config) { SslMode::Disable } else { SslMode::Require };
        let mode = self.mode.unwrap_or(unless_said);
        config.ssl_mode(mode);
        let roots = match (&self.authorities, mode) {
            (_, SslMode::Disable) => RootCertStore::empty(),
            (Some(path), _) => authorities_in(path)?,
            (None, _) => authorities_of_the_system()?,
        };
        let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::new(codes::INTERNAL).context("setting TLS up").source(e))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(client))
    }
}

fn ssl_mode(mode: &str) -> Result<SslMode> {
    match mode {
        "disable" => Ok(SslMode::Disable),
        "prefer" => Ok(SslMode::Prefer),
        "require" | "verify-ca" | "verify-full" => Ok(SslMode::Require),
        _ => Err(Error::new(URL_NOT_UNDERSTOOD)
            .detail("`sslmode` is one of `disable`, `prefer`, `require`, `verify-full`")),
    }
}

/// Whether every host is on this machine.
fn is_local(config: &Config) -> bool {
    let hosts_are_local = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    });
    hosts_are_local && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

fn authorities_in(path: &std::path::Path) -> Result<RootCertStore> {
    let unreadable = |e: &dyn std::error::Error| {
        Error::new(URL_NOT_UNDERSTOOD)
            .detail("the file that `sslrootcert` names can't be read as PEM certificates")
            .context(format!("reading {}: {e}", path.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| unreadable(&e))? {
        let certificate = certificate.map_err(|e| unreadable(&e))?;
        roots.add(certificate).map_err(|e| unreadable(&e))?;
    }
    Ok(roots)
}

fn authorities_of_the_system() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::new(URL_NOT_UNDERSTOOD).detail(
            "this system has no certificate authorities to verify the database's certificate by; \
             name a PEM file with `sslrootcert`",
        ));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(url: &str) -> SslMode {
        let (url, wanted) = Wanted::taken_from(url).unwrap();
        let config: Config = url.parse().unwrap();
        wanted.mode.unwrap_or(if is_local(&config) { SslMode::Disable } else { SslMode::Require })
    }

    #[test]
    fn another_machine_is_never_spoken_to_in_the_clear_unless_said() {
        assert_eq!(mode_of("postgres://u:p@db.example/prov"), SslMode::Require);
        assert_eq!(mode_of("postgres://u:p@10.0.0.7/prov?sslmode=verify-full"), SslMode::Require);
        assert_eq!(mode_of("postgres://u@localhost,db.example/prov"), SslMode::Require);
        assert_eq!(mode_of("postgres://u:p@db.example/prov?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode_of("postgres://u:p@[::1]/prov"), SslMode::Disable);
        assert_eq!(mode_of("postgres://u:p@127.0.0.1:5432/prov"), SslMode::Disable);
        assert_eq!(mode_of("postgres://u@/prov?host=%2Frun%2Fpostgresql"), SslMode::Disable);
        assert_eq!(mode_of("postgres://u@localhost/prov?sslmode=require"), SslMode::Require);
    }

    #[test]
    fn other_options_are_left_to_the_driver() {
        let url = "postgres://u@h/d?connect_timeout=1&sslrootcert=%2Fa%20b&application_name=x";
        let (rest, wanted) = Wanted::taken_from(url).unwrap();
        assert_eq!(rest, "postgres://u@h/d?connect_timeout=1&application_name=x");
        assert_eq!(wanted.authorities, Some(PathBuf::from("/a b")));
        assert!(Wanted::taken_from("postgres://u@h/d?sslmode=maybe").is_err());
    }
}
