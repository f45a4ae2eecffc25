use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use prov_core::audit::DecisionRecord;

pin_project! {
    /// The answer of an [`Authz`](super::Authz).
    #[derive(Debug)]
    pub struct AuthzFuture<F, B> {
        #[pin]
        state: State<F, B>,
        decision: Option<DecisionRecord>,
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

impl<F, B> AuthzFuture<F, B> {
    pub(super) fn passed(future: F, decision: Option<DecisionRecord>) -> Self {
        Self { state: State::Passed { future }, decision }
    }

    pub(super) fn refused(response: Response<B>, decision: Option<DecisionRecord>) -> Self {
        Self { state: State::Refused { response: Some(response) }, decision }
    }
}

impl<F, B, E> Future for AuthzFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.state.project() {
            Project::Passed { future } => ready!(future.poll(cx))?,
            // A future that was answered already is never polled again by a correct caller.
            Project::Refused { response } => match response.take() {
                Some(response) => response,
                None => return Poll::Pending,
            },
        };
        if let Some(decision) = this.decision.take() {
            response.extensions_mut().insert(decision);
        }
        Poll::Ready(Ok(response))
    }
}
