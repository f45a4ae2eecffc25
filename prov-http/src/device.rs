//! How a browser is recognised as a device that was here before.

use http::header::{COOKIE, HeaderMap, HeaderValue};
use prov_core::SecretText;

/// The cookie. Its prefix keeps it to this host and to TLS (RFC 6265bis, section 4.1.3.2).
pub const DEVICE_COOKIE: &str = "__Host-prov_device";

/// A year.
const KEPT_FOR: u32 = 365 * 24 * 3600;
/// Longer than any that was set.
const LONGEST: usize = 64;

/// What the request presents.
pub(crate) fn presented(headers: &HeaderMap) -> Option<SecretText> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim() == DEVICE_COOKIE)?;
    let value = value.trim();
    (!value.is_empty() && value.len() <= LONGEST).then(|| SecretText::new(value))
}

/// The `Set-Cookie` by which a browser presents `device` from now on; it is no credential, and no page
/// can read it. Lax, because whoever comes back from an identity provider follows a link from there.
#[must_use]
pub fn device_cookie(device: &SecretText) -> Option<HeaderValue> {
    let mut cookie = HeaderValue::try_from(format!(
        "{DEVICE_COOKIE}={}; Path=/; Max-Age={KEPT_FOR}; Secure; HttpOnly; SameSite=Lax",
        device.expose()
    ))
    .ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_static(line));
        }
        presented(&headers).map(|device| device.expose().to_owned())
    }

    #[test]
    fn the_cookie_is_found_among_others_and_nothing_else_is() {
        assert_eq!(read(&["a=b; __Host-prov_device=xyz; c=d"]).as_deref(), Some("xyz"));
        assert_eq!(read(&["a=b", "__Host-prov_device=xyz"]).as_deref(), Some("xyz"));
        for lines in [&["prov_device=xyz"][..], &["__Host-prov_device="], &["x"], &[]] {
            assert_eq!(read(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn no_page_can_read_the_cookie_and_no_other_host_gets_it() {
        let cookie = device_cookie(&SecretText::new("xyz")).unwrap();
        let text = cookie.to_str().unwrap();
        for part in ["__Host-prov_device=xyz;", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(cookie.is_sensitive() && !text.contains("Domain"));
    }
}
