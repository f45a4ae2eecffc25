//! What the server counts, for Prometheus (OpenMetrics text).

mod identities;
mod joined;
mod layer;
mod policies;
mod second_factors;
mod sinks;
mod witnesses;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use identities::IdentityMetrics;
pub(crate) use joined::JoinMetrics;
pub use layer::{Measured, MeasuredFuture, MetricsLayer};
pub(crate) use policies::PolicyMetrics;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
pub(crate) use second_factors::FactorMetrics;
pub(crate) use sinks::SinkMetrics;
pub(crate) use witnesses::WitnessMetrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    code: String,
}

/// The counters of one server. Labels are routes and codes, never paths or names: their number is
/// bounded by the program, not by what clients send.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
    seconds: Histogram,
    in_flight: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Fresh counters, beside those of the policies, the identities, second factors, the log's sinks, its
    /// witnesses and those it is joined with.
    #[must_use]
    pub(crate) fn new(
        policies: PolicyMetrics,
        identities: IdentityMetrics,
        factors: FactorMetrics,
        sinks: SinkMetrics,
        witnesses: WitnessMetrics,
        joined: JoinMetrics,
    ) -> Arc<Self> {
        let mut registry = Registry::with_prefix("prov");
        registry.register_collector(Box::new(identities));
        registry.register_collector(Box::new(policies));
        registry.register_collector(Box::new(factors));
        registry.register_collector(Box::new(sinks));
        registry.register_collector(Box::new(witnesses));
        registry.register_collector(Box::new(joined));
        let requests = Family::default();
        let refusals = Family::default();
        // 50 µs to 13 s.
        let seconds = Histogram::new(exponential_buckets(0.000_05, 2.0, 18));
        let in_flight = Gauge::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("refusals", "Refusals and failures by code", refusals.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from the request's head to the answer's head",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register("http_requests_in_flight", "Requests being answered", in_flight.clone());
        Arc::new(Self { registry, requests, refusals, seconds, in_flight })
    }

    /// Everything as OpenMetrics text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    fn answered(&self, method: &str, route: &str, status: u16, code: Option<&str>, took: Duration) {
        let labels = RequestLabels { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
        if let Some(code) = code {
            self.refusals.get_or_create(&RefusalLabels { code: code.to_owned() }).inc();
        }
        self.seconds.observe(took.as_secs_f64());
    }
}
