use std::borrow::Cow;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{Extensions, HeaderValue, Request, Response};
use prov_core::audit::DecisionRecord;
use prov_core::{
    AuthenticationMethod, Error, Kind, PrincipalKind, Scope, SecurityContext, codes as core_codes,
};
use prov_http::{MatchedRoute, facts, refuse, step_up_challenge};
use tower_service::Service;

use super::{AuthzFuture, AuthzLayer, Protection};
use crate::delegation::Delegated;
use crate::{AccessRequest, Claims, Decision, ResourceEntity, codes};

/// The service of [`AuthzLayer`].
#[derive(Debug, Clone)]
pub struct Authz<S> {
    pub(super) inner: S,
    pub(super) layer: AuthzLayer,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Authz<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: From<Bytes>,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = AuthzFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let (protection, request) = self.layer.protection_of(request);
        match self.layer.judge(&protection, request.extensions()) {
            Verdict::Pass(decision) => AuthzFuture::passed(self.inner.call(request), decision),
            Verdict::Refuse(error, decision) => {
                let challenge = challenge(&error, &protection, request.extensions());
                let mut response = refuse(error, facts(request.extensions()).map(AsRef::as_ref));
                if let Some(challenge) = challenge {
                    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                }
                AuthzFuture::refused(response, decision)
            }
        }
    }
}

/// What becomes of a request, with the decision if one was made.
enum Verdict {
    Pass(Option<DecisionRecord>),
    Refuse(Error, Option<DecisionRecord>),
}

impl AuthzLayer {
    fn protection_of<B>(&self, request: Request<B>) -> (Protection, Request<B>) {
        let Some(mapper) = &self.mapper else {
            let protection = Protection::of_route(request.extensions().get());
            return (protection, request);
        };
        let (parts, body) = request.into_parts();
        (mapper.protection(&parts), Request::from_parts(parts, body))
    }

    fn judge(&self, protection: &Protection, extensions: &Extensions) -> Verdict {
        let context = extensions.get::<SecurityContext>();
        if let Some(error) = context.and_then(|who| beyond_scopes(who, protection, extensions)) {
            return Verdict::Refuse(error, None);
        }
        match (protection, context) {
            (Protection::Public, _) | (Protection::SignedIn, Some(_)) => Verdict::Pass(None),
            (Protection::Unknown, _) => {
                tracing::error!("a request without an authorization rule was refused");
                Verdict::Refuse(codes::ROUTE_UNGUARDED.into(), None)
            }
            (Protection::SignedIn | Protection::Permitted { .. }, None) => {
                let error = Error::new(core_codes::UNAUTHENTICATED).context("no security context");
                Verdict::Refuse(error, None)
            }
            (Protection::Permitted { action, resource, claims }, Some(context)) => {
                self.decide(context, action, resource, claims)
            }
        }
    }

    fn decide(
        &self,
        context: &SecurityContext,
        action: &str,
        resource: &ResourceEntity,
        claims: &Claims,
    ) -> Verdict {
        let request =
            AccessRequest::new(context, &*self.clock, action, resource).with_claims(claims);
        let request = Delegated::of(context, request);
        let decision = request.decide(&*self.engine);
        let record = decision.record().about(request.asked());
        // Whatever is recorded of this request from here on says by which decision it may be.
        context.request().note_decision(record.clone());
        let record = Some(record);
        if decision.allowed {
            return Verdict::Pass(record);
        }
        let error = denial(&decision, action, resource);
        let is_step_up = can_step_up(context)
            && decision.errors.is_empty()
            && request.would_pass_with_second_factor(&*self.engine);
        if is_step_up {
            let error =
                Error::new(codes::SECOND_FACTOR_WANTED).detail(error.public_detail().to_owned());
            return Verdict::Refuse(error, record);
        }
        Verdict::Refuse(error, record)
    }
}

/// Whether whoever asks is a person who can prove more about themselves: a program and an API token
/// can't.
fn can_step_up(context: &SecurityContext) -> bool {
    let authentication = context.authentication();
    let is_interactive = matches!(
        authentication.method,
        AuthenticationMethod::AccessToken | AuthenticationMethod::ConsoleSession
    );
    let is_person = context.principal().kind == PrincipalKind::User;
    is_person && is_interactive && authentication.scopes.is_none()
}

/// Asks for a second factor, as recent as the route wants it.
fn step_up(route: Option<&MatchedRoute>) -> HeaderValue {
    let within = route.and_then(|route| route.0.second_factor_within);
    step_up_challenge("the policies ask for a second factor", true, within)
}

/// What a refusal tells its client to do, where there is something to do.
fn challenge(
    error: &Error,
    protection: &Protection,
    extensions: &Extensions,
) -> Option<HeaderValue> {
    if error.kind() == Kind::StepUpRequired {
        return Some(step_up(extensions.get()));
    }
    scope_challenge(error, protection, extensions)
}

/// Refuses a credential with scopes where none of them covers the request. What its owner may do is asked
/// afterwards, as of everybody: scopes only narrow.
fn beyond_scopes(
    context: &SecurityContext,
    protection: &Protection,
    extensions: &Extensions,
) -> Option<Error> {
    let authentication = context.authentication();
    authentication.scopes.as_ref()?;
    if matches!(protection, Protection::Public | Protection::Unknown) {
        return None;
    }
    let Some((action, resource)) = needed_scope(protection, extensions) else {
        return Some(
            Error::new(codes::SCOPE_INSUFFICIENT)
                .detail("no scope covers this: it is for somebody who has signed in themselves"),
        );
    };
    (!authentication.covers(action, &resource)).then(|| {
        Error::new(codes::SCOPE_INSUFFICIENT)
            .detail(format!("the credential lacks the scope `{action}:{resource}`"))
    })
}

/// The action and the resource that a scope must cover; `None`: none covers it.
fn needed_scope<'a>(
    protection: &'a Protection,
    extensions: &'a Extensions,
) -> Option<(&'a str, Cow<'a, str>)> {
    match protection {
        Protection::Public | Protection::Unknown => None,
        Protection::SignedIn => {
            let (action, resource) = extensions.get::<MatchedRoute>()?.0.scope()?;
            Some((action, resource.into()))
        }
        Protection::Permitted { action, resource, .. } => Some((action, scope_name(resource))),
    }
}

/// What a refusal for lack of a scope owes its client: the error and, where there is one, the scope that
/// would do (RFC 6750, section 3.1).
fn scope_challenge(
    error: &Error,
    protection: &Protection,
    extensions: &Extensions,
) -> Option<HeaderValue> {
    if !error.is(codes::SCOPE_INSUFFICIENT) {
        return None;
    }
    let mut challenge = "Bearer realm=\"prov\", error=\"insufficient_scope\"".to_owned();
    // The names of an application's resources are its own: only what may stand in a scope is told.
    let scope = needed_scope(protection, extensions).map(|(a, r)| format!("{a}:{r}"));
    if let Some(scope) = scope.filter(|text| text.parse::<Scope>().is_ok()) {
        challenge = format!("{challenge}, scope=\"{scope}\"");
    }
    HeaderValue::try_from(challenge).ok()
}

/// How scopes name a resource: a part of the API by itself, anything else with its kind.
fn scope_name(resource: &ResourceEntity) -> Cow<'_, str> {
    let entity = &resource.entity;
    if entity.kind == "Api" {
        return Cow::Borrowed(&*entity.id);
    }
    format!("{}/{}", entity.kind, entity.id).into()
}

/// Why it was denied, as the client may know it.
pub(crate) fn denial(decision: &Decision, action: &str, resource: &ResourceEntity) -> Error {
    let of_what = format!("`{action}` on `{}` `{}`", resource.entity.kind, resource.entity.id);
    let names = decision.determining_policies.join("`, `");
    let detail = match (decision.errors.is_empty(), names.is_empty()) {
        (true, true) => format!("no policy permits {of_what}"),
        (true, false) => format!("{of_what} is denied by `{names}`"),
        (false, true) => format!("{of_what} could not be decided and is denied"),
        (false, false) => format!("{of_what} could not be decided because of `{names}`"),
    };
    let error = Error::new(codes::ACCESS_DENIED).detail(detail);
    if decision.errors.is_empty() {
        return error;
    }
    let why = decision.errors.join("; ");
    tracing::error!(decision = %decision.decision_id, errors = %why, "denied because of an error");
    error.context(why)
}
