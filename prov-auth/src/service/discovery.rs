//! What verifiers and clients can find out by themselves.

use prov_core::{Error, Result, codes as core_codes};

use super::AuthService;
use crate::codes;
use crate::possession::ALGORITHMS;
use crate::token::Algorithm;

/// What the configuration says of this issuer: never what a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovery {
    /// Who issues, exactly as tokens name it (`iss`).
    pub issuer: String,
    /// How clients reach this service from outside, without a slash at the end.
    pub public_url: String,
    /// What the keys that verify now are for.
    pub algorithms: Vec<Algorithm>,
    /// What proofs of possession may be signed by; empty when none are taken.
    pub proof_algorithms: Vec<&'static str>,
    /// Whether tokens are bound to the certificates of clients that have one.
    pub binds_to_certificates: bool,
}

impl AuthService {
    /// Who issues, exactly as tokens name it (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.parts.issuer.issuer()
    }

    /// What can be discovered.
    ///
    /// # Errors
    /// [`codes::DISCOVERY_UNCONFIGURED`] when the options name no public URL: the `Host` of a request is
    /// its sender's claim, and no document is made of it.
    pub fn discovery(&self) -> Result<Discovery> {
        let public_url = self.options.public_url.clone();
        Ok(Discovery {
            issuer: self.issuer().to_owned(),
            public_url: public_url.ok_or(codes::DISCOVERY_UNCONFIGURED)?,
            algorithms: self.parts.keys.algorithms(),
            proof_algorithms: match self.proofs {
                Some(_) => ALGORITHMS.to_vec(),
                None => Vec::new(),
            },
            binds_to_certificates: self.options.bind_to_certificates,
        })
    }
}

/// A base for links: `https`, or `http` for a machine of one's own, and nothing after the path.
pub(super) fn check_public_url(url: &str) -> Result<()> {
    let parsed = url.parse::<http::Uri>().ok();
    let usable = parsed.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("https" | "http"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.query().is_none()
    });
    if usable && !url.ends_with('/') && !url.contains('#') {
        return Ok(());
    }
    Err(Error::new(core_codes::INVALID_REQUEST)
        .detail("the authentication options are not valid")
        .field("public_url", "give a URL such as `https://prov.example.com`, without a query"))
}
