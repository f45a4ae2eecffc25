//! API tokens: making, listing, renewing and deleting them.

use std::sync::Arc;
use std::time::Duration;

use prov_core::audit::Action;
use prov_core::store::{Batch, Entity, Expect, StoreExt, Stored};
use prov_core::{
    AuthenticationMethod, Error, News, Result, SecurityContext, UserId, codes as core_codes,
};

use super::AuthService;
use super::own_account::own_id;
use super::sessions::may_go_on;
use super::user_changes::RACES;
use super::users::names;
use crate::api_token::{ApiTokenRecord, ApiTokenUse, PreviousValue, generate};
use crate::refresh::later;
use crate::user::UserRecord;
use crate::{ApiToken, ApiTokenId, ApiTokens, IssuedApiToken, NewApiToken, codes};

/// How many tokens one user may have.
const MOST: usize = 100;

/// How long a value may hold that was replaced.
const LONGEST_OVERLAP: Duration = Duration::from_hours(24);

impl AuthService {
    /// Who presents an API token, for an [`AuthnLayer`](crate::AuthnLayer).
    #[must_use]
    pub fn api_tokens(&self) -> Arc<ApiTokens> {
        Arc::clone(&self.api_tokens)
    }

    /// Makes an API token for the caller. It is good for what its scopes cover and the caller may do at
    /// the moment of each use. Its value is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`codes::API_TOKEN_CHAINED`] for a caller who presents an API token themselves;
    /// [`codes::API_TOKENS_TOO_MANY`]; [`core_codes::INVALID_REQUEST`], naming the field.
    pub async fn create_api_token(
        &self,
        context: &SecurityContext,
        new: NewApiToken,
    ) -> Result<IssuedApiToken> {
        let event = self.event(Action::AUTH_API_TOKEN_CREATE).in_context(context);
        let scopes = names(&new.scopes);
        let result = self.make_api_token(context, new).await;
        let event = match &result {
            Ok(made) => event
                .on("api-token", made.token.id.as_str())
                .with("scopes", scopes)
                .with("expires_at", made.token.expires_at.to_string()),
            Err(_) => event,
        };
        self.conclude(context.request(), event, result).await
    }

    async fn make_api_token(
        &self,
        context: &SecurityContext,
        new: NewApiToken,
    ) -> Result<IssuedApiToken> {
        let user = own_id_by_hand(context)?;
        new.check(&self.options.permissions)?;
        if self.tokens_of(&user).await?.len() >= MOST {
            return Err(codes::API_TOKENS_TOO_MANY.into());
        }
        let generation = self.parts.revocations.generation();
        let id = ApiTokenId::generate(self.clock())?;
        let (value, now) = (generate()?, self.clock().now());
        let record = ApiTokenRecord {
            id: id.as_str().to_owned(),
            user: user.clone(),
            name: new.name,
            scopes: new.scopes,
            created_at: now,
            rotated_at: None,
            expires_at: later(now, new.lifetime),
            lifetime: new.lifetime,
            digest: self.api_tokens.digest(value.expose()),
            previous: None,
            reminded: false,
            generation,
        };
        let (place, ends_at) = (context.request().client, record.expires_at);
        let news = News::api_token_made(record.name.as_str(), ends_at, place);
        let (_, notice) = self.notices.write(&user, news).await?;
        for _ in 0..RACES {
            // A lock or a deletion at the same moment wins.
            let owner = self.load_user(&user).await?;
            if !may_go_on(&owner.user) {
                return Err(codes::SESSION_ENDED.into());
            }
            let batch = notice
                .clone()
                .with(record.put(Expect::Absent)?)
                .check(UserRecord::key(user.as_str()), Expect::Version(owner.version));
            match self.store().commit(batch).await {
                Ok(version) => {
                    self.notices.bell.notify_one();
                    let token = record.public(id, None);
                    self.api_tokens.take(record, version).await?;
                    return Ok(IssuedApiToken { token, value });
                }
                Err(error) if error.is(core_codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(core_codes::CONFLICT).context(format!("{RACES} lost races for a user")))
    }

    /// The caller's API tokens, oldest first.
    ///
    /// # Errors
    /// When the caller is no user, or the store can't be read.
    pub async fn list_api_tokens(&self, context: &SecurityContext) -> Result<Vec<ApiToken>> {
        let mut listed = Vec::new();
        for record in self.tokens_of(&own_id(context)?).await? {
            let written = self.store().load::<ApiTokenUse>(&record.id).await?;
            let used =
                written.map(|used| used.last_used_at).max(self.api_tokens.last_used(&record.id));
            listed.push(record.public(record.id.parse()?, used));
        }
        Ok(listed)
    }

    /// Gives one of the caller's API tokens a new value, good as long as the first was. The old value
    /// ends at once, or after `overlap` (24 hours at most), so that a program can be told the new one
    /// meanwhile.
    ///
    /// # Errors
    /// [`codes::API_TOKEN_UNKNOWN`]; [`codes::API_TOKEN_CHAINED`];
    /// [`core_codes::INVALID_REQUEST`] for a longer overlap.
    pub async fn rotate_api_token(
        &self,
        context: &SecurityContext,
        id: &ApiTokenId,
        overlap: Duration,
    ) -> Result<IssuedApiToken> {
        let result = self.renew_api_token(context, id, overlap).await;
        let event = self
            .event(Action::AUTH_API_TOKEN_ROTATE)
            .in_context(context)
            .on("api-token", id.as_str())
            .with("overlap_seconds", overlap.as_secs());
        self.conclude(context.request(), event, result).await
    }

    async fn renew_api_token(
        &self,
        context: &SecurityContext,
        id: &ApiTokenId,
        overlap: Duration,
    ) -> Result<IssuedApiToken> {
        let user = own_id_by_hand(context)?;
        if overlap > LONGEST_OVERLAP {
            return Err(Error::new(core_codes::INVALID_REQUEST)
                .field("overlap", "the old value holds for 24 hours at most"));
        }
        let value = generate()?;
        for _ in 0..RACES {
            let generation = self.parts.revocations.generation();
            let found = self.own_token(&user, id).await?;
            let now = self.clock().now();
            let until = later(now, overlap).min(found.expires_at);
            let previous = PreviousValue { digest: found.digest.clone(), until };
            let record = ApiTokenRecord {
                digest: self.api_tokens.digest(value.expose()),
                previous: (until > now).then_some(previous),
                reminded: false,
                rotated_at: Some(now),
                expires_at: later(now, found.lifetime),
                generation,
                ..found.entity
            };
            let (place, ends_at) = (context.request().client, record.expires_at);
            let news = News::api_token_renewed(record.name.as_str(), ends_at, place);
            let (_, notice) = self.notices.write(&user, news).await?;
            let batch = notice.with(record.put(Expect::Version(found.version))?);
            match self.store().commit(batch).await {
                Ok(version) => {
                    self.notices.bell.notify_one();
                    let token = record.public(id.clone(), self.api_tokens.last_used(id.as_str()));
                    self.api_tokens.take(record, version).await?;
                    return Ok(IssuedApiToken { token, value });
                }
                Err(error) if error.is(core_codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(core_codes::CONFLICT).context(format!("{RACES} lost races for a token")))
    }

    /// Deletes one of the caller's API tokens: it holds no more, on every node.
    ///
    /// # Errors
    /// [`codes::API_TOKEN_UNKNOWN`]; [`codes::API_TOKEN_CHAINED`].
    pub async fn delete_api_token(&self, context: &SecurityContext, id: &ApiTokenId) -> Result<()> {
        let result = async {
            let user = own_id_by_hand(context)?;
            self.own_token(&user, id).await?;
            self.end_api_token(id.as_str()).await
        };
        let result = result.await;
        let event = self.event(Action::AUTH_API_TOKEN_DELETE).in_context(context);
        self.conclude(context.request(), event.on("api-token", id.as_str()), result).await
    }

    pub(super) async fn end_api_token(&self, id: &str) -> Result<()> {
        let batch = Batch::new()
            .delete(ApiTokenRecord::key(id), Expect::Any)
            .delete(ApiTokenUse::key(id), Expect::Any);
        self.store().commit(batch).await?;
        self.api_tokens.forget(id);
        Ok(())
    }

    /// Ends all API tokens of a user; returns how many records went.
    pub(super) async fn end_api_tokens_of(&self, user: &UserId) -> Result<u64> {
        let all = self.tokens_of(user).await?;
        for token in &all {
            self.end_api_token(&token.id).await?;
        }
        Ok(all.len() as u64)
    }

    pub(super) async fn tokens_of(&self, user: &UserId) -> Result<Vec<ApiTokenRecord>> {
        self.all_with(ApiTokenRecord::user_term(user)).await
    }

    async fn own_token(&self, user: &UserId, id: &ApiTokenId) -> Result<Stored<ApiTokenRecord>> {
        let found = self.store().load::<ApiTokenRecord>(id.as_str()).await?;
        found.filter(|found| found.user == *user).ok_or_else(|| codes::API_TOKEN_UNKNOWN.into())
    }
}

/// The caller, who has signed in by hand: whoever got hold of a token must not make it last.
fn own_id_by_hand(context: &SecurityContext) -> Result<UserId> {
    if context.authentication().method == AuthenticationMethod::ApiToken {
        return Err(codes::API_TOKEN_CHAINED.into());
    }
    own_id(context)
}
