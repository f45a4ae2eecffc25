//! Address ranges of the `source-address` option.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use prov_core::{Error, Result, codes};
use serde::{Deserialize, Serialize};

/// A CIDR range such as `10.0.0.0/8`. Bits beyond the prefix are zero: sshd refuses a certificate
/// whose ranges have others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange {
    address: IpAddr,
    prefix: u8,
}

impl AddressRange {
    /// Whether every address of `other` lies in this range.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.address.is_ipv4() == other.address.is_ipv4()
            && self.prefix <= other.prefix
            && masked(other.address, self.prefix) == self.address
    }

    /// Reads the comma-separated list of the `source-address` option.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] for anything that is no range, or more than 32 of them.
    pub fn parse_list(text: &str) -> Result<Vec<Self>> {
        const MOST: usize = 32;
        let all: Vec<Self> = text
            .split(',')
            .take(MOST + 1)
            .map(|part| part.trim().parse())
            .collect::<Result<_>>()?;
        if all.len() > MOST { Err(refuse("at most 32 address ranges")) } else { Ok(all) }
    }
}

fn refuse(why: &'static str) -> Error {
    Error::new(codes::INVALID_REQUEST).field("source_address", why)
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

impl FromStr for AddressRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || refuse("write ranges such as `10.0.0.0/8`, separated by commas");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        if address != address.to_canonical() {
            return Err(refuse("write an IPv4 address as such, not mapped into IPv6"));
        }
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            // Only digits: the parser of numbers also takes a sign.
            Some(digits) if digits.chars().all(|c| c.is_ascii_digit()) => {
                digits.parse().map_err(|_| refused())?
            }
            Some(_) => return Err(refused()),
            None => longest,
        };
        if prefix > longest {
            return Err(refused());
        }
        if masked(address, prefix) == address {
            Ok(Self { address, prefix })
        } else {
            Err(refuse("the bits beyond the prefix must be zero: `10.0.0.0/8`, not `10.0.0.1/8`"))
        }
    }
}

impl TryFrom<String> for AddressRange {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<AddressRange> for String {
    fn from(range: AddressRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_its_parts_and_no_other_family() {
        let range = |text: &str| text.parse::<AddressRange>().unwrap();
        assert!(range("10.0.0.0/8").contains(&range("10.1.2.3")));
        assert!(range("0.0.0.0/0").contains(&range("10.0.0.0/8")));
        assert!(range("2001:db8::/32").contains(&range("2001:db8:1::/48")));
        assert!(!range("10.0.0.0/8").contains(&range("0.0.0.0/0")));
        assert!(!range("10.0.0.0/8").contains(&range("11.0.0.0/8")));
        assert!(!range("0.0.0.0/0").contains(&range("::/0")));
    }

    #[test]
    fn odd_ranges_are_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "::ffff:10.0.0.1",
            "!10.0.0.0/8",
            "10.0.0.0/8\n",
            "example.org",
            "10.0.0.0/",
            "1.2.3",
        ] {
            assert!(text.parse::<AddressRange>().is_err(), "{text:?} must be refused");
        }
    }
}
