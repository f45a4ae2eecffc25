//! What administrators do with users.

use std::net::IpAddr;

use prov_core::audit::Action;
use prov_core::{ChangedBy, News, Result, Role, SecretText, SecurityContext, TeamName, UserId};

use super::AuthService;
use super::user_changes::{must_hold, roles_of, teams_of};
use super::users::{check_display_name, names, temporary_password};
use crate::user::{UserRecord, check_email};
use crate::{User, UserChanges};

impl AuthService {
    /// Changes a user's details.
    ///
    /// # Errors
    /// [`USER_UNKNOWN`](crate::codes::USER_UNKNOWN);
    /// [`GRANT_REFUSED`](crate::codes::GRANT_REFUSED); or a field is not valid.
    pub async fn update_user(
        &self,
        context: &SecurityContext,
        id: &UserId,
        changes: UserChanges,
    ) -> Result<User> {
        let change = |record: &mut UserRecord| {
            may_act_on(context, record)?;
            if let Some(email) = &changes.email {
                email.as_deref().map_or(Ok(()), check_email)?;
                record.user.email.clone_from(email);
            }
            if let Some(name) = &changes.display_name {
                check_display_name(name.as_deref())?;
                record.user.display_name.clone_from(name);
            }
            Ok(())
        };
        let by = changed_by(context, id);
        let news = |before: &UserRecord, after: &UserRecord| {
            let previous = before.user.email.clone();
            (previous != after.user.email).then(|| News::email_changed(by, previous))
        };
        let result = self.change_user_and_tell(id, &change, news).await;
        let event = self.event_on_user(context, Action::USER_UPDATE, id.as_str());
        self.conclude(context.request(), event, result.map(|stored| stored.entity.user)).await
    }

    /// Sets a user's roles. Access tokens made before hold no more; the sessions go on and refresh
    /// into the new roles.
    ///
    /// # Errors
    /// [`LAST_ADMINISTRATOR`](crate::codes::LAST_ADMINISTRATOR);
    /// [`GRANT_REFUSED`](crate::codes::GRANT_REFUSED);
    /// [`USER_UNKNOWN`](crate::codes::USER_UNKNOWN).
    pub async fn set_roles(
        &self,
        context: &SecurityContext,
        id: &UserId,
        roles: &[Role],
    ) -> Result<User> {
        let roles = roles_of(roles);
        let change = |record: &mut UserRecord| {
            may_act_on(context, record)?;
            must_hold(context, &roles, &[])?;
            record.user.roles.clone_from(&roles);
            Ok(())
        };
        let result = self.change_rights(id, &change).await;
        let event = self
            .event_on_user(context, Action::USER_ROLES_SET, id.as_str())
            .with("roles", names(&roles));
        self.conclude(context.request(), event, result).await
    }

    /// Sets a user's teams. Access tokens made before hold no more; the sessions go on and refresh
    /// into the new teams.
    ///
    /// # Errors
    /// [`TEAM_UNKNOWN`](crate::codes::TEAM_UNKNOWN);
    /// [`GRANT_REFUSED`](crate::codes::GRANT_REFUSED);
    /// [`USER_UNKNOWN`](crate::codes::USER_UNKNOWN).
    pub async fn set_teams(
        &self,
        context: &SecurityContext,
        id: &UserId,
        teams: &[TeamName],
    ) -> Result<User> {
        let teams = teams_of(teams);
        let change = |record: &mut UserRecord| {
            may_act_on(context, record)?;
            must_hold(context, &[], &teams)?;
            record.user.teams.clone_from(&teams);
            Ok(())
        };
        let result = self.change_rights(id, &change).await;
        let event = self
            .event_on_user(context, Action::USER_TEAMS_SET, id.as_str())
            .with("teams", names(&teams));
        self.conclude(context.request(), event, result).await
    }

    /// Locks a user: nothing of theirs holds any more, and signing in answers as if the password
    /// were wrong. Their sessions are ended for good, their API tokens until they are unlocked.
    ///
    /// # Errors
    /// [`LAST_ADMINISTRATOR`](crate::codes::LAST_ADMINISTRATOR);
    /// [`GRANT_REFUSED`](crate::codes::GRANT_REFUSED);
    /// [`USER_UNKNOWN`](crate::codes::USER_UNKNOWN).
    pub async fn lock_user(&self, context: &SecurityContext, id: &UserId) -> Result<User> {
        let result = self.set_locked(context, id, true).await;
        let event = self.event_on_user(context, Action::USER_LOCK, id.as_str());
        self.conclude(context.request(), event, result).await
    }

    /// Unlocks a user, who can sign in again.
    ///
    /// # Errors
    /// [`GRANT_REFUSED`](crate::codes::GRANT_REFUSED);
    /// [`USER_UNKNOWN`](crate::codes::USER_UNKNOWN).
    pub async fn unlock_user(&self, context: &SecurityContext, id: &UserId) -> Result<User> {
        let result = self.set_locked(context, id, false).await;
        let event = self.event_on_user(context, Action::USER_UNLOCK, id.as_str());
        self.conclude(context.request(), event, result).await
    }

    /// Gives a user a temporary password, shown once, that is good for nothing but its own change;
    /// ends everything of theirs. Second factors stay.
    ///
    /// # Errors
    /// [`GRANT_REFUSED`](crate::codes::GRANT_REFUSED);
    /// [`USER_UNKNOWN`](crate::codes::USER_UNKNOWN).
    pub async fn reset_password(
        &self,
        context: &SecurityContext,
        id: &UserId,
    ) -> Result<SecretText> {
        let result = self.replace_password(context, id).await;
        let event = self.event_on_user(context, Action::AUTH_PASSWORD_RESET, id.as_str());
        self.conclude(context.request(), event, result).await
    }

    async fn replace_password(&self, context: &SecurityContext, id: &UserId) -> Result<SecretText> {
        may_act_on(context, &self.load_user(id).await?.entity)?;
        let temporary = temporary_password()?;
        let stored = self.stored_password(&temporary, true).await?;
        let change = |record: &mut UserRecord| {
            may_act_on(context, record)?;
            record.password = Some(stored.clone());
            record.user.must_change_password = true;
            Ok(())
        };
        let by = changed_by(context, id);
        let news = News::password_changed(by, place(context, by));
        self.change_user_and_tell(id, &change, |_, _| Some(news.clone())).await?;
        self.end_api_tokens_of(id).await?;
        self.end_everything_of(id).await?;
        Ok(temporary)
    }

    async fn set_locked(
        &self,
        context: &SecurityContext,
        id: &UserId,
        locked: bool,
    ) -> Result<User> {
        let change = |record: &mut UserRecord| {
            may_act_on(context, record)?;
            record.user.locked = locked;
            Ok(())
        };
        let news = |before: &UserRecord, after: &UserRecord| {
            let news = if locked { News::AccountLocked } else { News::AccountUnlocked };
            (before.user.locked != after.user.locked).then_some(news)
        };
        let record = self.change_user_and_tell(id, &change, news).await?;
        if locked {
            // After the change: from then on nobody signs in, so that this finds every session.
            self.end_everything_of(id).await?;
        }
        Ok(record.entity.user)
    }

    /// A change of what a user may do: what says otherwise must not hold any longer.
    pub(super) async fn change_rights(
        &self,
        id: &UserId,
        change: &(dyn Fn(&mut UserRecord) -> Result<()> + Sync),
    ) -> Result<User> {
        let record = self.change_user(id, change).await?;
        self.parts.revocations.revoke_user(id).await?;
        Ok(record.entity.user)
    }
}

/// Whether the caller changes an account of their own.
fn changed_by(context: &SecurityContext, id: &UserId) -> ChangedBy {
    if context.principal().id == id.as_str() {
        ChangedBy::Yourself
    } else {
        ChangedBy::Administrator
    }
}

/// From where the user did it themselves; where an administrator sits is not for them to know.
fn place(context: &SecurityContext, by: ChangedBy) -> Option<IpAddr> {
    context.request().client.filter(|_| by == ChangedBy::Yourself)
}

fn may_act_on(context: &SecurityContext, record: &UserRecord) -> Result<()> {
    must_hold(context, &record.user.roles, &record.user.teams)
}
