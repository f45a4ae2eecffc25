//! Users: who has an account.

mod email;
mod record;
mod roster;
mod username;

use prov_core::{Principal, PrincipalKind, Role, SecretText, TeamName, Timestamp, UserId};
pub(crate) use record::{StoredPassword, UserRecord, UsernameReservation};
pub(crate) use roster::AdminRoster;
use serde::{Deserialize, Serialize};
pub use username::Username;

pub(crate) use email::check_email;

/// An account of a person, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// For ever the same.
    pub id: UserId,
    /// The name to sign in with.
    pub username: Username,
    /// An address, as it was given; nobody has proved that it is theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name people read, up to 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Roles held directly, sorted.
    pub roles: Vec<Role>,
    /// Teams, sorted.
    pub teams: Vec<TeamName>,
    /// Whether signing in is refused.
    pub locked: bool,
    /// Whether the password is good for nothing but its own change.
    pub must_change_password: bool,
    /// By the name it has here: the identity provider this person comes from, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The organization, as it follows from the identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When anything of it was last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// Whether this user can sign in and administer.
    pub(crate) fn is_usable_admin(&self) -> bool {
        !self.locked && self.roles.contains(&Role::Admin)
    }

    /// This user as an actor.
    #[must_use]
    pub fn principal(&self) -> Principal {
        Principal::new(PrincipalKind::User, self.id.as_str(), self.username.as_str())
            .with_roles(self.roles.iter().copied())
            .with_teams(self.teams.iter().cloned())
    }
}

/// What a new user is to be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewUser {
    /// The name to sign in with; see [`Username`].
    pub username: String,
    /// The first password; without one, a temporary password is made.
    pub password: Option<SecretText>,
    /// Whether the first password must be changed before anything else. True unless said otherwise:
    /// whoever made the user knows it. A temporary password must always be changed.
    pub must_change_password: bool,
    /// An address.
    pub email: Option<String>,
    /// The name people read.
    pub display_name: Option<String>,
    /// Roles.
    pub roles: Vec<Role>,
    /// Teams; each must exist.
    pub teams: Vec<TeamName>,
}

impl NewUser {
    /// A user of this name, without roles or teams, with a temporary password.
    #[must_use]
    pub fn new(username: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: None,
            must_change_password: true,
            email: None,
            display_name: None,
            roles: Vec::new(),
            teams: Vec::new(),
        }
    }

    /// With this first password, which must be changed.
    #[must_use]
    pub fn with_password(mut self, password: SecretText) -> Self {
        self.password = Some(password);
        self
    }

    /// With a first password that need not be changed.
    #[must_use]
    pub fn keeping_its_password(mut self) -> Self {
        self.must_change_password = false;
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

    /// With this address.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }
}

/// A user that was made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreatedUser {
    /// The user.
    pub user: User,
    /// The password that was made for them, to be shown once.
    pub temporary_password: Option<SecretText>,
}

/// What is to change of a user. `None` leaves it, `Some(None)` takes it away.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UserChanges {
    /// The address.
    pub email: Option<Option<String>>,
    /// The name people read.
    pub display_name: Option<Option<String>>,
}

impl UserChanges {
    /// Changes the address.
    #[must_use]
    pub fn with_email(mut self, email: Option<String>) -> Self {
        self.email = Some(email);
        self
    }

    /// Changes the name people read.
    #[must_use]
    pub fn with_display_name(mut self, name: Option<String>) -> Self {
        self.display_name = Some(name);
        self
    }
}
