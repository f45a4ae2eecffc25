use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response};
use prov_core::{Error, codes};
use prov_http::{facts, refuse, socket_address};
use tower_service::Service;

use super::RateLimitFuture;
use super::bucket::Bucket;
use super::limiter::Limiter;
use super::report::Refusals;

/// The service of [`RateLimitLayer`](super::RateLimitLayer).
#[derive(Debug, Clone)]
pub struct RateLimited<S> {
    pub(super) inner: S,
    pub(super) limiter: Arc<ArcSwap<Limiter>>,
    pub(super) refusals: Option<Arc<Refusals>>,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for RateLimited<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: From<Bytes>,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = RateLimitFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let facts = facts(request.extensions());
        let address = facts.map_or_else(|| socket_address(&request), |facts| facts.client);
        let bucket = Bucket::of(address);
        match self.limiter.load().count(bucket) {
            Ok(()) => RateLimitFuture::passed(self.inner.call(request)),
            Err(wait) => {
                if let Some(refusals) = &self.refusals {
                    refusals.note(bucket, request.extensions());
                }
                let error = Error::new(codes::RATE_LIMITED).retry_after(wait);
                RateLimitFuture::refused(refuse(error, facts.map(AsRef::as_ref)))
            }
        }
    }
}
