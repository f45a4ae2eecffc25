//! The context record of a request.

use std::net::IpAddr;

use cedar_policy::{Context, RestrictedExpression as Value};
use prov_core::{Error, Result, codes};

use crate::{Circumstances, Claims};

/// 0000-01-01T00:00:00Z in nanoseconds of Unix time: Cedar writes no earlier year.
const FIRST_MOMENT: i128 = -62_167_219_200 * 1_000_000_000;

/// The client's address, of circumstances under which anything is decided at all: whether or not a
/// policy looks at address and time, they are known and can be told to it.
pub(super) fn known_circumstances(circumstances: &Circumstances) -> Result<IpAddr> {
    let wrong = |field: &str, message: &str| {
        Error::new(codes::INVALID_REQUEST).field(format!("context.{field}"), message)
    };
    if circumstances.time.as_nanosecond() < FIRST_MOMENT {
        return Err(wrong("time", "before the year 0"));
    }
    circumstances.address.map(|address| address.to_canonical()).ok_or_else(|| {
        wrong(
            "ip_address",
            "the client's address is not known; the server must pass the peer's address on",
        )
    })
}

/// The context of these circumstances and claims.
pub(crate) fn context_of(circumstances: &Circumstances, claims: &Claims) -> Result<Context> {
    let address = known_circumstances(circumstances)?;
    // Cedar reads offsets without a colon only, so times are written in UTC, to the millisecond.
    let time = circumstances.time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let text = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| (name.to_owned(), Value::new_string(value.clone())))
    };
    let values = [
        Some(("mfa_verified".to_owned(), Value::new_bool(circumstances.mfa_verified))),
        Some(("ip_address".to_owned(), Value::new_ip(address.to_string()))),
        Some(("time".to_owned(), Value::new_datetime(time))),
        text("approval_id", &claims.approval_id),
        text("reason", &claims.reason),
        claims.force.map(|force| ("force".to_owned(), Value::new_bool(force))),
        text("ssh_key_fingerprint", &claims.ssh_key_fingerprint),
    ];
    let facts = claims.facts().filter_map(|(name, value)| Some((name.to_owned(), fact(value)?)));
    Context::from_pairs(values.into_iter().flatten().chain(facts)).map_err(|e| {
        Error::new(codes::INVALID_REQUEST).field("context", "a value is out of range").source(e)
    })
}

/// A fact as Cedar sees it; of other kinds none is let in.
fn fact(value: &serde_json::Value) -> Option<Value> {
    match value {
        serde_json::Value::String(text) => Some(Value::new_string(text.clone())),
        serde_json::Value::Bool(truth) => Some(Value::new_bool(*truth)),
        other => other.as_i64().map(Value::new_long),
    }
}

#[cfg(test)]
mod tests {
    use prov_core::Timestamp;

    use super::*;

    fn at(time: &str, address: &str) -> Circumstances {
        Circumstances::new(true, Some(address.parse().unwrap()), time.parse().unwrap())
    }

    /// Otherwise a policy that looks at them would be asked about less than one that does not.
    #[test]
    fn whatever_counts_as_known_can_be_told_to_cedar() {
        let addresses = [
            "0.0.0.0",
            "255.255.255.255",
            "::",
            "::1",
            "::10.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "fe80::1",
            "2001:db8::",
            "ff02::1:ff00:0",
            "1:0:0:2::3",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ];
        let times = [
            "0000-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999Z",
            "1970-01-01T00:00:00Z",
            "2026-03-02T09:00:00.000000001Z",
            "9999-12-30T22:00:00.999999999Z",
        ];
        for (address, time) in addresses.iter().flat_map(|a| times.map(|time| (a, time))) {
            let known = at(time, address);
            assert!(known_circumstances(&known).is_ok(), "{address} {time}");
            let context = context_of(&known, &Claims::NONE);
            assert!(context.is_ok(), "{address} {time}: {context:?}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused_even_if_nobody_looks() {
        let nowhere = Circumstances::new(true, None, Timestamp::UNIX_EPOCH);
        for unknown in [at("-000001-12-31T23:59:59.999999999Z", "10.0.0.1"), nowhere] {
            assert!(known_circumstances(&unknown).is_err());
            assert!(context_of(&unknown, &Claims::NONE).is_err());
        }
    }
}
