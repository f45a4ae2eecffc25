use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;

type Keyed<B, E> = Pin<Box<dyn Future<Output = Result<Response<B>, E>> + Send>>;

pin_project! {
    /// The answer of an [`Idempotent`](super::Idempotent) service.
    pub struct IdempotencyFuture<F, B, E> {
        #[pin]
        state: State<F, B, E>,
    }
}

pin_project! {
    #[project = Project]
    enum State<F, B, E> {
        Passed { #[pin] future: F },
        Keyed { future: Keyed<B, E> },
        Refused { response: Option<Response<B>> },
    }
}

impl<F, B, E> IdempotencyFuture<F, B, E> {
    pub(super) fn passed(future: F) -> Self {
        Self { state: State::Passed { future } }
    }

    pub(super) fn keyed(future: Keyed<B, E>) -> Self {
        Self { state: State::Keyed { future } }
    }

    pub(super) fn refused(response: Response<B>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<F, B, E> fmt::Debug for IdempotencyFuture<F, B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyFuture")
    }
}

impl<F, B, E> Future for IdempotencyFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Project::Passed { future } => future.poll(cx),
            Project::Keyed { future } => future.as_mut().poll(cx),
            // A future that was answered already is never polled again by a correct caller.
            Project::Refused { response } => {
                response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
            }
        }
    }
}
