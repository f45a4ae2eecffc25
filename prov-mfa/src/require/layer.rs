use std::sync::Arc;
use std::time::Duration;

use prov_core::Clock;
use tower_layer::Layer;

use super::RequireMfa;

/// Refuses requests that need a second factor and have none, or one that is too old.
///
/// Stands behind the authentication layer, which puts the
/// [`SecurityContext`](prov_core::SecurityContext) into the request's extensions, and before the
/// authorization layer.
///
/// Rules:
/// * A route asks with [`with_second_factor`](prov_http::Route::with_second_factor); the layer itself
///   asks on every route that is not public when made with [`always`](Self::always). The stricter of
///   the two holds.
/// * Refusals are 401 with the challenge of RFC 9470, `insufficient_user_authentication`.
/// * A route that is not public, or not known, without a security context is refused: our bug, never
///   an anonymous pass.
/// * What passes costs no allocation.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use prov_core::SystemClock;
/// use prov_mfa::RequireMfaLayer;
///
/// let where_routes_ask = RequireMfaLayer::new(Arc::new(SystemClock::new()));
/// let everywhere = where_routes_ask.clone().always(Duration::from_secs(8 * 3600));
/// ```
#[derive(Debug, Clone)]
pub struct RequireMfaLayer {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) always: Option<Duration>,
}

impl RequireMfaLayer {
    /// Asks where the route asks.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, always: None }
    }

    /// Asks on every route that is not public, for a second factor at most `within` old.
    #[must_use]
    pub fn always(mut self, within: Duration) -> Self {
        self.always = Some(within);
        self
    }
}

impl<S> Layer<S> for RequireMfaLayer {
    type Service = RequireMfa<S>;

    fn layer(&self, inner: S) -> RequireMfa<S> {
        RequireMfa { inner, rules: self.clone() }
    }
}
