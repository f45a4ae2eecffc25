//! Identity providers: entering, listing and removing them; and their word that somebody signed out.

use aws_lc_rs::digest;
use prov_core::audit::Action;
use prov_core::store::{Batch, Entity, Expect, StoreExt};
use prov_core::{Error, RequestFacts, Result, SecretText, SecurityContext, codes as core_codes};

use super::AuthService;
use super::events::failed as failed_event;
use super::user_changes::must_hold;
use crate::federation::{Handover, IssuerRecord, LogoutToken, Origin, UsedLogoutToken, failed};
use crate::login::ChallengeRecord;
use crate::session::SessionRecord;
use crate::team::Team;
use crate::{Issuer, NewIssuer, codes};

impl AuthService {
    /// The identity providers, by name.
    #[must_use]
    pub fn issuers(&self) -> Vec<Issuer> {
        self.federation.providers().iter().map(|provider| provider.issuer.clone()).collect()
    }

    /// Enters an identity provider. Whom it vouches for gets what its rules give, so the rules give nothing
    /// that the caller does not hold.
    ///
    /// # Errors
    /// [`codes::ISSUER_EXISTS`]; [`codes::GRANT_REFUSED`]; [`codes::TEAM_UNKNOWN`]; or a field is not
    /// valid.
    pub async fn create_issuer(&self, context: &SecurityContext, new: NewIssuer) -> Result<Issuer> {
        let name = new.name.clone();
        let result = self.enter_issuer(context, new).await;
        let mut event = self.event(Action::AUTH_ISSUER_CREATE).in_context(context);
        if let Ok(issuer) = &result {
            event = event.on("issuer", name).with("url", issuer.issuer.as_str());
        }
        self.conclude(context.request(), event, result).await
    }

    async fn enter_issuer(&self, context: &SecurityContext, new: NewIssuer) -> Result<Issuer> {
        new.check()?;
        for rule in &new.rules {
            must_hold(context, &rule.roles, &rule.teams)?;
            for team in &rule.teams {
                if self.store().load::<Team>(team.as_str()).await?.is_none() {
                    return Err(Error::new(codes::TEAM_UNKNOWN)
                        .field("rules", format!("there is no team `{team}`")));
                }
            }
        }
        // Two entries for one issuer would be two sets of rules for one person; and our own tokens are
        // nobody's credential for signing in.
        let taken = self.store().load_all::<IssuerRecord>().await?;
        let taken = taken.iter().any(|stored| stored.issuer.issuer == new.issuer);
        if taken || new.issuer == self.issuer() {
            return Err(codes::ISSUER_EXISTS.into());
        }
        let record = IssuerRecord::new(new, self.clock().now());
        self.store().create(&record).await.map_err(|error| {
            if error.is(core_codes::CONFLICT) { codes::ISSUER_EXISTS.into() } else { error }
        })?;
        self.federation.wrote::<IssuerRecord>(&record.issuer.name).await?;
        Ok(record.issuer)
    }

    /// Removes an identity provider and ends what began there. Accounts stay, with nobody who could sign
    /// in to them, until it is entered again.
    ///
    /// # Errors
    /// [`codes::ISSUER_UNKNOWN`].
    pub async fn delete_issuer(&self, context: &SecurityContext, name: &str) -> Result<()> {
        let result = self.remove_issuer(name).await;
        let event = self.event(Action::AUTH_ISSUER_DELETE).in_context(context).on("issuer", name);
        self.conclude(context.request(), event, result).await
    }

    async fn remove_issuer(&self, name: &str) -> Result<()> {
        let found = self.store().load::<IssuerRecord>(name).await?;
        let found = found.ok_or_else(|| Error::new(codes::ISSUER_UNKNOWN))?;
        let batch = Batch::new().delete(IssuerRecord::key(name), Expect::Version(found.version));
        self.store().commit(batch).await?;
        self.federation.wrote::<IssuerRecord>(name).await?;
        let began = || Origin::issuer_term(name);
        self.remove_all::<Handover>(began()).await?;
        self.remove_all::<ChallengeRecord>(began()).await?;
        for session in self.all_with::<SessionRecord>(began()).await? {
            self.kill(&session.id).await?;
        }
        Ok(())
    }

    /// Ends the sessions that an identity provider says have ended there (OpenID Connect Back-Channel
    /// Logout 1.0).
    ///
    /// # Errors
    /// [`codes::LOGOUT_TOKEN_REFUSED`] for a token that does not hold; when the store can't be written.
    pub async fn federated_logout(
        &self,
        name: &str,
        token: &SecretText,
        request: &RequestFacts,
    ) -> Result<()> {
        let event = self.about_issuer(self.event(Action::AUTH_LOGOUT_BACKCHANNEL), name);
        match self.end_by_logout_token(name, token).await {
            Ok(ended) => self.record(request, event.with("sessions", ended)).await,
            Err(error) => {
                let error = match error {
                    held if held.is(codes::FEDERATION_FAILED) || held.is(codes::TOKEN_FORGED) => {
                        Error::new(codes::LOGOUT_TOKEN_REFUSED).source(held)
                    }
                    other => other,
                };
                self.record(request, failed_event(event, &error)).await?;
                Err(error)
            }
        }
    }

    async fn end_by_logout_token(&self, name: &str, token: &SecretText) -> Result<u64> {
        let provider = self.federation.provider(name)?;
        let outbound = self.federation.outbound()?;
        let published = provider.fresh(outbound, self.clock()).await?;
        let (issuer, now) = (&provider.issuer, self.clock().now());
        let opened = match LogoutToken::open(token.expose(), &published.keys, issuer, now) {
            Err(error) if error.is(codes::TOKEN_FORGED) => {
                let newest = provider.asked_again(outbound, self.clock()).await?;
                LogoutToken::open(token.expose(), &newest.keys, issuer, now)?
            }
            other => other?,
        };
        let id = format!("{}\0{}", issuer.issuer, opened.id);
        let used = UsedLogoutToken {
            digest: hex::encode(digest::digest(&digest::SHA256, id.as_bytes())),
            expires_at: opened.useless_at,
        };
        if self.store().load::<UsedLogoutToken>(&used.digest).await?.is_some() {
            return Err(failed("the logout token was used before"));
        }
        let ended = self.end_begun_by(&issuer.issuer, &opened).await?;
        // Last: whoever was not answered may send it again, and nothing was left undone.
        self.store().create(&used).await.map_err(|error| {
            if error.is(core_codes::CONFLICT) { failed("used at this moment") } else { error }
        })?;
        Ok(ended)
    }

    /// Ends what a subject began in a session, or in any.
    async fn end_begun_by(&self, issuer: &str, token: &LogoutToken) -> Result<u64> {
        let digests = self.federation.digests();
        let subject = token.subject.as_ref().map(|sub| digests.subject(issuer, sub));
        let session = token.session.as_ref().map(|sid| digests.session(issuer, sid));
        let term = match (&session, &subject) {
            (Some(session), _) => Origin::session_term(session),
            (None, Some(subject)) => Origin::subject_term(subject),
            (None, None) => return Err(failed("a logout token that names nobody")),
        };
        let is_meant = |origin: Option<&Origin>| {
            origin.is_some_and(|origin| subject.as_ref().is_none_or(|sub| *sub == origin.subject))
        };
        let mut ended = 0;
        for handover in self.all_with::<Handover>(term.clone()).await? {
            if is_meant(Some(&handover.origin)) {
                self.store().remove::<Handover>(&handover.digest).await?;
            }
        }
        for challenge in self.all_with::<ChallengeRecord>(term.clone()).await? {
            if is_meant(challenge.origin.as_ref()) {
                self.store().remove::<ChallengeRecord>(&challenge.digest).await?;
            }
        }
        for found in self.all_with::<SessionRecord>(term).await? {
            if is_meant(found.origin.as_ref()) {
                self.kill(&found.id).await?;
                ended += 1;
            }
        }
        Ok(ended)
    }
}
