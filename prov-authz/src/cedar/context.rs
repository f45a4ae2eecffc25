//! The context record of a request.

use cedar_policy::{Context, RestrictedExpression as Value};
use prov_core::{Error, Result, codes};

use crate::{Circumstances, Claims};

/// The context of these circumstances and claims; refuses when the client's address is not known.
pub(crate) fn context_of(circumstances: &Circumstances, claims: &Claims) -> Result<Context> {
    let address = circumstances.address.ok_or_else(|| {
        Error::new(codes::INVALID_REQUEST).field(
            "context.ip_address",
            "the client's address is not known; the server must pass the peer's address on",
        )
    })?;
    // Cedar reads offsets without a colon only, so times are written in UTC, to the millisecond.
    let time = circumstances.time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let text = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| (name.to_owned(), Value::new_string(value.clone())))
    };
    let known = [
        ("mfa_verified".to_owned(), Value::new_bool(circumstances.mfa_verified)),
        ("ip_address".to_owned(), Value::new_ip(address.to_canonical().to_string())),
        ("time".to_owned(), Value::new_datetime(time)),
    ];
    let claimed = [
        text("approval_id", &claims.approval_id),
        text("reason", &claims.reason),
        claims.force.map(|force| ("force".to_owned(), Value::new_bool(force))),
        text("ssh_key_fingerprint", &claims.ssh_key_fingerprint),
    ];
    Context::from_pairs(known.into_iter().chain(claimed.into_iter().flatten())).map_err(|e| {
        Error::new(codes::INVALID_REQUEST).field("context", "a value is out of range").source(e)
    })
}
