use std::sync::Arc;

use arc_swap::ArcSwap;
use prov_core::Clock;
use prov_core::audit::Recorder;
use tower_layer::Layer;

use super::limiter::Limiter;
use super::report::Refusals;
use super::{RateLimit, RateLimitReporter, RateLimited};

/// Limits how often one client address may ask (generic cell rate algorithm), before anything costly
/// is done for it.
///
/// Rules:
/// * Too many: 429 with `Retry-After`; the request goes no further.
/// * An IPv4 address counts for itself, an IPv6 address for its network of 64 bits. Loopback is no
///   exception. Requests whose address is not known share one bucket.
/// * Memory is bounded: at most 65,536 addresses have buckets of their own at a time; the others share
///   4,096. An attacker who changes addresses can neither fill the memory nor get past the limit.
/// * The second hand counts; setting the wall clock changes nothing.
/// * Refusals leave audit events once [`reporting_to`](Self::reporting_to) says where.
///
/// The address is that of the [`RequestFacts`](prov_core::RequestFacts), so put it inside the
/// [`EdgeLayer`](prov_http::EdgeLayer), which knows the trusted proxies; without one, it is the
/// socket's, and behind a proxy all clients would be one.
///
/// ```
/// use std::sync::Arc;
/// use prov_auth::RateLimitLayer;
/// use prov_core::SystemClock;
///
/// let layer = RateLimitLayer::new("100/min".parse().unwrap(), Arc::new(SystemClock::new()));
/// layer.set_limit("500/min".parse().unwrap()); // at any time, for every clone
/// ```
#[derive(Debug, Clone)]
pub struct RateLimitLayer {
    clock: Arc<dyn Clock>,
    limiter: Arc<ArcSwap<Limiter>>,
    refusals: Option<Arc<Refusals>>,
}

impl RateLimitLayer {
    /// A layer under this limit.
    #[must_use]
    pub fn new(limit: RateLimit, clock: Arc<dyn Clock>) -> Self {
        let limiter = Limiter::new(limit, Arc::clone(&clock));
        Self { clock, limiter: Arc::new(ArcSwap::from_pointee(limiter)), refusals: None }
    }

    /// Has the first refusal of an address in a minute recorded, as long as the reporter
    /// [runs](RateLimitReporter::run).
    pub fn reporting_to(mut self, recorder: Arc<dyn Recorder>) -> (Self, RateLimitReporter) {
        let (refusals, reporter) = RateLimitReporter::new(Arc::clone(&self.clock), recorder);
        self.refusals = Some(refusals);
        (self, reporter)
    }

    /// Changes the limit at run time, for all clones and services of this layer. Counting starts anew,
    /// unless the limit is the same.
    pub fn set_limit(&self, limit: RateLimit) {
        if self.limiter.load().limit() != limit {
            self.limiter.store(Arc::new(Limiter::new(limit, Arc::clone(&self.clock))));
        }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimited<S>;

    fn layer(&self, inner: S) -> RateLimited<S> {
        RateLimited { inner, limiter: Arc::clone(&self.limiter), refusals: self.refusals.clone() }
    }
}
