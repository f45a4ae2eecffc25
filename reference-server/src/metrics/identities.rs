//! What is counted of identities: read from the service when somebody looks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prov_auth::AuthService;

/// The identities of one server. Failures and throttles are counted by code, as `refusals`.
#[derive(Debug)]
pub(crate) struct IdentityMetrics(Arc<AuthService>);

impl IdentityMetrics {
    pub(crate) fn new(auth: Arc<AuthService>) -> Self {
        Self(auth)
    }
}

impl Collector for IdentityMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let revoked = self.0.revocation_counts();
        let help = "Revocations made by this server";
        let mut family =
            encoder.encode_descriptor("revocations", help, None, MetricType::Counter)?;
        for (of, count) in [
            ("session", revoked.sessions),
            ("token", revoked.tokens),
            ("user", revoked.users),
            ("everything", revoked.everything),
        ] {
            ConstCounter::new(count).encode(family.encode_family(&[("of", of)])?)?;
        }
        let hashed = self.0.hashing_use();
        let help = "Password hashes asked for";
        let mut family =
            encoder.encode_descriptor("password_hashes", help, None, MetricType::Counter)?;
        for (outcome, count) in [("computed", hashed.computed), ("shed", hashed.shed)] {
            ConstCounter::new(count).encode(family.encode_family(&[("outcome", outcome)])?)?;
        }
        let counted = self.0.stats();
        let help = "Passwords that were not proved";
        let mut family =
            encoder.encode_descriptor("login_failures", help, None, MetricType::Counter)?;
        for (reason, count) in counted.login_failures {
            ConstCounter::new(count).encode(family.encode_family(&[("reason", reason)])?)?;
        }
        let help = "Notices to users that are told outside";
        let mut family = encoder.encode_descriptor("notices", help, None, MetricType::Counter)?;
        for (outcome, count) in
            [("delivered", counted.notices_delivered), ("given_up", counted.notices_given_up)]
        {
            ConstCounter::new(count).encode(family.encode_family(&[("outcome", outcome)])?)?;
        }
        for (name, help, count) in [
            ("new_devices", "Sign-ins on devices that were never seen before", counted.new_devices),
            (
                "refresh_reuses",
                "Spent refresh tokens that were presented; each has ended its session",
                counted.refresh_reuses,
            ),
        ] {
            let series = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(count).encode(series)?;
        }
        Ok(())
    }
}
