//! What the configuration says of second factors.

use std::num::NonZeroU32;
use std::path::Path;

use prov_core::{Error, Result, codes};
use prov_mfa::{AttestationPolicy, MfaConfig, PasskeyOptions};

use super::unreadable;
use crate::config::Config;

pub(super) fn options(config: &Config) -> Result<MfaConfig> {
    let attempts = NonZeroU32::new(config.mfa.rate_limit)
        .ok_or_else(|| Error::new(codes::INVALID_REQUEST).detail("`mfa.rate_limit`: at least 1"))?;
    let options = MfaConfig::default()
        .with_issuer(&config.mfa.totp_issuer)
        .with_rate_limit(attempts, config.mfa.rate_limit_window)
        .with_totp_drift_steps(config.mfa.totp_drift_steps);
    Ok(match passkeys(config)? {
        Some(passkeys) => options.with_passkeys(passkeys),
        None => options,
    })
}

/// Passkeys for the site that is named, or else for the one that this server is.
fn passkeys(config: &Config) -> Result<Option<PasskeyOptions>> {
    let mfa = &config.mfa;
    let public = config.server.public_url.as_deref().map(|url| url.trim_end_matches('/'));
    let (domain, origin) = match (&mfa.webauthn_rp_id, public) {
        (Some(domain), Some(url)) => (domain.clone(), url.to_owned()),
        (Some(domain), None) => (domain.clone(), format!("https://{domain}")),
        (None, Some(url)) => match domain_of(url) {
            Some(domain) => (domain.to_owned(), url.to_owned()),
            None => return Ok(None),
        },
        (None, None) if config.server.listen.ip().is_loopback() => {
            let scheme = if config.server.tls.is_some() { "https" } else { "http" };
            let origin = format!("{scheme}://localhost:{}", config.server.listen.port());
            ("localhost".to_owned(), origin)
        }
        (None, None) => return Ok(None),
    };
    let origins =
        if mfa.webauthn_origins.is_empty() { vec![origin] } else { mfa.webauthn_origins.clone() };
    let options = PasskeyOptions::for_site(domain, origins)
        .with_discoverable(mfa.webauthn_discoverable)
        .with_attestation(attestation(config)?);
    Ok(Some(options))
}

/// The domain of a URL that passkeys can be for: over TLS, and no address.
fn domain_of(url: &str) -> Option<&str> {
    let host = url.strip_prefix("https://")?.split(['/', ':']).next()?;
    let is_address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    (!host.is_empty() && !is_address).then_some(host)
}

fn attestation(config: &Config) -> Result<AttestationPolicy> {
    let read =
        |path: &String| std::fs::read_to_string(path).map_err(|e| unreadable(Path::new(path), e));
    let roots = &config.mfa.webauthn_attestation_roots;
    if roots.is_empty() {
        if !config.mfa.webauthn_attestation_models.is_empty() {
            return Err(Error::new(codes::INVALID_REQUEST).detail(
                "`mfa.webauthn_attestation_models` without `mfa.webauthn_attestation_roots`: \
                 without their makers' certificates nothing vouches for models",
            ));
        }
        return Ok(AttestationPolicy::Any);
    }
    Ok(AttestationPolicy::Under {
        roots: roots.iter().map(read).collect::<Result<_>>()?,
        models: config.mfa.webauthn_attestation_models.clone(),
    })
}
