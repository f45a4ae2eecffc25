//! What is counted of the policies: read from the engine when somebody looks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use prov_authz::{EngineStats, PolicySource, PolicyStatus, ShadowReport, ShadowedEngine};
use prov_core::Clock;

/// The policies of one server.
#[derive(Debug)]
pub(crate) struct PolicyMetrics {
    engine: Arc<ShadowedEngine>,
    clock: Arc<dyn Clock>,
}

impl PolicyMetrics {
    pub(crate) fn new(engine: Arc<ShadowedEngine>, clock: Arc<dyn Clock>) -> Self {
        Self { engine, clock }
    }
}

impl Collector for PolicyMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let status = self.engine.engine().status();
        self.set(&mut encoder, &status)?;
        counts(&mut encoder, self.engine.engine().stats())?;
        trial(&mut encoder, self.engine.report().as_ref())
    }
}

impl PolicyMetrics {
    /// The set in force.
    fn set(&self, encoder: &mut DescriptorEncoder<'_>, status: &PolicyStatus) -> fmt::Result {
        let source = match status.source {
            PolicySource::BuiltIn => "built_in",
            PolicySource::Directory => "directory",
            PolicySource::Store => "store",
            _ => "history",
        };
        let version = status.bundle_version.map(|version| version.to_string());
        let labels = [
            ("revision", status.revision.to_string()),
            ("source", source.to_owned()),
            ("commit", status.commit.clone().unwrap_or_default()),
            ("bundle_version", version.unwrap_or_default()),
        ];
        let help = "The policy set in force; always 1";
        let mut info = encoder.encode_descriptor("policy_set", help, None, MetricType::Gauge)?;
        ConstGauge::new(1_i64).encode(info.encode_family(&labels)?)?;
        let age = self.clock.now().duration_since(status.loaded_at).as_secs_f64();
        let (help, unit) = ("Since the set in force decides", Some(&Unit::Seconds));
        let gauge = encoder.encode_descriptor("policy_set_age", help, unit, MetricType::Gauge)?;
        ConstGauge::new(age).encode(gauge)?;
        let is = |truth: bool| f64::from(u8::from(truth));
        for (name, help, value) in [
            ("policy_set_policies", "Policies in force", to_f64(status.policies as u64)),
            (
                "policy_set_refused",
                "1 while the newest set was refused",
                is(status.last_failure.is_some()),
            ),
            ("policy_set_pinned", "1 while a rollback holds", is(status.is_pinned)),
            (
                "policy_set_number",
                "Its number in the history; 0 when none is kept",
                to_f64(status.number.unwrap_or(0)),
            ),
        ] {
            gauge_of(encoder, name, help, value)?;
        }
        Ok(())
    }
}

fn counts(encoder: &mut DescriptorEncoder<'_>, counted: EngineStats) -> fmt::Result {
    for (name, help, value) in [
        ("policy_decisions_allowed", "Decisions that allowed", counted.allowed),
        ("policy_decisions_denied", "Decisions that denied", counted.denied),
        ("policy_decision_errors", "Decisions that denied because of an error", counted.errors),
        ("policy_reloads", "Sets put in force after the first", counted.reloads),
        ("policy_reload_failures", "Sets refused", counted.reload_failures),
    ] {
        let series = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(series)?;
    }
    Ok(())
}

/// The set that is tried beside it. Gauges, because each trial begins anew.
fn trial(encoder: &mut DescriptorEncoder<'_>, report: Option<&ShadowReport>) -> fmt::Result {
    let count = |of: fn(&ShadowReport) -> u64| to_f64(report.map_or(0, of));
    for (name, help, value) in [
        (
            "policy_shadow_tried",
            "Decisions made again by the set being tried",
            count(|report| report.found.evaluated),
        ),
        (
            "policy_shadow_newly_allowed",
            "Of these, allowed only by the set being tried",
            count(|report| report.found.newly_allowed),
        ),
        (
            "policy_shadow_newly_denied",
            "Of these, denied only by the set being tried",
            count(|report| report.found.newly_denied),
        ),
        (
            "policy_shadow_passed_over",
            "Decisions that were not tried for want of room",
            count(|report| report.passed_over),
        ),
    ] {
        gauge_of(encoder, name, help, value)?;
    }
    Ok(())
}

fn gauge_of(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: f64,
) -> fmt::Result {
    let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(gauge)
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 policies or decisions a scrape")]
const fn to_f64(count: u64) -> f64 {
    count as f64
}
