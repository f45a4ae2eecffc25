//! What an access token says.

use prov_core::{Amr, Confirmation, Role, SessionId, TeamName, Timestamp, UserId};

/// What an access token is to say, beyond what the [`TokenIssuer`](super::TokenIssuer) adds itself
/// (issuer, audience, token id, times).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessClaims {
    /// Whose token it is (`sub`).
    pub subject: UserId,
    /// The session it belongs to (`sid`).
    pub session: SessionId,
    /// The name people know the subject by (`preferred_username`).
    pub name: String,
    /// Who asked for it (`client_id`, RFC 8693, section 4.3).
    pub client_id: String,
    /// When the person last proved who they are (`auth_time`).
    pub authenticated_at: Timestamp,
    /// How they proved it (`amr`, RFC 8176).
    pub amr: Vec<Amr>,
    /// Roles held directly (`roles`).
    pub roles: Vec<Role>,
    /// Teams (`teams`).
    pub teams: Vec<TeamName>,
    /// Whether the token is good for nothing but enrolling a second factor.
    pub enrolment_only: bool,
    /// What the token is bound to (`cnf`); `None`: whoever has it can use it.
    pub confirmation: Option<Confirmation>,
    /// The generation of revocations the subject was authenticated in; `None`: the one at the moment
    /// of issuing. See [`AccessClaims::in_generation`].
    pub generation: Option<u64>,
}

impl AccessClaims {
    /// Claims of a subject without factors, roles or teams.
    #[must_use]
    pub fn new(
        subject: UserId,
        session: SessionId,
        name: impl Into<String>,
        client_id: impl Into<String>,
        authenticated_at: Timestamp,
    ) -> Self {
        Self {
            subject,
            session,
            name: name.into(),
            client_id: client_id.into(),
            authenticated_at,
            amr: Vec::new(),
            roles: Vec::new(),
            teams: Vec::new(),
            enrolment_only: false,
            confirmation: None,
            generation: None,
        }
    }

    /// Proved by these factors.
    #[must_use]
    pub fn with_amr(mut self, amr: impl IntoIterator<Item = Amr>) -> Self {
        self.amr = amr.into_iter().collect();
        self
    }

    /// With these roles.
    #[must_use]
    pub fn with_roles(mut self, roles: impl IntoIterator<Item = Role>) -> Self {
        self.roles = roles.into_iter().collect();
        self
    }

    /// With these teams.
    #[must_use]
    pub fn with_teams(mut self, teams: impl IntoIterator<Item = TeamName>) -> Self {
        self.teams = teams.into_iter().collect();
        self
    }

    /// Good for nothing but enrolling a second factor, if so.
    #[must_use]
    pub fn for_enrolment_only(mut self, only: bool) -> Self {
        self.enrolment_only = only;
        self
    }

    /// Of use only to who proves the possession of this.
    #[must_use]
    pub fn bound_to(mut self, confirmation: Option<Confirmation>) -> Self {
        self.confirmation = confirmation;
        self
    }

    /// Authenticated in this generation. Whoever takes
    /// [`Revocations::generation`](crate::Revocations::generation) *before* reading the account gets a
    /// token that a revocation during the login ends as well.
    #[must_use]
    pub fn in_generation(mut self, generation: u64) -> Self {
        self.generation = Some(generation);
        self
    }
}
