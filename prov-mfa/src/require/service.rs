use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{Extensions, HeaderValue, Request, Response};
use prov_core::{Error, SecurityContext, codes as core_codes};
use prov_http::{Access, MatchedRoute, Route};
use tower_service::Service;

use super::{RequireMfaFuture, RequireMfaLayer};
use crate::{challenge, codes, is_recent};

/// The service of [`RequireMfaLayer`].
#[derive(Debug, Clone)]
pub struct RequireMfa<S> {
    pub(super) inner: S,
    pub(super) rules: RequireMfaLayer,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for RequireMfa<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: From<Bytes>,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = RequireMfaFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        match self.rules.judge(request.extensions()) {
            Verdict::Passes => RequireMfaFuture::passed(self.inner.call(request)),
            refused => RequireMfaFuture::refused(refused.response(request.extensions())),
        }
    }
}

/// What is to be done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing stands against it.
    Passes,
    /// Nobody said who asks.
    Unknown,
    /// A second factor at most this old is needed.
    NeedsFactor(Duration),
}

impl RequireMfaLayer {
    fn judge(&self, extensions: &Extensions) -> Verdict {
        let route: Option<&Route> = extensions.get::<MatchedRoute>().map(|matched| &*matched.0);
        let public = route.is_some_and(|route| route.access == Access::Public);
        let always = self.always.filter(|_| !public);
        let asked = route.and_then(|route| route.second_factor_within);
        let within = match (asked, always) {
            (Some(asked), Some(always)) => Some(asked.min(always)),
            (asked, always) => asked.or(always),
        };
        match (extensions.get::<SecurityContext>(), within) {
            (None, None) if public => Verdict::Passes,
            (None, _) => Verdict::Unknown,
            (Some(_), None) => Verdict::Passes,
            (Some(context), Some(within)) => {
                if is_recent(context.authentication(), self.clock.now(), within) {
                    Verdict::Passes
                } else {
                    Verdict::NeedsFactor(within)
                }
            }
        }
    }
}

impl Verdict {
    /// The refusal. Its reason travels in the response's extensions.
    fn response<B: From<Bytes>>(self, extensions: &Extensions) -> Response<B> {
        let (error, header) = match self {
            Self::NeedsFactor(within) => (codes::STEP_UP_REQUIRED.into(), challenge(within)),
            Self::Unknown | Self::Passes => (
                Error::new(core_codes::UNAUTHENTICATED)
                    .context("no authentication layer before the layer that asks for a factor"),
                HeaderValue::from_static("Bearer"),
            ),
        };
        let facts = prov_http::facts(extensions).map(|facts| &**facts);
        let mut response = prov_http::refuse(error, facts);
        response.headers_mut().insert(WWW_AUTHENTICATE, header);
        response
    }
}

#[cfg(test)]
mod tests;
