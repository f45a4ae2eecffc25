//! How users are remembered.

use prov_core::store::{Entity, Term};
use prov_core::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::User;
use crate::PasswordHash;

/// A user with what is secret about them; the store is sealed at rest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub(crate) user: User,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<StoredPassword>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredPassword {
    #[serde(with = "exposed_phc")]
    pub(crate) hash: PasswordHash,
    /// When its owner or an administrator last chose it; hashing it again does not count.
    pub(crate) changed_at: Timestamp,
    /// A temporary password ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
}

impl StoredPassword {
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

impl UserRecord {
    /// Finds the members of a team.
    pub(crate) fn team_term(team: &str) -> Term {
        Term::new("team", team)
    }
}

impl Entity for UserRecord {
    const KIND: &'static str = "auth.user";

    fn id(&self) -> String {
        self.user.id.as_str().to_owned()
    }

    fn terms(&self) -> Vec<Term> {
        self.user.teams.iter().map(|team| Self::team_term(team.as_str())).collect()
    }
}

/// Holds a username for its user. Made with [`Expect::Absent`](prov_core::store::Expect::Absent) in
/// the batch that makes the user, so that no name is given twice. Ids are stored in the clear,
/// therefore this one is a keyed hash of the name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UsernameReservation {
    pub(crate) digest: String,
    pub(crate) user: UserId,
}

impl Entity for UsernameReservation {
    const KIND: &'static str = "auth.username";

    fn id(&self) -> String {
        self.digest.clone()
    }
}

/// A password hash goes into the store, which is sealed, and nowhere else.
mod exposed_phc {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::PasswordHash;

    pub(super) fn serialize<S: Serializer>(
        hash: &PasswordHash,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(hash.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PasswordHash, D::Error> {
        String::deserialize(deserializer).map(PasswordHash::from_phc)
    }
}
