//! What users do with their own account.

use prov_core::audit::Action;
use prov_core::store::Stored;
use prov_core::{
    Authentication, ChangedBy, Error, News, Principal, PrincipalKind, RequestFacts, Result,
    SecretText, SecurityContext, Timestamp, UserId, codes as core_codes,
};
use subtle::ConstantTimeEq;

use super::AuthService;
use super::events::account;
use crate::codes;
use crate::user::{StoredPassword, UserRecord};
use crate::{PasswordPolicy, User, Username};

/// Who the caller is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Me {
    /// As the credential says.
    pub principal: Principal,
    /// How and when they proved it.
    pub authentication: Authentication,
    /// The account, if the caller has one.
    pub user: Option<User>,
}

impl AuthService {
    /// Who the caller is.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn me(&self, context: &SecurityContext) -> Result<Me> {
        let user = match own_id(context) {
            Ok(_) => Some(self.own_user(context).await?.entity.user),
            Err(_) => None,
        };
        let (principal, authentication) =
            (context.principal().clone(), context.authentication().clone());
        Ok(Me { principal, authentication, user })
    }

    /// Changes the caller's password and ends their other sessions.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] when the current one is wrong; [`codes::PASSWORD_REFUSED`];
    /// [`codes::LOGIN_THROTTLED`].
    pub async fn change_password(
        &self,
        context: &SecurityContext,
        current: &SecretText,
        new: &SecretText,
    ) -> Result<()> {
        let result = self.replace_own_password(context, current, new).await;
        let event =
            self.event_on_user(context, Action::AUTH_PASSWORD_CHANGE, &context.principal().id);
        self.conclude(context.request(), event, result).await
    }

    async fn replace_own_password(
        &self,
        context: &SecurityContext,
        current: &SecretText,
        new: &SecretText,
    ) -> Result<()> {
        let name = self.own_user(context).await?.entity.user.username;
        let current = PasswordPolicy::prepare(current, "current_password")?;
        // A 401 would tell the client that its session has ended.
        let stored = self.prove(&name, &current, context.request()).await.map_err(|refused| {
            if refused.error.is(codes::INVALID_CREDENTIALS) {
                Error::new(core_codes::INVALID_REQUEST).field("current_password", "it is wrong")
            } else {
                refused.error
            }
        })?;
        self.choose_password(&stored, &current, new, context.request()).await?;
        let kept = context.authentication().session.as_ref();
        for session in self.sessions_of(&stored.user.id).await? {
            if Some(&session.id) != kept {
                self.kill(&session.id).await?;
            }
        }
        Ok(())
    }

    /// Replaces a password that is good for nothing else, without signing in: who knows a temporary
    /// password may choose a password, and then sign in with it, second factor and all.
    ///
    /// # Errors
    /// [`codes::INVALID_CREDENTIALS`], [`codes::LOGIN_THROTTLED`] as signing in does;
    /// [`codes::PASSWORD_REFUSED`]; [`core_codes::DENIED`] when the password need not be changed.
    pub async fn renew_password(
        &self,
        username: &str,
        current: &SecretText,
        new: &SecretText,
        request: &RequestFacts,
    ) -> Result<()> {
        let name: Username = username.parse()?;
        let current = PasswordPolicy::prepare(current, "current_password")?;
        let stored = match self.prove(&name, &current, request).await {
            Ok(stored) => stored,
            Err(refused) => {
                return self.refuse(Action::AUTH_PASSWORD_CHANGE, request, refused).await;
            }
        };
        let event = self
            .event(Action::AUTH_PASSWORD_CHANGE)
            .by(account(&stored.user))
            .on("user", stored.user.id.as_str());
        let result = if stored.user.must_change_password {
            self.choose_password(&stored, &current, new, request).await
        } else {
            Err(Error::new(core_codes::DENIED)
                .detail("this password need not be changed: sign in and change it there"))
        };
        self.conclude(request, event, result).await
    }

    /// Keeps a new password, if the one that was proved is still the password.
    async fn choose_password(
        &self,
        stored: &Stored<UserRecord>,
        current: &SecretText,
        new: &SecretText,
        request: &RequestFacts,
    ) -> Result<()> {
        let user = &stored.user;
        let names = [user.username.as_str(), user.email.as_deref().unwrap_or_default()];
        let new = self.options.passwords.accept(new, "new_password", &names)?;
        if bool::from(new.expose().as_bytes().ct_eq(current.expose().as_bytes())) {
            return Err(Error::new(codes::PASSWORD_REFUSED)
                .field("new_password", "the new password is the old one"));
        }
        let fresh: StoredPassword = self.stored_password(&new, false).await?;
        let proved = changed_at(&stored.entity);
        let change = |record: &mut UserRecord| {
            if changed_at(record) != proved {
                return Err(Error::new(core_codes::CONFLICT)
                    .detail("the password has been changed meanwhile"));
            }
            record.password = Some(fresh.clone());
            record.user.must_change_password = false;
            Ok(())
        };
        let news = News::password_changed(ChangedBy::Yourself, request.client);
        self.change_user_and_tell(&user.id, &change, |_, _| Some(news.clone())).await.map(drop)
    }

    /// The account of the caller, who must be a user.
    pub(super) async fn own_user(&self, context: &SecurityContext) -> Result<Stored<UserRecord>> {
        let id = own_id(context)?;
        self.load_user(&id).await.map_err(|error| {
            if error.is(codes::USER_UNKNOWN) { codes::SESSION_ENDED.into() } else { error }
        })
    }
}

fn changed_at(record: &UserRecord) -> Option<Timestamp> {
    record.password.as_ref().map(|kept| kept.changed_at)
}

/// The id of the caller, who must be a user.
pub(super) fn own_id(context: &SecurityContext) -> Result<UserId> {
    let principal = context.principal();
    let id = (principal.kind == PrincipalKind::User).then(|| principal.id.parse().ok());
    id.flatten()
        .ok_or_else(|| Error::new(core_codes::DENIED).detail("this is for people with an account"))
}
