//! Work that was begun is brought to its end, whoever is still listening.
//!
//! A client that drops its connection drops the future that answers it. A handler cut off between
//! its commit and its audit event would leave a change without an event. So everything from the
//! audit layer inward runs as a task of its own, which the server waits for when it stops; a client
//! that goes away, or an answer that takes too long, ends only the waiting.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use prov_core::{Error, codes};
use prov_http::{facts, refuse};
use tokio_util::task::TaskTracker;
use tower_layer::Layer;
use tower_service::Service;

/// Runs what is behind it as tasks of a tracker.
#[derive(Debug, Clone)]
pub(crate) struct DetachLayer {
    tasks: TaskTracker,
    patience: Duration,
}

impl DetachLayer {
    /// Answers 503 when the work takes longer than `patience`; the work goes on.
    pub(crate) fn new(tasks: TaskTracker, patience: Duration) -> Self {
        Self { tasks, patience }
    }
}

impl<S> Layer<S> for DetachLayer {
    type Service = Detach<S>;

    fn layer(&self, inner: S) -> Detach<S> {
        Detach { inner, layer: self.clone() }
    }
}

/// The service of [`DetachLayer`].
#[derive(Debug, Clone)]
pub(crate) struct Detach<S> {
    inner: S,
    layer: DetachLayer,
}

impl<S> Service<Request<Body>> for Detach<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let facts = facts(request.extensions()).cloned();
        let work = self.layer.tasks.spawn(self.inner.call(request));
        let patience = self.layer.patience;
        Box::pin(async move {
            let error = match tokio::time::timeout(patience, work).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(broken)) => {
                    Error::new(codes::INTERNAL).context("a layer broke").source(broken)
                }
                Err(_) => Error::new(codes::UNAVAILABLE)
                    .detail("the answer took too long; whether it was done is in the audit log"),
            };
            tracing::error!(?error, "request failed");
            Ok(refuse(error, facts.as_deref()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn a_client_that_goes_away_does_not_cut_the_work_off() {
        let tasks = TaskTracker::new();
        let (done, go) = (Arc::new(AtomicBool::new(false)), Arc::new(tokio::sync::Notify::new()));
        let (work_done, work_go) = (Arc::clone(&done), Arc::clone(&go));
        let service = DetachLayer::new(tasks.clone(), Duration::from_secs(30)).layer(service_fn(
            move |_: Request<Body>| {
                let (done, go) = (Arc::clone(&work_done), Arc::clone(&work_go));
                async move {
                    go.notified().await;
                    done.store(true, Ordering::SeqCst);
                    Ok::<_, Infallible>(Response::new(Body::empty()))
                }
            },
        ));
        let mut answer = Box::pin(service.oneshot(Request::new(Body::empty())));
        assert!(futures_poll(&mut answer).await.is_pending());
        drop(answer);
        go.notify_one();
        tasks.close();
        tasks.wait().await;
        assert!(done.load(Ordering::SeqCst), "the work came to its end");
    }

    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Poll<()> {
        std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).map(drop))).await
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_too_long_is_a_problem() {
        let layer = DetachLayer::new(TaskTracker::new(), Duration::from_secs(30));
        let service = layer.layer(service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        }));
        let response = service.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), 503);
    }
}
