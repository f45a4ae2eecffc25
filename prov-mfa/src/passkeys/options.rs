//! What an operator may set for passkeys.

use prov_core::{Error, Result, codes};
use serde::Deserialize;

/// For which site passkeys are, and which are good enough.
///
/// ```
/// use prov_mfa::PasskeyOptions;
///
/// let options = PasskeyOptions::for_site("example.com", ["https://login.example.com"]);
/// assert_eq!(options.rp_id, "example.com");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PasskeyOptions {
    /// The relying party: a domain. Passkeys are bound to it for ever; another one makes all of them
    /// useless.
    pub rp_id: String,
    /// The origins whose pages may ask, compared exactly, port included. Each is the domain or one
    /// below it, over `https`; `http` is for `localhost` only.
    pub origins: Vec<String>,
    /// What people are shown when they are asked; at most 64 characters. None: the issuer of
    /// authenticator apps.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether passkeys sign in without a user name.
    #[serde(default)]
    pub discoverable: Discoverable,
    /// Whose authenticators are accepted.
    #[serde(default)]
    pub attestation: AttestationPolicy,
}

/// Whether an authenticator keeps the user's name with the key, so that the key signs in by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Discoverable {
    /// It must.
    Required,
    /// It should where it can. Browsers take that for "must" where there is room.
    #[default]
    Preferred,
    /// It should not: old security keys have room for few.
    Discouraged,
}

/// Whose authenticators are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttestationPolicy {
    /// Anybody's; nothing is asked.
    #[default]
    Any,
    /// Those whose maker vouches for them, with a certificate under one of these roots.
    Under {
        /// The makers' root certificates, as PEM.
        roots: Vec<String>,
        /// The models that are accepted (AAGUIDs, as UUIDs); empty: every model of these makers.
        #[serde(default)]
        models: Vec<String>,
    },
}

impl PasskeyOptions {
    /// For the site `rp_id`, whose pages have these origins; any authenticator, discoverable where it
    /// can be.
    #[must_use]
    pub fn for_site(
        rp_id: impl Into<String>,
        origins: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            rp_id: rp_id.into(),
            origins: origins.into_iter().map(Into::into).collect(),
            name: None,
            discoverable: Discoverable::default(),
            attestation: AttestationPolicy::default(),
        }
    }

    /// With another rule for signing in without a user name.
    #[must_use]
    pub const fn with_discoverable(mut self, discoverable: Discoverable) -> Self {
        self.discoverable = discoverable;
        self
    }

    /// Accepting only such authenticators.
    #[must_use]
    pub fn with_attestation(mut self, attestation: AttestationPolicy) -> Self {
        self.attestation = attestation;
        self
    }

    /// The origins, each of which must belong to the relying party: a passkey asked for by a page of
    /// another site could never be used, or worse, could be.
    pub(super) fn checked_origins(&self) -> Result<Vec<url::Url>> {
        if self.rp_id.is_empty() || self.rp_id.contains(['/', ':', '*', ' ']) {
            return Err(refuse("rp_id", "a domain such as `example.com`"));
        }
        if self.origins.is_empty() {
            return Err(refuse("origins", "name at least one, such as `https://example.com`"));
        }
        self.origins.iter().map(|origin| self.checked(origin)).collect()
    }

    fn checked(&self, origin: &str) -> Result<url::Url> {
        let wrong = |message: &str| refuse("origins", &format!("`{origin}`: {message}"));
        let url = url::Url::parse(origin).map_err(|e| wrong(&e.to_string()))?;
        let host = url.host_str().unwrap_or_default();
        let below = host.strip_suffix(&self.rp_id).is_some_and(|rest| rest.ends_with('.'));
        if host != self.rp_id && !below {
            return Err(wrong("neither the relying party's domain nor one below it"));
        }
        if url.scheme() != "https" && !(url.scheme() == "http" && host == "localhost") {
            return Err(wrong(
                "browsers make passkeys over `https` only, or at `http://localhost`",
            ));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("an origin has no path"));
        }
        Ok(url)
    }
}

pub(super) fn refuse(field: &str, message: &str) -> Error {
    Error::new(codes::INVALID_REQUEST)
        .detail("the options of passkeys are not valid")
        .field(format!("mfa.passkeys.{field}"), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_accepted(rp_id: &str, origin: &str) -> bool {
        PasskeyOptions::for_site(rp_id, [origin]).checked_origins().is_ok()
    }

    #[test]
    fn an_origin_belongs_to_the_site() {
        assert!(is_accepted("example.com", "https://example.com"));
        assert!(is_accepted("example.com", "https://login.example.com:8443/"));
        assert!(is_accepted("localhost", "http://localhost:8443"));
        for (rp_id, origin) in [
            ("example.com", "http://example.com"),
            ("example.com", "https://example.com.evil.example"),
            ("example.com", "https://evilexample.com"),
            ("example.com", "https://example.org"),
            ("login.example.com", "https://example.com"),
            ("example.com", "https://example.com/path"),
            ("example.com", "example.com"),
            ("", "https://example.com"),
            ("https://example.com", "https://example.com"),
        ] {
            assert!(!is_accepted(rp_id, origin), "{rp_id} {origin}");
        }
        let nowhere = PasskeyOptions::for_site("example.com", [""; 0]);
        assert!(nowhere.checked_origins().is_err());
    }

    #[test]
    fn unknown_settings_are_refused() {
        let read = serde_json::from_str::<PasskeyOptions>;
        assert!(read(r#"{"rp_id": "a.example", "origins": ["https://a.example"]}"#).is_ok());
        assert!(read(r#"{"rp_id": "a.example", "origins": [], "orgins": []}"#).is_err());
    }
}
