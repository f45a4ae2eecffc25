use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Request, Response};
use prov_core::{
    Attempt, Error, Identity, Kind, Presented, RequestFacts, SecurityContext, codes as core_codes,
};
use prov_http::{Access, MatchedRoute, refuse};
use tower_service::Service;

use super::AuthnFuture;
use super::layer::Shared;
use crate::codes;

/// The service of [`AuthnLayer`](super::AuthnLayer).
#[derive(Debug, Clone)]
pub struct Authn<S> {
    pub(super) inner: S,
    pub(super) shared: Arc<Shared>,
}

/// Why a request goes no further, and how to ask for a credential.
struct Refused<'a> {
    error: Error,
    challenge: Option<&'a HeaderValue>,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Authn<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: From<Bytes>,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = AuthnFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        // Only this layer says who asks.
        request.extensions_mut().remove::<SecurityContext>();
        let facts = match self.shared.facts(&mut request) {
            Ok(facts) => facts,
            Err(error) => return AuthnFuture::refused(refuse(error, None)),
        };
        match self.shared.who(request.headers(), &facts) {
            // On a public route they are nobody.
            Ok(identity) if identity.authentication.enrolment_only && is_public(&request) => {
                AuthnFuture::passed(self.inner.call(request), None)
            }
            Ok(identity)
                if identity.authentication.enrolment_only && !serves_enrolment(&request) =>
            {
                AuthnFuture::refused(refuse(codes::ENROLMENT_REQUIRED.into(), Some(&facts)))
            }
            Ok(identity) => {
                let context = SecurityContext::new(identity, facts);
                request.extensions_mut().insert(context.clone());
                AuthnFuture::passed(self.inner.call(request), Some(context))
            }
            Err(_) if is_public(&request) => AuthnFuture::passed(self.inner.call(request), None),
            Err(Refused { error, challenge }) => {
                let mut response = refuse(error, Some(&facts));
                if let Some(challenge) = challenge {
                    response.headers_mut().insert(WWW_AUTHENTICATE, challenge.clone());
                }
                AuthnFuture::refused(response)
            }
        }
    }
}

/// Whether anybody may use the route; a request that was matched to none is for nobody in particular.
fn is_public<B>(request: &Request<B>) -> bool {
    let route = request.extensions().get::<MatchedRoute>();
    route.is_some_and(|MatchedRoute(route)| route.access == Access::Public)
}

/// Whether the route is part of enrolling a second factor; one that is not known is not.
fn serves_enrolment<B>(request: &Request<B>) -> bool {
    let route = request.extensions().get::<MatchedRoute>();
    route.is_some_and(|MatchedRoute(route)| route.serves_enrolment)
}

impl Shared {
    /// The facts of the request, made here if no edge stands outside.
    fn facts<B>(&self, request: &mut Request<B>) -> prov_core::Result<Arc<RequestFacts>> {
        if let Some(facts) = request.extensions().get::<Arc<RequestFacts>>() {
            return Ok(Arc::clone(facts));
        }
        let facts = Arc::new(self.edge.facts_of(request)?);
        request.extensions_mut().insert(Arc::clone(&facts));
        Ok(facts)
    }

    fn who(&self, headers: &HeaderMap, facts: &RequestFacts) -> Result<Arc<Identity>, Refused<'_>> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next();
        if values.next().is_some() {
            let error = Error::new(core_codes::INVALID_REQUEST)
                .detail("send one `Authorization` header, not several");
            return Err(Refused { error, challenge: Some(&self.challenges.invalid_request) });
        }
        let text = value.map(HeaderValue::to_str).transpose().map_err(|e| {
            self.invalid(Error::new(codes::TOKEN_MALFORMED).context("not ASCII").source(e))
        })?;
        let presented = Presented::new(facts).with_authorization(text);
        for authenticator in &self.authenticators {
            match authenticator.authenticate(&presented) {
                Attempt::NotRequested => {}
                Attempt::Authenticated(identity) => return Ok(identity),
                Attempt::Refused(reason) => return Err(self.invalid(reason)),
            }
        }
        let error = Error::new(core_codes::UNAUTHENTICATED);
        Err(Refused { error, challenge: Some(&self.challenges.sign_in) })
    }

    /// One public answer for every credential that does not hold; other failures keep their own.
    fn invalid(&self, reason: Error) -> Refused<'_> {
        if reason.kind() != Kind::Unauthenticated {
            return Refused { error: reason, challenge: None };
        }
        let error = Error::new(codes::INVALID_TOKEN).source(reason);
        Refused { error, challenge: Some(&self.challenges.invalid_token) }
    }
}
