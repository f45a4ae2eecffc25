//! What is counted of the logs of the servers that share the store: read from the log when somebody looks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prov_audit::Log;
use prov_audit::joining::{JoinAlarmKind, JoinedLog};

/// The logs that one server joins.
#[derive(Debug)]
pub(crate) struct JoinMetrics(Arc<Log>);

impl JoinMetrics {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self(log)
    }
}

impl Collector for JoinMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let logs = self.0.joined();
        if logs.is_empty() {
            return Ok(());
        }
        let mut of_logs =
            |name: &str, help: &str, value: &dyn Fn(&JoinedLog) -> f64| -> fmt::Result {
                let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                for log in &logs {
                    let labels = [("log", log.origin.as_str())];
                    ConstGauge::new(value(log)).encode(family.encode_family(&labels)?)?;
                }
                Ok(())
            };
        let help = "Events of a joined log that are here, verified";
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 events")]
        of_logs("audit_joined_size", help, &|log| log.size as f64)?;
        let help = "Events of a joined log that are not here yet";
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 events")]
        of_logs("audit_joined_behind", help, &|log| log.behind as f64)?;
        let help =
            "When its server last said something, in seconds since 1970; 0 before the first time";
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
        of_logs("audit_joined_time", help, &|log| {
            log.time.map_or(0.0, |time| time.as_second() as f64)
        })?;
        let help = "1 while that is wrong with a joined log";
        let mut family =
            encoder.encode_descriptor("audit_joined_alarm", help, None, MetricType::Gauge)?;
        for log in &logs {
            for kind in JoinAlarmKind::ALL {
                let is_so = log.alarm.as_ref().is_some_and(|alarm| alarm.kind == kind);
                let labels = [("log", log.origin.as_str()), ("kind", kind.name())];
                let is_so = ConstGauge::new(f64::from(u8::from(is_so)));
                is_so.encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
