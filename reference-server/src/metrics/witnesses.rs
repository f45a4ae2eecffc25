//! What is counted of the audit log's witnesses and time stamps: read from the log when somebody looks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prov_audit::{CosignedLog, Log, WitnessState};

/// The witnesses of one server's log.
#[derive(Debug)]
pub(crate) struct WitnessMetrics(Arc<Log>);

impl WitnessMetrics {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self(log)
    }
}

impl Collector for WitnessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(status) = self.0.anchoring() {
            let help = "Events that the newest time-stamped checkpoint covers";
            let kind = MetricType::Gauge;
            let mut family = encoder.encode_descriptor("audit_anchored_size", help, None, kind)?;
            for (log, anchor) in
                [("standard", status.standard), ("break_glass", status.break_glass)]
            {
                let size = anchor.map_or(0, |anchor| anchor.size);
                ConstGauge::new(to_f64(size)).encode(family.encode_family(&[("log", log)])?)?;
            }
            let help = "1 while the authority stamps the time";
            let gauge = encoder.encode_descriptor("audit_anchor_up", help, None, kind)?;
            ConstGauge::new(f64::from(u8::from(status.failures == 0))).encode(gauge)?;
        }
        let Some(status) = self.0.witnessing() else { return Ok(()) };
        let mut of_logs =
            |name: &str, help: &str, value: &dyn Fn(&CosignedLog) -> f64| -> fmt::Result {
                let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                for log in &status.logs {
                    let labels = [("log", log.log.as_str())];
                    ConstGauge::new(value(log)).encode(family.encode_family(&labels)?)?;
                }
                Ok(())
            };
        let help = "Events that the newest checkpoint covers that enough witnesses cosigned";
        of_logs("audit_cosigned_size", help, &|log| to_f64(log.size))?;
        let help = "Events recorded since that checkpoint";
        of_logs("audit_cosigned_behind", help, &|log| to_f64(log.behind))?;
        let help = "When it was cosigned, in seconds since 1970; 0 before the first";
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
        of_logs("audit_cosigned_time", help, &|log| {
            log.time.map_or(0.0, |time| time.as_second() as f64)
        })?;
        let help = "1 while a witness of the audit log cosigns";
        let mut family =
            encoder.encode_descriptor("audit_witness_up", help, None, MetricType::Gauge)?;
        for witness in status.witnesses.iter().filter(|w| w.state != WitnessState::NotAsked) {
            let up = f64::from(u8::from(witness.state == WitnessState::Up));
            let labels = [("witness", witness.name.as_str())];
            ConstGauge::new(up).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 events")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}
