//! Where a program waits for a sign-in by browser (RFC 8252, section 7.3).

use std::net::IpAddr;

use prov_core::{Error, Result, codes};

/// Refuses any address but one of the person's own machine: a code sent anywhere else would be given away.
pub(super) fn check_return_address(address: &str) -> Result<()> {
    let uri = address.parse::<http::Uri>().ok().filter(|_| address.len() <= 256);
    let is_own_machine = uri.is_some_and(|uri| {
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let host = authority.map(|authority| authority.host().trim_matches(['[', ']']));
        uri.scheme_str() == Some("http")
            && uri.port_u16().is_some()
            && host.and_then(|host| host.parse::<IpAddr>().ok()).is_some_and(|ip| ip.is_loopback())
    });
    if is_own_machine && !address.contains('#') {
        return Ok(());
    }
    Err(Error::new(codes::INVALID_REQUEST).field(
        "return_to",
        "an address of your own machine, such as `http://127.0.0.1:40001/done`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sent_to_the_persons_own_machine_only() {
        for own in ["http://127.0.0.1:40001/done", "http://[::1]:9/", "http://127.0.0.1:9?x=1"] {
            assert!(check_return_address(own).is_ok(), "{own}");
        }
        let long = format!("http://127.0.0.1:9/{}", "x".repeat(300));
        for other in [
            "",
            "/console",
            "//evil.example",
            "https://evil.example:9/",
            "http://evil.example:9/",
            "http://127.0.0.1.evil.example:9/",
            "http://127.0.0.1@evil.example:9/",
            "http://evil.example@127.0.0.1:9/",
            "http://127.0.0.1/no-port",
            "https://127.0.0.1:9/",
            "http://localhost:9/",
            "http://127.0.0.1:9/#x",
            "javascript:alert(1)",
            &long,
        ] {
            assert!(check_return_address(other).is_err(), "{other}");
        }
    }
}
