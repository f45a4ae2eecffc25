//! What is counted of the audit log's sinks: read from the log when somebody looks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use prov_audit::Log;
use prov_audit::sink::{SinkState, SinkStatus};
use prov_core::Clock;

/// The sinks of one server.
#[derive(Debug)]
pub(crate) struct SinkMetrics {
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
}

impl SinkMetrics {
    pub(crate) fn new(log: Arc<Log>, clock: Arc<dyn Clock>) -> Self {
        Self { log, clock }
    }

    /// How old the oldest event is that is being delivered, in seconds.
    fn lag(&self, sink: &SinkStatus) -> f64 {
        let oldest = sink.logs.iter().filter_map(|log| log.oldest).min();
        oldest.map_or(0.0, |oldest| self.clock.now().duration_since(oldest).as_secs_f64().max(0.0))
    }
}

impl Collector for SinkMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sinks = self.log.sinks();
        if sinks.is_empty() {
            return Ok(());
        }
        let help = "1 while deliveries to a receiver of the audit log are confirmed";
        gauges(&mut encoder, ("audit_sink_up", help, None), &sinks, |sink| {
            f64::from(u8::from(sink.state == SinkState::Up))
        })?;
        let help = "Events that a receiver of the audit log has not got";
        #[expect(clippy::cast_precision_loss, reason = "nobody is 2^53 events behind")]
        gauges(&mut encoder, ("audit_sink_behind", help, None), &sinks, |sink| sink.behind as f64)?;
        let help = "The age of the oldest event that is being delivered";
        let seconds = Some(&Unit::Seconds);
        gauges(&mut encoder, ("audit_sink_lag", help, seconds), &sinks, |sink| self.lag(sink))?;
        let help = "Events that a receiver of the audit log has confirmed";
        counters(&mut encoder, "audit_sink_delivered", help, &sinks, |sink| sink.delivered)?;
        let help = "Events that were left out of what a receiver of the audit log gets";
        counters(&mut encoder, "audit_sink_left_out", help, &sinks, |sink| sink.left_out)
    }
}

fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<&Unit>),
    sinks: &[SinkStatus],
    value: impl Fn(&SinkStatus) -> f64,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    for sink in sinks {
        let labels = [("sink", sink.name.as_str()), ("kind", sink.kind.as_str())];
        ConstGauge::new(value(sink)).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    sinks: &[SinkStatus],
    value: impl Fn(&SinkStatus) -> u64,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for sink in sinks {
        let labels = [("sink", sink.name.as_str()), ("kind", sink.kind.as_str())];
        ConstCounter::new(value(sink)).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
