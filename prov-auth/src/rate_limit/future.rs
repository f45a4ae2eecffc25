use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;

pin_project! {
    /// The answer of a [`RateLimited`](super::RateLimited) service.
    #[derive(Debug)]
    pub struct RateLimitFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = Project]
    #[derive(Debug)]
    enum State<F, B> {
        Passed { #[pin] future: F },
        Refused { response: Option<Response<B>> },
    }
}

impl<F, B> RateLimitFuture<F, B> {
    pub(super) fn passed(future: F) -> Self {
        Self { state: State::Passed { future } }
    }

    pub(super) fn refused(response: Response<B>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<F, B, E> Future for RateLimitFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Project::Passed { future } => future.poll(cx),
            // A future that was answered already is never polled again by a correct caller.
            Project::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
        }
    }
}
