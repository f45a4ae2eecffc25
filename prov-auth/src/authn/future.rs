use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use prov_core::SecurityContext;

use super::possession::Finish;

pin_project! {
    /// The answer of an [`Authn`](super::Authn).
    #[derive(Debug)]
    pub struct AuthnFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = Project]
    #[derive(Debug)]
    enum State<F, B> {
        Passed { #[pin] future: F, context: Option<SecurityContext>, finish: Finish },
        Refused { response: Option<Response<B>> },
    }
}

impl<F, B> AuthnFuture<F, B> {
    pub(super) fn passed(future: F, context: Option<SecurityContext>, finish: Finish) -> Self {
        Self { state: State::Passed { future, context, finish } }
    }

    pub(super) fn refused(response: Response<B>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<F, B, E> Future for AuthnFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Project::Passed { future, context, finish } => {
                let mut response = ready!(future.poll(cx))?;
                if let Some(context) = context.take() {
                    response.extensions_mut().insert(context);
                }
                std::mem::take(finish).apply(response.headers_mut());
                Poll::Ready(Ok(response))
            }
            // A future that was answered already is never polled again by a correct caller.
            Project::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
        }
    }
}
