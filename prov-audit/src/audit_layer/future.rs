use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use http::Response;
use pin_project_lite::pin_project;
use prov_core::audit::{Event, Receipt};
use prov_core::{Error, Kind, Result};
use prov_http::refuse;

use super::AuditLayer;
use super::describe::Described;
use crate::codes;

type Recording = Pin<Box<dyn Future<Output = Result<Receipt>> + Send>>;

pin_project! {
    /// The answer of an [`Audit`](super::Audit).
    pub struct AuditFuture<F, B> {
        #[pin]
        state: State<F, B>,
        // Taken when the answer is there; what is left when this is dropped was aborted.
        described: Option<Described>,
    }

    impl<F, B> PinnedDrop for AuditFuture<F, B> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(described) = this.project().described.take()
                && let Some(event) = described.aborted()
            {
                // One poll queues the event; nobody is left to wait for the disk.
                let _ = record(&described.layer, event).now_or_never();
            }
        }
    }
}

pin_project! {
    #[project = Project]
    enum State<F, B> {
        Inner { #[pin] future: F },
        Recording { recording: Recording, response: Option<Response<B>>, described: Option<Described> },
        Refused { response: Option<Response<B>> },
    }
}

impl<F, B> AuditFuture<F, B> {
    pub(super) fn inner(future: F, described: Described) -> Self {
        Self { state: State::Inner { future }, described: Some(described) }
    }

    pub(super) fn refused(response: Response<B>) -> Self {
        Self { state: State::Refused { response: Some(response) }, described: None }
    }
}

impl<F, B> fmt::Debug for AuditFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditFuture").field("described", &self.described).finish_non_exhaustive()
    }
}

impl<F, B, E> Future for AuditFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: From<Bytes>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                Project::Inner { future } => {
                    let response = ready!(future.poll(cx))?;
                    let described = this.described.take();
                    let event = described
                        .as_ref()
                        .and_then(|d| d.answered(response.status(), response.extensions()));
                    let (Some(described), Some(event)) = (described, event) else {
                        return Poll::Ready(Ok(response));
                    };
                    let recording = record(&described.layer, event);
                    let (response, described) = (Some(response), Some(described));
                    this.state.set(State::Recording { recording, response, described });
                }
                Project::Recording { recording, response, described } => {
                    let recorded = ready!(recording.as_mut().poll(cx));
                    // A future that was answered already is never polled again by a correct caller.
                    let (Some(answer), Some(about)) = (response.take(), described.take()) else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(match recorded {
                        Ok(_) => {
                            about.facts.mark_recorded();
                            answer
                        }
                        Err(error) => refuse(unrecorded(error), Some(&about.facts)),
                    }));
                }
                Project::Refused { response } => {
                    return response.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer)));
                }
            }
        }
    }
}

fn record(layer: &AuditLayer, event: Event) -> Recording {
    let recorder = Arc::clone(&layer.recorder);
    Box::pin(async move { recorder.record(event).await })
}

/// Whatever went wrong, the client is told that the service is not available.
fn unrecorded(error: Error) -> Error {
    tracing::error!(?error, "a request could not be recorded and was refused");
    if error.kind() == Kind::Unavailable {
        error
    } else {
        Error::new(codes::UNAVAILABLE).source(error)
    }
}
