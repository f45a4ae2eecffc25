//! Which URLs are the same (RFC 9449, section 4.3; RFC 3986, section 6.2).

use prov_core::{Error, Result, codes as core_codes};
use url::Url;

/// Where the server is from outside. A proof for another place is none for this one, so it comes from the
/// configuration: what a request says of it is its sender's claim.
#[derive(Debug, Clone)]
pub(super) struct Place {
    base: String,
}

impl Place {
    /// The place at this URL, without a slash at the end.
    pub(super) fn new(url: &str) -> Result<Self> {
        let base = url.trim_end_matches('/');
        if normal(&format!("{base}/")).is_none() {
            return Err(Error::new(core_codes::INVALID_REQUEST)
                .detail("proofs of possession need to know where the server is")
                .field("public_url", "give a URL such as `https://prov.example.com`"));
        }
        Ok(Self { base: base.to_owned() })
    }

    /// Whether a proof for `htu` is one for this path.
    pub(super) fn is_target(&self, htu: &str, path: &str) -> bool {
        let wanted = normal(&format!("{}{path}", self.base));
        wanted.is_some() && normal(htu) == wanted
    }
}

/// The URL without query and fragment in the one spelling that all equivalent ones have; `None` for what is
/// none, or could be read in two ways.
fn normal(url: &str) -> Option<String> {
    // Readers of URLs forgive these, each in its own way.
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return None;
    }
    // Scheme and host in lower case, no usual port, no dot segments, at least a slash.
    let mut parsed = Url::parse(url).ok()?;
    let is_web = matches!(parsed.scheme(), "https" | "http");
    if !is_web || !parsed.username().is_empty() || parsed.password().is_some() {
        return None;
    }
    parsed.set_query(None);
    parsed.set_fragment(None);
    let path = one_spelling(parsed.path())?;
    parsed.set_path("");
    Some(format!("{}{path}", parsed.as_str().trim_end_matches('/')))
}

/// A path in which nothing is encoded that need not be, and what is, in capitals (RFC 3986, sections 6.2.2.1
/// and 6.2.2.2).
fn one_spelling(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path.split('%');
    out.push_str(rest.next()?);
    for part in rest {
        let (digits, tail) = part.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&digits.to_ascii_uppercase());
        }
        out.push_str(tail);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_urls_are_the_same_and_others_are_not() {
        let place = Place::new("https://prov.example.com/").unwrap();
        for same in [
            "https://prov.example.com/api/v1/users/a~b",
            "HTTPS://PROV.example.COM/api/v1/users/a~b",
            "https://prov.example.com:443/api/v1/users/a~b",
            "https://prov.example.com/api/v1/users/a%7Eb",
            "https://prov.example.com/api/v1/users/%61%7eb",
            "https://prov.example.com/api/v1/./users/../users/a~b",
            "https://prov.example.com/api/v1/users/a~b?limit=1#top",
        ] {
            assert!(place.is_target(same, "/api/v1/users/a~b"), "{same}");
        }
        for other in [
            "http://prov.example.com/api/v1/users/a~b",
            "https://prov.example.com:8443/api/v1/users/a~b",
            "https://evil.example.com/api/v1/users/a~b",
            "https://prov.example.com.evil.test/api/v1/users/a~b",
            "https://user@prov.example.com/api/v1/users/a~b",
            "https://prov.example.com/api/v1/users/a~b/",
            "https://prov.example.com/api/v1/users/A~b",
            "https://prov.example.com/api/v1/users",
            "https://prov.example.com/api/v1\\users/a~b",
            "https://prov.example.com/api/v1/users/a~b ",
            "https://prov.example.com/api/v1/us\ners/a~b",
            "/api/v1/users/a~b",
            "prov.example.com/api/v1/users/a~b",
            "",
        ] {
            assert!(!place.is_target(other, "/api/v1/users/a~b"), "{other}");
        }
        assert!(place.is_target("https://prov.example.com", "/"));
        assert!(place.is_target("https://prov.example.com/a%2fb", "/a%2Fb"));
        assert!(!place.is_target("https://prov.example.com/a/b", "/a%2Fb"), "one segment, not two");
    }

    #[test]
    fn a_server_below_a_path_is_another_place() {
        let place = Place::new("https://example.com:8443/prov").unwrap();
        assert!(place.is_target("https://example.com:8443/prov/api", "/api"));
        assert!(!place.is_target("https://example.com:8443/api", "/api"));
        for no_url in ["prov.example.com", "", "ftp://prov.example.com", "https://a b"] {
            assert!(Place::new(no_url).is_err(), "{no_url}");
        }
    }
}
