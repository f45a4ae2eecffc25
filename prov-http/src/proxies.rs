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
    ///
    /// Most proxies write one of the two headers and pass the other on as the client sent it. So
    /// where both are there and lead to different addresses, one may be the client's invention and
    /// nobody can tell which: then the address is not known (`None`). Let the proxy remove the header
    /// that it does not write.
    #[must_use]
    pub fn client(&self, socket: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let socket = socket.to_canonical();
        if !self.trusts(socket) {
            return Some(socket);
        }
        let (forwarded, x_forwarded_for) = (forwarded(headers), x_forwarded_for(headers));
        if forwarded.is_empty() {
            return Some(self.walk(socket, x_forwarded_for));
        }
        let client = self.walk(socket, forwarded);
        let agreed = x_forwarded_for.is_empty() || self.walk(socket, x_forwarded_for) == client;
        agreed.then_some(client)
    }

    /// From the socket outwards, as far as each hop is a trusted proxy.
    fn walk(&self, socket: IpAddr, hops: Vec<Option<IpAddr>>) -> IpAddr {
        let mut client = socket;
        for hop in hops.into_iter().rev() {
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

/// The hops of `Forwarded`, nearest last; `None` for one that is no address.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let hop = |element: &str| {
        element
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("for"))
            .and_then(|(_, value)| parse_hop(value.trim().trim_matches('"')))
    };
    elements(headers, "forwarded").map(hop).collect()
}

/// The hops of `X-Forwarded-For`, nearest last; `None` for one that is no address.
fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    elements(headers, "x-forwarded-for").map(|hop| parse_hop(hop.trim())).collect()
}

/// What the proxies wrote, one after another; a value that is no text is one element.
fn elements<'h>(headers: &'h HeaderMap, name: &'static str) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| value.to_str().unwrap_or("?").split(','))
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
        proxies.client(socket.parse().unwrap(), &headers).unwrap().to_string()
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
    fn a_header_that_the_proxy_passed_on_is_not_believed() {
        let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
        let client = |socket: &str, x_forwarded_for: &str, forwarded: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", x_forwarded_for.parse().unwrap());
            headers.insert("forwarded", forwarded.parse().unwrap());
            let client = proxies.client(socket.parse().unwrap(), &headers);
            client.map(|client| client.to_string())
        };
        // The proxy writes `X-Forwarded-For`; the client says that it is inside the network.
        assert_eq!(client("10.0.0.1", "203.0.113.7", "for=10.1.2.3"), None);
        // The other way round.
        assert_eq!(client("10.0.0.1", "10.1.2.3", "for=203.0.113.7"), None);
        let agreed = client("10.0.0.1", "6.6.6.6, 203.0.113.7", "for=203.0.113.7");
        assert_eq!(agreed.as_deref(), Some("203.0.113.7"));
        // Whoever is no proxy is not asked.
        let direct = client("203.0.113.7", "6.6.6.6", "for=10.1.2.3");
        assert_eq!(direct.as_deref(), Some("203.0.113.7"));
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
