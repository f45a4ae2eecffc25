//! Which address a request came from, when proxies stand before the server.

use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;
use prov_core::{Error, Result, codes};

/// The networks whose `X-Forwarded-For` and `Forwarded` (RFC 7239) headers are believed. None by
/// default: the client's address is the socket's.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<(IpAddr, u8)>);

impl TrustedProxies {
    /// Believes proxies in these networks, each `address` or `address/prefix`.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] naming the text that is no network.
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        networks.into_iter().map(parse_network).collect::<Result<_>>().map(Self)
    }

    /// The client's address: the socket's, unless that is a trusted proxy; then the right-most
    /// address in the forwarding header that is not one. What stands to the left of it could have
    /// been written by anybody and is not looked at.
    #[must_use]
    pub fn client(&self, socket: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = socket.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        for hop in forwarded_hops(headers).into_iter().rev() {
            let Some(address) = hop else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(network, prefix)| contains(*network, *prefix, address))
    }
}

fn parse_network(text: &str) -> Result<(IpAddr, u8)> {
    let refuse = || {
        Error::new(codes::INVALID_REQUEST)
            .detail(format!("`{text}` is no network: write `10.0.0.0/8` or `::1`"))
    };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| refuse())?)),
        None => (text, None),
    };
    let address = IpAddr::from_str(address.trim()).map_err(|_| refuse())?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(bits);
    if prefix > bits { Err(refuse()) } else { Ok((address, prefix)) }
}

fn contains(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let shares_prefix = |a: u128, b: u128, bits: u32| {
        prefix == 0 || (a ^ b).checked_shr(bits - u32::from(prefix)).unwrap_or(0) == 0
    };
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            shares_prefix(u32::from(a).into(), u32::from(b).into(), 32)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => shares_prefix(a.into(), b.into(), 128),
        _ => false,
    }
}

/// The hops as the proxies wrote them, nearest last; `None` for one that is no address.
fn forwarded_hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = |name: &str| {
        let values: Vec<String> = headers
            .get_all(name)
            .iter()
            .flat_map(|value| value.to_str().unwrap_or("?").split(',').map(str::to_owned))
            .collect();
        values
    };
    let forwarded = values("forwarded");
    if forwarded.is_empty() {
        return values("x-forwarded-for").iter().map(|hop| parse_hop(hop.trim())).collect();
    }
    forwarded
        .iter()
        .map(|element| {
            element
                .split(';')
                .filter_map(|pair| pair.trim().split_once('='))
                .find(|(name, _)| name.eq_ignore_ascii_case("for"))
                .and_then(|(_, value)| parse_hop(value.trim().trim_matches('"')))
        })
        .collect()
}

/// An address, bare, in brackets, or with a port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    bare.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip()))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], socket: &str, header: (&'static str, &str)) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header.0, header.1.parse().unwrap());
        let proxies = TrustedProxies::new(trusted.iter().copied()).unwrap();
        proxies.client(socket.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(client(&[], "192.0.2.1", ("x-forwarded-for", "10.0.0.1")), "192.0.2.1");
        assert_eq!(client(&[], "::ffff:192.0.2.1", ("x-y", "z")), "192.0.2.1");
    }

    #[test]
    fn the_right_most_untrusted_address_counts() {
        let xff = ("x-forwarded-for", "6.6.6.6, 203.0.113.7, 10.0.0.2");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", xff), "203.0.113.7");
        let forwarded = ("forwarded", r#"for=6.6.6.6, For="[2001:db8::1]:4711";proto=https"#);
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", forwarded), "2001:db8::1");
    }

    #[test]
    fn garbage_stops_the_walk_at_the_last_known_hop() {
        let xff = ("x-forwarded-for", "203.0.113.7, unknown, 10.0.0.2");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", xff), "10.0.0.2");
    }

    #[test]
    fn texts_that_are_no_networks_are_named() {
        for text in ["10.0.0.0/33", "nowhere", "::1/129", "10.0.0.0/x"] {
            let error = TrustedProxies::new([text]).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
