//! SPIFFE IDs (The SPIFFE Identity and Verifiable Identity Document, section 2).

use std::fmt;
use std::str::FromStr;

use prov_core::{Error, Result, codes};

/// The longest SPIFFE ID, in bytes.
const LONGEST: usize = 2048;
const SCHEME: &str = "spiffe://";

/// The name of a trust domain: 1 to 255 characters of `a-z`, `0-9`, `.`, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(String);

impl TrustDomain {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TrustDomain {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_name = (1..=255).contains(&text.len())
            && text.bytes().all(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')
            });
        if is_name { Ok(Self(text.to_owned())) } else { Err(refused()) }
    }
}

/// The id of a program: `spiffe://example.org/ns/prov/sa/api`.
///
/// Read strictly: no percent-encoding, no port, no query, no empty or relative segment, no slash at the end;
/// two texts are one id only if they are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    text: String,
    domain: TrustDomain,
}

impl SpiffeId {
    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its trust domain.
    #[must_use]
    pub const fn trust_domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// What stands behind the trust domain, from the first slash on; empty for the domain's own id.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.get(SCHEME.len() + self.domain.0.len()..).unwrap_or_default()
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for SpiffeId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let rest =
            text.strip_prefix(SCHEME).filter(|_| text.len() <= LONGEST).ok_or_else(refused)?;
        let (domain, path) = rest.split_once('/').map_or((rest, None), |(d, p)| (d, Some(p)));
        let is_segment = |segment: &str| {
            !segment.is_empty()
                && segment != "."
                && segment != ".."
                && segment
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        };
        if !path.is_none_or(|path| path.split('/').all(is_segment)) {
            return Err(refused());
        }
        Ok(Self { text: text.to_owned(), domain: domain.parse()? })
    }
}

fn refused() -> Error {
    Error::new(codes::INVALID_REQUEST)
        .detail("a SPIFFE ID looks like `spiffe://example.org/path`, in plain characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_the_specification_says() {
        let id: SpiffeId = "spiffe://example.org/ns/prov/sa/api".parse().unwrap();
        assert_eq!((id.trust_domain().as_str(), id.path()), ("example.org", "/ns/prov/sa/api"));
        assert_eq!("spiffe://example.org".parse::<SpiffeId>().unwrap().path(), "");
        for text in [
            "",
            "spiffe://",
            "spiffe:///x",
            "https://example.org/x",
            "SPIFFE://example.org/x",
            "spiffe://Example.org/x",
            "spiffe://example.org/",
            "spiffe://example.org//x",
            "spiffe://example.org/x/",
            "spiffe://example.org/./x",
            "spiffe://example.org/x/..",
            "spiffe://example.org/%61",
            "spiffe://example.org/x?y",
            "spiffe://example.org/x#y",
            "spiffe://example.org:443/x",
            "spiffe://user@example.org/x",
            "spiffe://exämple.org/x",
            "spiffe://example.org/x y",
            "spiffe://example.org/x\0",
        ] {
            assert!(text.parse::<SpiffeId>().is_err(), "{text}");
        }
        let long = format!("spiffe://example.org/{}", "x".repeat(2048));
        assert!(long.parse::<SpiffeId>().is_err());
        assert!(format!("spiffe://{}", "x".repeat(256)).parse::<SpiffeId>().is_err());
    }
}
