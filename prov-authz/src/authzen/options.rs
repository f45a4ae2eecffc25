//! What a site decides: where it is found, what names mean, and what an asker is trusted with.

use std::collections::{BTreeMap, BTreeSet};

use http::Uri;
use prov_core::{Error, Result, codes};

/// What the service goes by.
///
/// ```
/// use prov_authz::authzen::AuthzenOptions;
///
/// let options = AuthzenOptions::default()
///     .published_at("https://pdp.example.com")?
///     .with_subject_type("user", "User")
///     .with_resource_type("record", "Record")
///     .trusting("Record", ["status"]);
/// # Ok::<(), prov_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct AuthzenOptions {
    public_url: Option<PublicUrl>,
    subject_types: BTreeMap<String, String>,
    resource_types: BTreeMap<String, String>,
    /// The attributes of each type that are taken from the asker; of a type that is not here, all
    /// that the schema declares.
    trusted: BTreeMap<String, BTreeSet<String>>,
}

/// Published nowhere. Names mean what they mean in the schema; `user` is a `User` as well.
impl Default for AuthzenOptions {
    fn default() -> Self {
        Self {
            public_url: None,
            subject_types: BTreeMap::from([("user".to_owned(), "User".to_owned())]),
            resource_types: BTreeMap::new(),
            trusted: BTreeMap::new(),
        }
    }
}

impl AuthzenOptions {
    /// Found by clients under this address, which starts with `https://`, or with `http://` on a
    /// loopback host; without one there are no metadata.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] for anything that is no such address, or has a query or a fragment.
    pub fn published_at(mut self, public_url: &str) -> Result<Self> {
        self.public_url = Some(PublicUrl::parse(public_url)?);
        Ok(self)
    }

    /// With a name for a type of subjects.
    #[must_use]
    pub fn with_subject_type(mut self, name: impl Into<String>, kind: impl Into<String>) -> Self {
        self.subject_types.insert(name.into(), kind.into());
        self
    }

    /// With a name for a type of resources.
    #[must_use]
    pub fn with_resource_type(mut self, name: impl Into<String>, kind: impl Into<String>) -> Self {
        self.resource_types.insert(name.into(), kind.into());
        self
    }

    /// Takes from the asker these attributes of a type, and no others. Of types that are not named,
    /// all that the schema declares are taken, because whoever may ask enforces the answer and knows
    /// its own resources. What is stored about a resource wins in any case.
    #[must_use]
    pub fn trusting(
        mut self,
        kind: impl Into<String>,
        attributes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.trusted.insert(kind.into(), attributes.into_iter().map(Into::into).collect());
        self
    }

    pub(super) const fn public_url(&self) -> Option<&PublicUrl> {
        self.public_url.as_ref()
    }

    /// The type in the schema of a subject's type.
    pub(super) fn subject_type<'a>(&'a self, name: &'a str) -> &'a str {
        self.subject_types.get(name).map_or(name, String::as_str)
    }

    /// The type in the schema of a resource's type.
    pub(super) fn resource_type<'a>(&'a self, name: &'a str) -> &'a str {
        self.resource_types.get(name).map_or(name, String::as_str)
    }

    /// Whether an attribute may be taken from the asker.
    pub(super) fn trusts(&self, kind: &str, attribute: &str) -> bool {
        self.trusted.get(kind).is_none_or(|trusted| trusted.contains(attribute))
    }
}

/// An address without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicUrl(String);

impl PublicUrl {
    fn parse(text: &str) -> Result<Self> {
        let refuse = || {
            Error::new(codes::INVALID_REQUEST).detail(
                "the public URL is `https://host` with an optional port and one optional segment of \
                 path, and without query and fragment (`http://` on a loopback host only)",
            )
        };
        let uri: Uri = text.parse().map_err(|_| refuse())?;
        let host = uri.host().ok_or_else(refuse)?;
        let fits = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => is_loopback(host),
            _ => false,
        };
        let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if !fits || has_user || uri.query().is_some() || text.contains('#') {
            return Err(refuse());
        }
        let text = text.trim_end_matches('/');
        // Scheme, nothing, host, and one segment.
        if text.split('/').count() > 4 { Err(refuse()) } else { Ok(Self(text.to_owned())) }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The path, without slashes around it; empty when there is none.
    #[cfg(feature = "axum")]
    pub(super) fn path(&self) -> &str {
        let after_scheme = self.0.split_once("://").map_or("", |(_, rest)| rest);
        after_scheme.split_once('/').map_or("", |(_, path)| path)
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_that_can_identify_a_decision_point_is_taken() {
        for good in [
            "https://pdp.example.com",
            "https://pdp.example.com:8443/",
            "https://pdp.example.com/tenant1",
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:1",
        ] {
            assert!(AuthzenOptions::default().published_at(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "pdp.example.com",
            "/access",
            "http://pdp.example.com",
            "ftp://pdp.example.com",
            "https://pdp.example.com?x=1",
            "https://pdp.example.com/#top",
            "https://user:secret@pdp.example.com",
            "https://pdp.example.com/a/b",
        ] {
            assert!(AuthzenOptions::default().published_at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_slash_at_the_end_is_not_part_of_the_identifier() {
        let url = PublicUrl::parse("https://pdp.example.com/tenant1/").unwrap();
        assert_eq!(url.as_str(), "https://pdp.example.com/tenant1");
    }
}
