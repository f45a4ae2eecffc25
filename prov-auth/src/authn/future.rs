use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use prov_core::{Result, SecurityContext};
use tower_service::Service;

use super::possession::Finish;
use super::service::Waiting;

/// Asking the other nodes whether they have seen a proof.
pub(super) type Asking = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

pin_project! {
    /// The answer of an [`Authn`](super::Authn).
    pub struct AuthnFuture<S, Q, F, B> {
        #[pin]
        state: State<S, Q, F, B>,
    }
}

impl<S, Q, F, B> fmt::Debug for AuthnFuture<S, Q, F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthnFuture").finish_non_exhaustive()
    }
}

pin_project! {
    #[project = Project]
    pub(super) enum State<S, Q, F, B> {
        Asking { asking: Asking, waiting: Option<Waiting<S, Q>> },
        Passed { #[pin] future: F, context: Option<SecurityContext>, finish: Finish },
        Refused { response: Option<Response<B>> },
    }
}

impl<S, Q, F, B> AuthnFuture<S, Q, F, B> {
    /// The request waits for other nodes.
    pub(super) fn asking(asking: Asking, waiting: Waiting<S, Q>) -> Self {
        Self { state: State::Asking { asking, waiting: Some(waiting) } }
    }

    pub(super) fn of(state: State<S, Q, F, B>) -> Self {
        Self { state }
    }
}

impl<S, Q, F, B> State<S, Q, F, B> {
    pub(super) fn passed(future: F, context: Option<SecurityContext>, finish: Finish) -> Self {
        Self::Passed { future, context, finish }
    }

    pub(super) fn refused(response: Response<B>) -> Self {
        Self::Refused { response: Some(response) }
    }
}

impl<S, Q, F, B, E> Future for AuthnFuture<S, Q, F, B>
where
    S: Service<Request<Q>, Response = Response<B>, Future = F, Error = E>,
    F: Future<Output = Result<Response<B>, E>>,
    B: From<Bytes>,
{
    type Output = Result<Response<B>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            match this.state.as_mut().project() {
                Project::Asking { asking, waiting } => {
                    let answer = ready!(asking.as_mut().poll(cx));
                    // A future that was answered already is never polled again by a correct caller.
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    this.state.set(waiting.go_on(answer));
                }
                Project::Passed { future, context, finish } => {
                    let mut response = ready!(future.poll(cx))?;
                    if let Some(context) = context.take() {
                        response.extensions_mut().insert(context);
                    }
                    std::mem::take(finish).apply(response.headers_mut());
                    return Poll::Ready(Ok(response));
                }
                // As above.
                Project::Refused { response } => {
                    return match response.take() {
                        Some(response) => Poll::Ready(Ok(response)),
                        None => Poll::Pending,
                    };
                }
            }
        }
    }
}
