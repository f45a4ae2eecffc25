//! Counts each answer. Stands just inside the edge, which knows the route.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use prov_core::Clock;
use prov_http::{MatchedRoute, Refusal};
use tower_layer::Layer;
use tower_service::Service;

use super::Metrics;

/// Counts requests by route and status.
#[derive(Debug, Clone)]
pub struct MetricsLayer {
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

impl MetricsLayer {
    /// Counts into `metrics`.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        Self { metrics, clock }
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured { inner, layer: self.clone() }
    }
}

/// The service of [`MetricsLayer`].
#[derive(Debug, Clone)]
pub struct Measured<S> {
    inner: S,
    layer: MetricsLayer,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Measured<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = MeasuredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let route = request.extensions().get::<MatchedRoute>().cloned();
        self.layer.metrics.in_flight.inc();
        MeasuredFuture {
            measurement: Measurement {
                started: self.layer.clock.monotonic(),
                layer: self.layer.clone(),
                route,
            },
            future: self.inner.call(request),
        }
    }
}

/// What is known when the answer comes. Counts the end of a request also when its client went away.
#[derive(Debug)]
struct Measurement {
    layer: MetricsLayer,
    route: Option<MatchedRoute>,
    started: Duration,
}

impl Drop for Measurement {
    fn drop(&mut self) {
        self.layer.metrics.in_flight.dec();
    }
}

pin_project_lite::pin_project! {
    /// The answer of [`Measured`].
    #[derive(Debug)]
    pub struct MeasuredFuture<F> {
        measurement: Measurement,
        #[pin]
        future: F,
    }
}

impl<F, B, E> Future for MeasuredFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.future.poll(cx));
        if let Ok(response) = &answer {
            let Measurement { layer, route, started } = this.measurement;
            let (method, path) = route
                .as_ref()
                .map_or(("", ""), |matched| (matched.0.method.as_str(), &*matched.0.path));
            let code = response.extensions().get::<Refusal>().map(|r| r.error().code().name());
            let took = layer.clock.monotonic().saturating_sub(*started);
            layer.metrics.answered(method, path, response.status().as_u16(), code, took);
        }
        Poll::Ready(answer)
    }
}
