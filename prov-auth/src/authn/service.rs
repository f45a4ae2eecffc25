use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{Request, Response};
use prov_core::{
    Attempt, Error, Identity, Kind, Presented, PrincipalKind, RequestFacts, SecurityContext,
    codes as core_codes,
};
use prov_http::{Access, MatchedRoute, PeerCertificates, refuse, step_up_challenge};
use tower_service::Service;

use super::future::{Asking, State};
use super::layer::Shared;
use super::possession::{Finish, is_with_proof};
use super::{AuthnFuture, possession};
use crate::codes;
use crate::possession::Proved;

/// Where the document of a program stands that acts for somebody (as the IETF's WIMSE group calls it).
const WORKLOAD_TOKEN: HeaderName = HeaderName::from_static("workload-identity-token");

/// The service of [`AuthnLayer`](super::AuthnLayer).
#[derive(Debug, Clone)]
pub struct Authn<S> {
    pub(super) inner: S,
    pub(super) shared: Arc<Shared>,
}

/// Why a request goes no further, and how to ask for a credential.
pub(super) struct Refused {
    error: Error,
    challenge: Option<HeaderValue>,
}

/// Who asks, and the proof that other nodes may have seen.
type Who = Result<(Arc<Identity>, Option<Proved>), Refused>;

/// A request that may go on once other nodes have not seen its proof.
pub(super) struct Waiting<S, Q> {
    inner: S,
    request: Request<Q>,
    identity: Arc<Identity>,
    shared: Arc<Shared>,
    facts: Arc<RequestFacts>,
    finish: Finish,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Authn<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    ResB: From<Bytes>,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = AuthnFuture<S, ReqB, S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        // Only this layer says who asks.
        request.extensions_mut().remove::<SecurityContext>();
        let facts = match self.shared.facts(&mut request) {
            Ok(facts) => facts,
            Err(error) => return AuthnFuture::of(State::refused(refuse(error, None))),
        };
        let certificates = request.extensions().get::<PeerCertificates>().map(|chain| &*chain.0);
        let finish = Finish::of(&facts, request.headers(), self.shared.proofs.as_ref());
        let who = self.shared.who(request.headers(), certificates, &facts);
        let who = match who {
            Ok((identity, Some(proved))) => match self.shared.asking(proved) {
                Some(asking) => {
                    // The one that is ready takes this request.
                    let inner = self.inner.clone();
                    let inner = std::mem::replace(&mut self.inner, inner);
                    let shared = Arc::clone(&self.shared);
                    let waiting = Waiting { inner, request, identity, shared, facts, finish };
                    return AuthnFuture::asking(asking, waiting);
                }
                None => Ok(identity),
            },
            other => other.map(|(identity, _)| identity),
        };
        AuthnFuture::of(go_on(&mut self.inner, request, who, facts, finish))
    }
}

impl<S, Q> Waiting<S, Q> {
    /// Lets the request in if no other node has seen its proof.
    pub(super) fn go_on<B>(self, answer: prov_core::Result<()>) -> State<S, Q, S::Future, B>
    where
        S: Service<Request<Q>, Response = Response<B>>,
        B: From<Bytes>,
    {
        let Self { mut inner, request, identity, shared, facts, finish } = self;
        let who = match answer {
            Ok(()) => Ok(identity),
            Err(reason) => Err(shared.unproved(reason, true)),
        };
        go_on(&mut inner, request, who, facts, finish)
    }
}

/// Lets the request in, or not.
fn go_on<S, ReqB, ResB>(
    inner: &mut S,
    mut request: Request<ReqB>,
    who: Result<Arc<Identity>, Refused>,
    facts: Arc<RequestFacts>,
    finish: Finish,
) -> State<S, ReqB, S::Future, ResB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: From<Bytes>,
{
    match who.and_then(|identity| recently_enough(identity, &request, &facts)) {
        // On a public route they are nobody.
        Ok(identity) if identity.authentication.enrolment_only && is_public(&request) => {
            State::passed(inner.call(request), None, finish)
        }
        Ok(identity) if identity.authentication.enrolment_only && !serves_enrolment(&request) => {
            State::refused(refuse(codes::ENROLMENT_REQUIRED.into(), Some(&facts)))
        }
        Ok(identity) => {
            let context = SecurityContext::new(identity, facts);
            request.extensions_mut().insert(context.clone());
            State::passed(inner.call(request), Some(context), finish)
        }
        Err(_) if is_public(&request) => State::passed(inner.call(request), None, finish),
        Err(Refused { error, challenge }) => {
            let mut response = refuse(error, Some(&facts));
            if let Some(challenge) = challenge {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            finish.of_refusal().apply(response.headers_mut());
            State::refused(response)
        }
    }
}

/// Whether anybody may use the route; a request that was matched to none is for nobody in particular.
fn is_public<B>(request: &Request<B>) -> bool {
    let route = request.extensions().get::<MatchedRoute>();
    route.is_some_and(|MatchedRoute(route)| route.access == Access::Public)
}

/// Refuses somebody who proved who they are longer ago than the route takes, with the challenge of RFC
/// 9470, section 3. A credential with scopes is left to the layer that holds scopes against the route.
fn recently_enough<B>(
    identity: Arc<Identity>,
    request: &Request<B>,
    facts: &RequestFacts,
) -> Result<Arc<Identity>, Refused> {
    let route = request.extensions().get::<MatchedRoute>();
    let Some(within) = route.and_then(|MatchedRoute(route)| route.signed_in_within) else {
        return Ok(identity);
    };
    let authentication = &identity.authentication;
    let age = facts.received_at.duration_since(authentication.authenticated_at);
    let is_recent = Duration::try_from(age).is_ok_and(|age| age <= within) || age.is_negative();
    if is_recent || authentication.scopes.is_some() {
        return Ok(identity);
    }
    let challenge = Some(step_up_challenge("prove yourself again", false, Some(within)));
    Err(Refused { error: codes::RECENT_SIGN_IN_REQUIRED.into(), challenge })
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

    fn who(
        &self,
        headers: &HeaderMap,
        certificates: Option<&[Bytes]>,
        facts: &RequestFacts,
    ) -> Who {
        let presented = Presented::new(facts)
            .with_authorization(self.only_one(headers, &AUTHORIZATION)?)
            .with_certificates(certificates);
        for authenticator in &self.authenticators {
            match authenticator.authenticate(&presented) {
                Attempt::NotRequested => {}
                Attempt::Authenticated(identity) => {
                    let proved = possession::check(&identity, &presented, self.proofs.as_ref())
                        .map_err(|reason| self.unproved(reason, is_with_proof(&presented)))?;
                    let beside = Presented::new(facts)
                        .with_workload_token(self.only_one(headers, &WORKLOAD_TOKEN)?)
                        .with_certificates(certificates);
                    return Ok((self.with_actor(identity, &beside)?, proved));
                }
                Attempt::Refused(reason) => {
                    return Err(self.unproved(reason, is_with_proof(&presented)));
                }
            }
        }
        let error = Error::new(core_codes::UNAUTHENTICATED);
        Err(Refused { error, challenge: Some(self.challenges.sign_in.clone()) })
    }

    /// What asks the other nodes about a proof, where these are asked.
    fn asking(&self, proved: Proved) -> Option<Asking> {
        let verifier = &self.proofs.as_ref().filter(|proofs| proofs.verifier.is_shared())?.verifier;
        let verifier = Arc::clone(verifier);
        Some(Box::pin(async move { verifier.remember_everywhere(&proved).await }))
    }

    /// The only value of a header: two readers of several could each believe another one.
    fn only_one<'h>(
        &self,
        headers: &'h HeaderMap,
        name: &HeaderName,
    ) -> Result<Option<&'h str>, Refused> {
        let mut values = headers.get_all(name).iter();
        let value = values.next();
        if values.next().is_some() {
            let error = Error::new(core_codes::INVALID_REQUEST)
                .detail(format!("send one `{name}` header, not several"));
            let challenge = Some(self.challenges.invalid_request.clone());
            return Err(Refused { error, challenge });
        }
        value.map(HeaderValue::to_str).transpose().map_err(|e| {
            self.invalid(Error::new(codes::TOKEN_MALFORMED).context("not ASCII").source(e))
        })
    }

    /// Whoever was authenticated, with the program that acts for them if one does.
    fn with_actor(
        &self,
        identity: Arc<Identity>,
        beside: &Presented<'_>,
    ) -> Result<Arc<Identity>, Refused> {
        let person = identity.principal.kind == PrincipalKind::User
            && identity.authentication.actor.is_none();
        let Some(programs) = self.programs.as_ref().filter(|_| person) else {
            return Ok(identity);
        };
        match programs.authenticate(beside) {
            Attempt::NotRequested => Ok(identity),
            Attempt::Refused(reason) => Err(self.invalid(reason)),
            Attempt::Authenticated(program) => {
                let Identity { principal, authentication } = (*identity).clone();
                let authentication = authentication.acted_by(program.principal.clone());
                Ok(Arc::new(Identity { principal, authentication }))
            }
        }
    }

    /// As [`invalid`](Self::invalid), and how a credential is asked for that was presented with a proof.
    fn unproved(&self, reason: Error, is_with_proof: bool) -> Refused {
        let proofs = self.proofs.as_ref().filter(|_| is_with_proof);
        let asks = proofs.map(|proofs| proofs.asks_again(&reason));
        let is_of_proof = reason.is(codes::PROOF_INVALID) || reason.is(codes::PROOF_NONCE_REQUIRED);
        let Refused { error, challenge } = if is_of_proof {
            Refused { error: Error::new(codes::INVALID_TOKEN).source(reason), challenge: None }
        } else {
            self.invalid(reason)
        };
        let is_challenged = error.kind() == Kind::Unauthenticated;
        Refused { error, challenge: asks.filter(|_| is_challenged).or(challenge) }
    }

    /// One public answer for every credential that does not hold; other failures keep their own.
    fn invalid(&self, reason: Error) -> Refused {
        if reason.kind() != Kind::Unauthenticated {
            return Refused { error: reason, challenge: None };
        }
        let error = Error::new(codes::INVALID_TOKEN).source(reason);
        Refused { error, challenge: Some(self.challenges.invalid_token.clone()) }
    }
}
