//! The claims of an access token as they stand in its JSON (RFC 9068, section 2.2).

use std::borrow::Cow;

use prov_core::{
    Amr, Authentication, AuthenticationMethod, Confirmation, Identity, Principal, PrincipalKind,
    Result, Role, SessionId, TeamName, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

use super::TokenOptions;
use super::jws::{from_object, malformed};
use crate::codes;

/// The type of an access token (RFC 9068, section 2.1).
pub(crate) const TYPE: &str = "at+jwt";

/// The claims, in the order they are written. Times are whole seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims<'a> {
    pub(super) iss: Cow<'a, str>,
    pub(super) sub: UserId,
    pub(super) aud: Audience,
    pub(super) client_id: Cow<'a, str>,
    pub(super) iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<i64>,
    pub(super) exp: i64,
    pub(super) auth_time: i64,
    pub(super) jti: Cow<'a, str>,
    pub(super) sid: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cnf: Option<Confirmation>,
    #[serde(rename = "preferred_username")]
    pub(super) name: Cow<'a, str>,
    pub(super) amr: Cow<'a, [Amr]>,
    pub(super) roles: Cow<'a, [Role]>,
    pub(super) teams: Cow<'a, [TeamName]>,
    #[serde(rename = "gen")]
    pub(super) generation: u64,
}

/// For whom a token is: one name or several (RFC 7519, section 4.1.3).
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name.clone()],
            Self::Several(names) => names.clone(),
        }
    }

    fn names_any(&self, wanted: &[String]) -> bool {
        match self {
            Self::One(name) => wanted.contains(name),
            Self::Several(names) => names.iter().any(|name| wanted.contains(name)),
        }
    }

    /// Whether the token is for enrolling a second factor and nothing else.
    fn is_enrolment(&self, options: &TokenOptions) -> bool {
        matches!(self, Self::One(name) if options.is_enrolment_audience(name))
    }
}

/// When a token holds: from `begins` to before `ends`, in seconds since 1970, leeway included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    begins: i64,
    ends: i64,
}

impl Window {
    #[cfg(test)]
    pub(super) const fn between(begins: i64, ends: i64) -> Self {
        Self { begins, ends }
    }

    /// Refuses outside of it.
    pub(super) fn check(self, now: i64) -> Result<()> {
        if now < self.begins {
            return Err(codes::TOKEN_PREMATURE.into());
        }
        if now >= self.ends {
            return Err(codes::TOKEN_EXPIRED.into());
        }
        Ok(())
    }

    /// Ends no later than this.
    pub(super) fn until(self, end: i64) -> Self {
        Self { ends: self.ends.min(end), ..self }
    }
}

impl Claims<'_> {
    /// Reads claims, each at most once.
    pub(super) fn parse(json: &[u8]) -> Result<Claims<'_>> {
        from_object(json).map_err(|e| malformed("the claims are not valid").source(e))
    }

    /// Refuses claims of another issuer or for another audience, and times that can't be: an end before
    /// the beginning, or a life longer than any token's, which revocations would not outlive.
    pub(super) fn check(&self, options: &TokenOptions) -> Result<Window> {
        let for_us = self.aud.names_any(&options.audience) || self.aud.is_enrolment(options);
        if self.iss != options.issuer || !for_us {
            return Err(codes::TOKEN_FOREIGN.into());
        }
        let longest = i64::try_from(TokenOptions::MAX_LIFETIME.as_secs()).unwrap_or(i64::MAX);
        let life = self.exp.checked_sub(self.iat).filter(|life| (1..=longest).contains(life));
        if life.is_none() || self.jti.is_empty() || self.client_id.is_empty() {
            return Err(malformed("the claims can't be true together"));
        }
        if self.cnf.as_ref().is_some_and(|cnf| *cnf == Confirmation::default()) {
            return Err(malformed("bound to something that is not known here"));
        }
        let leeway = i64::try_from(options.leeway.as_secs()).unwrap_or(0);
        Ok(Window {
            begins: self.iat.max(self.nbf.unwrap_or(self.iat)).saturating_sub(leeway),
            ends: self.exp.saturating_add(leeway),
        })
    }

    /// Whom the claims describe.
    pub(super) fn into_identity(self, options: &TokenOptions) -> Result<Identity> {
        let time = |second| {
            Timestamp::from_second(second).map_err(|e| malformed("a time out of range").source(e))
        };
        let enrolment_only = self.aud.is_enrolment(options);
        let authentication =
            Authentication::new(AuthenticationMethod::AccessToken, time(self.auth_time)?)
                .with_amr(self.amr.into_owned())
                .in_session(self.sid)
                .by_token(self.jti, time(self.exp)?)
                .in_generation(self.generation)
                .bound_to(self.cnf);
        Ok(Identity {
            principal: Principal::new(PrincipalKind::User, self.sub.as_str(), self.name)
                .with_roles(self.roles.into_owned())
                .with_teams(self.teams.into_owned()),
            authentication: if enrolment_only {
                authentication.for_enrolment_only()
            } else {
                authentication
            },
        })
    }
}
