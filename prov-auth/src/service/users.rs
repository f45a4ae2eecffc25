//! Making, finding and deleting users.

use std::num::NonZeroU32;

use prov_core::audit::Action;
use prov_core::store::{Batch, Entity, Expect, Scan, StoreExt};
use prov_core::{Error, Result, SecretText, SecurityContext, UserId, codes as core_codes, random};

use super::AuthService;
use super::user_changes::{RACES, must_hold, roles_of, teams_of};
use crate::codes;
use crate::refresh::later;
use crate::user::{StoredPassword, UserRecord, UsernameReservation, check_email};
use crate::{CreatedUser, NewUser, User, Username};

/// A part of the list of users.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UserPage {
    /// The users, in the order in which they were made.
    pub users: Vec<User>,
    /// After which id the rest follows, if there is a rest.
    pub next: Option<String>,
}

impl AuthService {
    /// Makes a user.
    ///
    /// # Errors
    /// [`codes::USERNAME_TAKEN`]; [`codes::PASSWORD_REFUSED`]; [`codes::TEAM_UNKNOWN`];
    /// [`codes::GRANT_REFUSED`] for roles or teams the caller does not hold; or a field is not valid.
    pub async fn create_user(
        &self,
        context: &SecurityContext,
        new: NewUser,
    ) -> Result<CreatedUser> {
        let result = self.make_user(context, new).await;
        let id = result.as_ref().map_or("", |made| made.user.id.as_str());
        let mut event = self.event(Action::USER_CREATE).in_context(context);
        if let Ok(made) = &result {
            event = event.on("user", id).with("roles", names(&made.user.roles));
        }
        self.conclude(context.request(), event, result).await
    }

    async fn make_user(&self, context: &SecurityContext, new: NewUser) -> Result<CreatedUser> {
        must_hold(context, &new.roles, &new.teams)?;
        let username: Username = new.username.parse()?;
        // Refused before the password costs anything; the reservation decides.
        if self.find_by_name(&username).await?.is_some() {
            return Err(codes::USERNAME_TAKEN.into());
        }
        let (record, temporary_password) = self.new_record(username, new).await?;
        self.insert_user(&record, Batch::new()).await?;
        Ok(CreatedUser { user: record.user, temporary_password })
    }

    /// A user that is not stored yet, and the password that was made for it.
    pub(super) async fn new_record(
        &self,
        username: Username,
        new: NewUser,
    ) -> Result<(UserRecord, Option<SecretText>)> {
        if let Some(email) = &new.email {
            check_email(email)?;
        }
        check_display_name(new.display_name.as_deref())?;
        let names = [username.as_str(), new.email.as_deref().unwrap_or_default()];
        let (password, temporary) = if let Some(password) = &new.password {
            let accepted = self.options.passwords.accept(password, "password", &names)?;
            (self.stored_password(&accepted, new.must_change_password).await?, None)
        } else {
            let temporary = temporary_password()?;
            (self.stored_password(&temporary, true).await?, Some(temporary))
        };
        let now = self.clock().now();
        let user = User {
            id: UserId::generate(self.clock())?,
            username,
            email: new.email,
            display_name: new.display_name,
            roles: roles_of(&new.roles),
            teams: teams_of(&new.teams),
            locked: false,
            must_change_password: new.must_change_password || temporary.is_some(),
            issuer: None,
            organization: None,
            created_at: now,
            updated_at: now,
        };
        Ok((UserRecord { user, password: Some(password) }, temporary))
    }

    /// Hashes a password for keeping; one that somebody else knows ends.
    pub(super) async fn stored_password(
        &self,
        password: &SecretText,
        known_to_others: bool,
    ) -> Result<StoredPassword> {
        let hash = self.parts.passwords.hash(password).await?;
        let now = self.clock().now();
        let end = later(now, self.options.temporary_password_lifetime);
        Ok(StoredPassword { hash, changed_at: now, expires_at: known_to_others.then_some(end) })
    }

    /// Stores a new user and its name, together with `batch`.
    pub(super) async fn insert_user(&self, record: &UserRecord, batch: Batch) -> Result<()> {
        let reservation = UsernameReservation {
            digest: self.installation.username_digest(&record.user.username),
            user: record.user.id.clone(),
        };
        for _ in 0..RACES {
            let attempt = batch
                .clone()
                .with(reservation.put(Expect::Absent)?)
                .with(record.put(Expect::Absent)?);
            let attempt = self.with_roster(attempt, None, Some(&record.user)).await?;
            let attempt = self.with_teams(attempt, &record.user.teams).await?;
            match self.store().commit(attempt).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is(core_codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
            if self.store().load::<UsernameReservation>(&reservation.digest).await?.is_some() {
                return Err(codes::USERNAME_TAKEN.into());
            }
        }
        Err(Error::new(core_codes::CONFLICT).context(format!("{RACES} lost races for a new user")))
    }

    /// The user of this id or, failing that, of this name.
    ///
    /// # Errors
    /// [`codes::USER_UNKNOWN`].
    pub async fn user(&self, id_or_name: &str) -> Result<User> {
        let unknown = || Error::new(codes::USER_UNKNOWN);
        let found = if let Ok(id) = id_or_name.parse::<UserId>() {
            self.store().load::<UserRecord>(id.as_str()).await?
        } else {
            let name: Username = id_or_name.parse().map_err(|_| unknown())?;
            self.find_by_name(&name).await?
        };
        found.map(|stored| stored.entity.user).ok_or_else(unknown)
    }

    /// A page of users, in the order in which they were made.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn users(&self, limit: NonZeroU32, after: Option<String>) -> Result<UserPage> {
        let scan = Scan::kind(UserRecord::KIND).limit(limit).after(after);
        let page = self.store().list::<UserRecord>(&scan).await?;
        let users = page.items.into_iter().map(|stored| stored.entity.user).collect();
        Ok(UserPage { users, next: page.next })
    }

    /// Deletes a user and ends everything of theirs. The name is free again, the id never is.
    ///
    /// # Errors
    /// [`codes::LAST_ADMINISTRATOR`]; [`codes::USER_UNKNOWN`]; [`codes::GRANT_REFUSED`].
    pub async fn delete_user(&self, context: &SecurityContext, id: &UserId) -> Result<()> {
        let result = self.remove_user(context, id).await;
        let event = self.event_on_user(context, Action::USER_DELETE, id.as_str());
        self.conclude(context.request(), event, result.map(drop)).await
    }

    /// Deletes a user and everything of theirs; returns how many records went.
    pub(super) async fn remove_user(&self, context: &SecurityContext, id: &UserId) -> Result<u64> {
        for _ in 0..RACES {
            let stored = self.load_user(id).await?;
            must_hold(context, &stored.user.roles, &stored.user.teams)?;
            let digest = self.installation.username_digest(&stored.user.username);
            let batch = Batch::new()
                .delete(UserRecord::key(id.as_str()), Expect::Version(stored.version))
                .delete(UsernameReservation::key(digest), Expect::Any);
            let batch = self.with_roster(batch, Some(&stored.user), None).await?;
            match self.store().commit(batch).await {
                Ok(_) => {
                    self.api_tokens.forget_owner(id);
                    let gone = self.end_api_tokens_of(id).await? + self.unlink(id).await?;
                    let told =
                        self.forget_devices_of(id).await? + self.forget_notices_of(id).await?;
                    return Ok(2 + gone + told + self.end_everything_of(id).await?);
                }
                Err(error) if error.is(core_codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(core_codes::CONFLICT).context(format!("{RACES} lost races for a user")))
    }
}

/// 96 random bits in groups that can be read out.
pub(super) fn temporary_password() -> Result<SecretText> {
    let text = hex::encode(random::bytes::<12>()?);
    let groups: Vec<String> = text
        .as_bytes()
        .chunks(6)
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect();
    Ok(SecretText::new(groups.join("-")))
}

pub(super) fn check_display_name(name: Option<&str>) -> Result<()> {
    let acceptable = |name: &str| {
        (1..=128).contains(&name.chars().count()) && !name.chars().any(char::is_control)
    };
    if name.is_none_or(acceptable) {
        return Ok(());
    }
    Err(Error::new(core_codes::INVALID_REQUEST)
        .field("display_name", "1 to 128 characters, none of them control characters"))
}

/// Names, for an event.
pub(super) fn names<T: ToString>(of: &[T]) -> Vec<String> {
    of.iter().map(ToString::to_string).collect()
}
