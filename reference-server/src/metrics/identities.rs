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
        Ok(())
    }
}
