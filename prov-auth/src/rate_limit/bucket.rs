//! Who shares a limit.

use std::hash::BuildHasher;
use std::net::IpAddr;

use hashbrown::DefaultHashBuilder;

/// How many buckets the addresses share for which there is no room.
const SHARED: u64 = 4096;

/// Who shares a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Bucket {
    /// One IPv4 address.
    V4(u32),
    /// One IPv6 network of 64 bits: what one customer has at least.
    V6(u64),
    /// Some of the addresses for which there was no room.
    Shared(u64),
    /// All requests whose address is not known.
    Unknown,
}

impl Bucket {
    pub(super) fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::V4(address.to_bits()),
            Some(IpAddr::V6(address)) => {
                Self::V6(u64::try_from(address.to_bits() >> 64).unwrap_or(u64::MAX))
            }
            None => Self::Unknown,
        }
    }

    /// The bucket to use when there is no room: one of a fixed number, which nobody outside can
    /// predict.
    pub(super) fn shared(self, hashing: &DefaultHashBuilder) -> Self {
        Self::Shared(hashing.hash_one(self) % SHARED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Bucket {
        Bucket::of(Some(address.parse().unwrap()))
    }

    #[test]
    fn an_ipv6_network_is_one_bucket_and_a_mapped_address_is_its_ipv4_self() {
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
