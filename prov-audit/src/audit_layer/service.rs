use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use prov_core::{Error, codes as core_codes};
use prov_http::{MatchedRoute, facts, refuse};
use tower_service::Service;

use super::describe::Described;
use super::{AuditFuture, AuditLayer};

/// The service of [`AuditLayer`].
#[derive(Debug, Clone)]
pub struct Audit<S> {
    pub(super) inner: S,
    pub(super) layer: AuditLayer,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Audit<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: From<Bytes>,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = AuditFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let Some(facts) = facts(request.extensions()).cloned() else {
            let error =
                Error::new(core_codes::INTERNAL).context("no edge layer before the audit layer");
            return AuditFuture::refused(refuse(error, None));
        };
        let described = Described {
            route: request.extensions().get::<MatchedRoute>().cloned(),
            layer: self.layer.clone(),
            facts: Arc::clone(&facts),
        };
        AuditFuture::inner(self.inner.call(request), described)
    }
}
