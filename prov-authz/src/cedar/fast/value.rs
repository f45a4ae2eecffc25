//! Values, borrowed from the policies and from the request.

use std::net::IpAddr;

use super::super::name::{Name, OwnedName};

/// A value of Cedar.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Bool(bool),
    Long(i64),
    Text(&'a str),
    Entity(Name<'a>),
    Address(Network),
    /// Milliseconds since 1970 began.
    Moment(i64),
    /// Milliseconds.
    Span(i64),
    /// Ten-thousandths.
    Decimal(i64),
    /// Elements in any order, and more than once if need be.
    Set(Vec<Self>),
    /// Members by name, each once.
    Record(Vec<(&'a str, Self)>),
}

/// A value that stands in a policy.
#[derive(Debug, Clone)]
pub(super) enum Constant {
    Bool(bool),
    Long(i64),
    Text(Box<str>),
    Entity(OwnedName),
    Address(Network),
    Moment(i64),
    Span(i64),
    Decimal(i64),
}

impl Constant {
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Bool(truth) => Value::Bool(*truth),
            Self::Long(number) => Value::Long(*number),
            Self::Text(text) => Value::Text(text),
            Self::Entity(name) => Value::Entity(name.name()),
            Self::Address(network) => Value::Address(*network),
            Self::Moment(millis) => Value::Moment(*millis),
            Self::Span(millis) => Value::Span(*millis),
            Self::Decimal(number) => Value::Decimal(*number),
        }
    }
}

/// Values of different types are different, and not an error.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Long(one), Self::Long(other))
            | (Self::Moment(one), Self::Moment(other))
            | (Self::Span(one), Self::Span(other))
            | (Self::Decimal(one), Self::Decimal(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Entity(one), Self::Entity(other)) => one == other,
            (Self::Address(one), Self::Address(other)) => one == other,
            (Self::Set(one), Self::Set(other)) => {
                includes_all(one, other) && includes_all(other, one)
            }
            (Self::Record(one), Self::Record(other)) => {
                one.len() == other.len() && one.iter().all(|member| other.contains(member))
            }
            _ => false,
        }
    }
}

/// Whether the first set includes the other.
pub(super) fn includes_all(set: &[Value<'_>], other: &[Value<'_>]) -> bool {
    other.iter().all(|element| set.contains(element))
}

/// An address, or a range of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// One address.
    pub(crate) const fn host(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix }
    }

    /// `10.0.0.0/8`, or one address; of texts that Cedar takes for an address.
    pub(super) fn read(text: &str) -> Option<Self> {
        let Some((address, prefix)) = text.split_once('/') else {
            return text.parse().ok().map(Self::host);
        };
        let address = address.parse().ok()?;
        let prefix = prefix.parse().ok()?;
        (prefix <= Self::host(address).prefix).then_some(Self { address, prefix })
    }

    pub(super) const fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    /// Whether all of it is.
    pub(super) const fn is_loopback(self) -> bool {
        self.address.is_loopback() && self.prefix >= if self.is_ipv4() { 8 } else { 128 }
    }

    /// Whether all of it is.
    pub(super) const fn is_multicast(self) -> bool {
        self.address.is_multicast() && self.prefix >= if self.is_ipv4() { 4 } else { 8 }
    }

    /// Whether all of it is in the other.
    pub(super) fn is_in(self, other: Self) -> bool {
        let differing_bits = match (self.address, other.address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        other.prefix <= self.prefix && differing_bits >= u32::from(other.prefix)
    }
}
