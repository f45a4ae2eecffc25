//! Which addresses may be asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;
use prov_core::{Error, Result};

use crate::codes;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) over_tls: bool,
}

/// Whether an operator has permitted plain HTTP to this machine, for an identity provider beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loopback {
    Refused,
    Permitted,
}

impl Target {
    /// Where `uri` leads, if anything may be sent there.
    pub(super) fn of(uri: &Uri, loopback: Loopback) -> Result<Self> {
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let host = authority.map(|authority| authority.host().trim_matches(['[', ']']));
        let host = host.filter(|host| !host.is_empty()).ok_or_else(|| refused("no host"))?;
        let over_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if loopback == Loopback::Permitted && names_loopback(host) => false,
            _ => return Err(refused("not https")),
        };
        let usual = if over_tls { 443 } else { 80 };
        Ok(Self { host: host.to_owned(), port: uri.port_u16().unwrap_or(usual), over_tls })
    }

    /// Those of the addresses that a name stands for which may be asked. A name that leads to this
    /// machine, or to a link's own addresses where clouds keep their secrets, is a trap; one that leads
    /// into a private network is where many identity providers are.
    pub(super) fn permitted(
        &self,
        found: impl Iterator<Item = SocketAddr>,
        loopback: Loopback,
    ) -> Vec<SocketAddr> {
        found
            .filter(|address| match address.ip().to_canonical() {
                ip if ip.is_loopback() => loopback == Loopback::Permitted,
                // Plain HTTP goes to this machine and nowhere else, whatever the name leads to.
                ip => self.over_tls && is_for_many(ip),
            })
            .collect()
    }
}

/// Whether a host is this machine by its very name.
pub(crate) fn names_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Neither unspecified, nor of one link only, nor for several at once.
fn is_for_many(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            !(v4.is_unspecified()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.octets().first() == Some(&Ipv4Addr::UNSPECIFIED.octets()[0]))
        }
        IpAddr::V6(v6) => {
            !(v6 == Ipv6Addr::UNSPECIFIED || v6.is_unicast_link_local() || v6.is_multicast())
        }
    }
}

pub(super) fn refused(why: &'static str) -> Error {
    Error::new(codes::PROVIDER_UNAVAILABLE).context(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str, loopback: Loopback) -> Option<Target> {
        Target::of(&uri.parse().unwrap(), loopback).ok()
    }

    #[test]
    fn only_https_is_spoken_except_to_this_machine_when_permitted() {
        for uri in
            ["http://idp.example.com/", "http://127.0.0.1:1/", "ftp://idp.example.com/", "/x"]
        {
            assert_eq!(target(uri, Loopback::Refused), None, "{uri}");
        }
        for uri in ["http://idp.example.com/", "http://10.0.0.1/", "http://127.0.0.1.evil.example/"]
        {
            assert_eq!(target(uri, Loopback::Permitted), None, "{uri}");
        }
        for uri in ["http://127.0.0.1:9/", "http://[::1]:9/", "http://localhost:9/"] {
            assert!(target(uri, Loopback::Permitted).is_some_and(|t| !t.over_tls), "{uri}");
        }
        assert_eq!(target("https://user@idp.example.com/", Loopback::Refused), None);
        assert_eq!(target("https://idp.example.com/x", Loopback::Refused).unwrap().port, 443);
    }

    #[test]
    fn names_that_lead_to_this_machine_or_a_links_own_addresses_are_refused() {
        let https = target("https://idp.example.com/", Loopback::Refused).unwrap();
        let ask = |ip: &str, loopback| {
            let address = SocketAddr::new(ip.parse().unwrap(), 443);
            !https.permitted([address].into_iter(), loopback).is_empty()
        };
        for trap in
            ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "::", "::ffff:127.0.0.1"]
        {
            assert!(!ask(trap, Loopback::Refused), "{trap}");
        }
        for fine in ["203.0.113.7", "10.1.2.3", "2001:db8::7"] {
            assert!(ask(fine, Loopback::Refused), "{fine}");
        }
        assert!(ask("127.0.0.1", Loopback::Permitted));
        let plain = target("http://localhost/", Loopback::Permitted).unwrap();
        let elsewhere = SocketAddr::new("203.0.113.7".parse().unwrap(), 80);
        assert!(plain.permitted([elsewhere].into_iter(), Loopback::Permitted).is_empty());
    }
}
