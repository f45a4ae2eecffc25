use std::sync::Arc;

use prov_core::Clock;
use prov_core::audit::Recorder;
use tower_layer::Layer;

use super::Audit;

/// Records every request that left no event of its own, and answers only when that is durable.
///
/// Stands inside the [`EdgeLayer`](prov_http::EdgeLayer) and outside authentication, so that what
/// authentication, second factor and authorization refuse is recorded too.
///
/// Rules:
/// * A request that a handler or service recorded already
///   ([`RequestFacts::is_recorded`](prov_core::RequestFacts::is_recorded)) is not recorded again.
/// * A successful GET or HEAD of a route marked [`Access::Public`](prov_http::Access::Public) is not
///   recorded; everything else is.
/// * 401 and 403 are [`Denied`](prov_core::audit::Outcome::Denied), other 4xx and all 5xx
///   [`Failure`](prov_core::audit::Outcome::Failure). A token that does not hold is
///   `auth.token.refused`, an address that sent too much is `api.rate_limited`, everything else
///   `api.request`.
/// * If the event can't be recorded, the client gets 503 in place of the answer: fail closed. What
///   the handler did by then stays done; whatever changes something records it itself, before it
///   answers.
/// * If the client goes away before the answer is ready, an event that says `aborted` is handed to
///   the log without anybody waiting for it. If it goes away while the event is being written, the
///   event is written all the same.
/// * Without request facts there is nothing to record by: the request is refused with 500.
///
/// Who asked is read from the response's extensions, where the authentication layer leaves the
/// [`SecurityContext`](prov_core::SecurityContext), and the decision from the request's facts, where
/// the authorization layer notes it, or from a
/// [`DecisionRecord`](prov_core::audit::DecisionRecord) in the response's extensions.
///
/// ```
/// use std::sync::Arc;
/// use prov_audit::AuditLayer;
/// use prov_core::{SystemClock, audit::MemoryRecorder};
///
/// let layer = AuditLayer::new(Arc::new(MemoryRecorder::new()), Arc::new(SystemClock::new()));
/// ```
#[derive(Debug, Clone)]
pub struct AuditLayer {
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) clock: Arc<dyn Clock>,
}

impl AuditLayer {
    /// A layer that records here.
    #[must_use]
    pub fn new(recorder: Arc<dyn Recorder>, clock: Arc<dyn Clock>) -> Self {
        Self { recorder, clock }
    }
}

impl<S> Layer<S> for AuditLayer {
    type Service = Audit<S>;

    fn layer(&self, inner: S) -> Audit<S> {
        Audit { inner, layer: self.clone() }
    }
}
