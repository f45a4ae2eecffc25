//! The first administrator.

use std::num::NonZeroU32;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prov_core::audit::Action;
use prov_core::store::{Batch, Entity, Expect, Scan, StoreExt, Stored};
use prov_core::{
    Error, RequestFacts, Result, Role, SecretText, SecurityContext, TeamName, Timestamp,
    codes as core_codes, random,
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::AuthService;
use super::events::{account, claimant, failed};
use super::user_changes::RACES;
use crate::refresh::later;
use crate::user::{AdminRoster, UserRecord, UsernameReservation};
use crate::{NewUser, User, Username, codes};

/// The one link that is good, as a hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct BootstrapLink {
    digest: String,
    expires_at: Timestamp,
}

impl BootstrapLink {
    const ID: &'static str = "link";
}

impl Entity for BootstrapLink {
    const KIND: &'static str = "auth.bootstrap";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl AuthService {
    /// Makes a one-time token for [`bootstrap`](Self::bootstrap): 256 random bits, to be shown once on
    /// the terminal of whoever starts the server. An earlier one is good no longer.
    ///
    /// # Errors
    /// [`codes::BOOTSTRAP_CLOSED`] once there is a user.
    pub async fn begin_bootstrap(&self) -> Result<SecretText> {
        self.must_be_empty().await?;
        let token = SecretText::new(URL_SAFE_NO_PAD.encode(random::bytes::<32>()?));
        let expires_at = later(self.clock().now(), self.options.bootstrap_lifetime);
        let link = BootstrapLink { digest: digest_of(&token), expires_at };
        self.store().commit(Batch::new().with(link.put(Expect::Any)?)).await?;
        Ok(token)
    }

    /// Makes the first administrator with a token of [`begin_bootstrap`](Self::begin_bootstrap).
    ///
    /// # Errors
    /// [`codes::BOOTSTRAP_CLOSED`] once there is a user; [`codes::BOOTSTRAP_TOKEN_INVALID`];
    /// [`codes::PASSWORD_REFUSED`], which leaves the token good.
    pub async fn bootstrap(
        &self,
        token: &SecretText,
        username: &str,
        password: &SecretText,
        request: &RequestFacts,
    ) -> Result<User> {
        let name: Username = username.parse()?;
        let result = self.bootstrap_by_link(token, name.clone(), password).await;
        let event = self.event(Action::AUTH_BOOTSTRAP);
        match result {
            Ok(user) => {
                let event = event.by(account(&user)).on("user", user.id.as_str());
                self.record(request, event).await?;
                Ok(user)
            }
            Err(error) => {
                self.record(request, failed(event.by(claimant(&name)), &error)).await?;
                Err(error)
            }
        }
    }

    async fn bootstrap_by_link(
        &self,
        token: &SecretText,
        name: Username,
        password: &SecretText,
    ) -> Result<User> {
        self.must_be_empty().await?;
        let link = self.store().load::<BootstrapLink>(BootstrapLink::ID).await?;
        let presented = digest_of(token);
        let link = link
            .filter(|link| link.digest.as_bytes().ct_eq(presented.as_bytes()).into())
            .ok_or(codes::BOOTSTRAP_TOKEN_INVALID)?;
        self.first_admin(name, password, Some(&link)).await
    }

    /// Makes the first administrator, as configured, without a token.
    ///
    /// # Errors
    /// [`codes::BOOTSTRAP_CLOSED`] once there is a user; [`codes::PASSWORD_REFUSED`].
    pub async fn bootstrap_admin(&self, username: &str, password: &SecretText) -> Result<User> {
        let context = SecurityContext::system("bootstrap", self.clock())?;
        let result = async {
            self.must_be_empty().await?;
            self.first_admin(username.parse()?, password, None).await
        };
        let result = result.await;
        let mut event = self.event(Action::AUTH_BOOTSTRAP).in_context(&context);
        if let Ok(user) = &result {
            event = event.on("user", user.id.as_str());
        }
        self.conclude(context.request(), event, result).await
    }

    /// Refuses once there is a user, or ever was an administrator.
    async fn must_be_empty(&self) -> Result<()> {
        let scan = Scan::kind(UserRecord::KIND).limit(NonZeroU32::MIN);
        let somebody = !self.store().scan(&scan).await?.records.is_empty();
        let roster = self.store().get(&AdminRoster::key(AdminRoster::ID)).await?;
        if somebody || roster.is_some() { Err(codes::BOOTSTRAP_CLOSED.into()) } else { Ok(()) }
    }

    /// The roster is made by the first administrator and by nobody else: of any number at the same
    /// moment, one succeeds.
    async fn first_admin(
        &self,
        name: Username,
        password: &SecretText,
        link: Option<&Stored<BootstrapLink>>,
    ) -> Result<User> {
        self.ensure_shipped_teams().await?;
        let team: TeamName = "platform-admin".parse()?;
        let new = NewUser::new(name.as_str())
            .with_password(password.clone())
            .keeping_its_password()
            .with_roles([Role::Admin])
            .with_teams([team]);
        let (record, _) = self.new_record(name, new).await?;
        let mut roster = AdminRoster::default();
        roster.add(&record.user.id);
        let reservation = UsernameReservation {
            digest: self.installation.username_digest(&record.user.username),
            user: record.user.id.clone(),
        };
        for _ in 0..RACES {
            let mut batch = Batch::new()
                .with(roster.put(Expect::Absent)?)
                .with(reservation.put(Expect::Absent)?)
                .with(record.put(Expect::Absent)?);
            if let Some(link) = link {
                let key = BootstrapLink::key(BootstrapLink::ID);
                batch = batch.delete(key, Expect::Version(link.version));
            }
            let batch = self.with_teams(batch, &record.user.teams).await?;
            match self.store().commit(batch).await {
                Ok(_) => return Ok(record.user),
                Err(error) if error.is(core_codes::CONFLICT) => self.must_be_empty().await?,
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(codes::BOOTSTRAP_TOKEN_INVALID).context("the link was replaced meanwhile"))
    }
}

fn digest_of(token: &SecretText) -> String {
    hex::encode(digest::digest(&digest::SHA256, token.expose().as_bytes()))
}
