//! What is counted of second factors: read when somebody looks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prov_core::FactorMethod;
use prov_mfa::MfaService;

/// The second factors of one server.
#[derive(Debug)]
pub(crate) struct FactorMetrics(pub(crate) Arc<MfaService>);

impl Collector for FactorMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.0.stats();
        let help = "Second factors that were answered with";
        let mut family =
            encoder.encode_descriptor("mfa_responses", help, None, MetricType::Counter)?;
        for counted in &stats.methods {
            let method = match counted.method {
                FactorMethod::Totp => "totp",
                FactorMethod::Webauthn => "webauthn",
                _ => "backup_code",
            };
            for (outcome, count) in [
                ("held", counted.held),
                ("rejected", counted.rejected),
                ("limited", counted.limited),
            ] {
                let labels = [("method", method), ("outcome", outcome)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        for (name, help, count) in [
            (
                "mfa_passkeys_cloned",
                "Passkeys refused because their counter went back",
                stats.cloned,
            ),
            (
                "mfa_enrolments_overdue",
                "Sign-ins of users who must have a second factor and had none in time",
                stats.overdue,
            ),
        ] {
            let series = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(count).encode(series)?;
        }
        Ok(())
    }
}
