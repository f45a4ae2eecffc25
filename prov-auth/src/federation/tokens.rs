//! Tokens of issuers, taken as they are.

use std::sync::Arc;

use prov_core::{
    Attempt, Authentication, AuthenticationMethod, Authenticator, Confirmation, Error, Identity,
    Presented, Principal, PrincipalKind, Result, Timestamp,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::claims::{Audience, check_subject, check_times, groups_of};
use super::{AcceptedSubjects, AcceptedTokens, Federation, Issuer, Provider};
use crate::codes;
use crate::snapshot::Snapshot as _;
use crate::token::{from_object, is_for_tokens, unverified_payload};

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    jti: Option<String>,
    auth_time: Option<i64>,
    cnf: Option<Confirmation>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Who issued, as the token claims: only to find the keys that can tell whether it is true.
#[derive(Deserialize)]
struct Claimed {
    iss: String,
}

impl Federation {
    /// Whose token this is; `None` when it names none of the issuers whose tokens are taken.
    pub(crate) fn verify(&self, token: &str) -> Option<Result<Identity>> {
        let provider = self.provider_of(token)?;
        let accepted = provider.issuer.accepted_tokens.as_ref()?;
        Some(self.verify_by(&provider, accepted, token))
    }

    fn provider_of(&self, token: &str) -> Option<Arc<Provider>> {
        let taking = self.taking.load();
        if taking.is_empty() {
            return None;
        }
        let claimed: Claimed = from_object(&unverified_payload(token)?).ok()?;
        taking.iter().find(|provider| provider.issuer.issuer == claimed.iss).cloned()
    }

    fn verify_by(
        &self,
        provider: &Provider,
        accepted: &AcceptedTokens,
        token: &str,
    ) -> Result<Identity> {
        // Nothing is granted for lack of an answer: who was locked elsewhere may be locked here.
        if !self.freshness().is_within_bound() {
            return Err(Error::new(codes::REVOCATIONS_UNKNOWN));
        }
        self.revocations.require_known()?;
        let state = provider.known().ok_or_else(|| {
            provider.want_keys();
            Error::new(codes::PROVIDER_UNAVAILABLE)
        })?;
        let opened = state.keys.open_typed(token).inspect_err(|error| {
            if error.is(codes::TOKEN_FORGED) {
                provider.want_keys();
            }
        })?;
        // A logout token or a proof is none; RFC 8725, section 3.11.
        let is_taken = |kind: &str| {
            ["at+jwt", "application/at+jwt", "JWT"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(kind))
        };
        if !opened.kind.as_deref().is_none_or(is_taken) {
            return Err(refused("not of the type of an access token"));
        }
        let claims: Claims = from_object(&opened.payload)
            .map_err(|e| refused("the claims are not valid").source(e))?;
        if claims.iss != provider.issuer.issuer || !claims.aud.names(&accepted.audience) {
            return Err(Error::new(codes::TOKEN_FOREIGN));
        }
        check_subject(&claims.sub).map_err(|e| inner(&e))?;
        if claims.cnf.as_ref().is_some_and(|cnf| *cnf == Confirmation::default()) {
            return Err(refused("bound to something that is not known here"));
        }
        let now = self.clock.now();
        check_times(claims.iat, claims.nbf, claims.exp, now.as_second()).map_err(|e| inner(&e))?;
        let principal = self.principal(&provider.issuer, accepted.subjects, &claims)?;
        self.identity(&provider.issuer, principal, &claims)
    }

    fn principal(
        &self,
        issuer: &Issuer,
        subjects: AcceptedSubjects,
        claims: &Claims,
    ) -> Result<Principal> {
        match subjects {
            AcceptedSubjects::Accounts => {
                let digest = self.digests.subject(&issuer.issuer, &claims.sub);
                let user = self.account(&digest).ok_or_else(|| refused("no account"))?;
                if user.locked || user.must_change_password {
                    return Err(Error::new(codes::TOKEN_REVOKED).context("a locked account"));
                }
                Ok(user.principal())
            }
            AcceptedSubjects::Workloads => {
                let groups = groups_of(&claims.rest, &issuer.groups_claim);
                let grants = issuer.grants(&groups).ok_or_else(|| refused("no rule knows it"))?;
                let id = format!("oidc:{}:{}", issuer.name, claims.sub);
                Ok(Principal::new(PrincipalKind::Workload, id.clone(), id)
                    .with_roles(grants.roles)
                    .with_teams(grants.teams))
            }
        }
    }

    fn identity(&self, issuer: &Issuer, principal: Principal, claims: &Claims) -> Result<Identity> {
        let time = |second| {
            Timestamp::from_second(second).map_err(|e| refused("a time out of range").source(e))
        };
        let (issued_at, ends) = (time(claims.iat)?, time(claims.exp)?);
        // Anybody may say when they signed in; only what is not in the future is believed.
        let proved = time(claims.auth_time.unwrap_or(claims.iat))?.min(self.clock.now());
        let authentication = Authentication::new(AuthenticationMethod::FederatedToken, proved)
            .in_generation(self.revocations.generation())
            .bound_to(claims.cnf.clone());
        let mut authentication = authentication;
        // The ids of an issuer are its own: none of them is one of ours.
        authentication.token_id = claims.jti.as_ref().map(|id| format!("{}#{id}", issuer.name));
        authentication.expires_at = Some(ends);
        let identity = Identity { authentication, principal };
        if self.was_ended(&identity.principal.id, issued_at)
            || self.revocations.is_revoked(&identity)
        {
            return Err(Error::new(codes::TOKEN_REVOKED));
        }
        Ok(identity)
    }
}

impl Authenticator for Federation {
    fn scheme(&self) -> &'static str {
        "Bearer"
    }

    fn authenticate(&self, presented: &Presented<'_>) -> Attempt {
        let Some((scheme, token)) = presented.authorization.and_then(|value| value.split_once(' '))
        else {
            return Attempt::NotRequested;
        };
        if !is_for_tokens(scheme) {
            return Attempt::NotRequested;
        }
        match self.verify(token.trim_start_matches(' ')) {
            None => Attempt::NotRequested,
            Some(Ok(identity)) => Attempt::Authenticated(Arc::new(identity)),
            Some(Err(error)) => Attempt::Refused(error),
        }
    }
}

fn refused(why: &'static str) -> Error {
    Error::new(codes::TOKEN_FOREIGN).context(why)
}

/// What a sign-in calls failed is, of a token, why it does not hold.
fn inner(error: &Error) -> Error {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>());
    source.map_or_else(|| refused("claims that can't be true"), |e| Error::new(e.code()))
}
