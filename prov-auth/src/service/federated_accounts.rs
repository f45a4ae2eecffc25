//! The accounts of those for whom an identity provider vouches.

use prov_core::audit::Action;
use prov_core::store::{Batch, Entity, Expect, StoreExt, Stored};
use prov_core::{Error, Result, UserId, codes as core_codes};

use super::AuthService;
use super::federation::Vouched;
use super::users::{check_display_name, names};
use crate::federation::{FederatedIdentity, Grants, IdToken, Issuer};
use crate::user::{UserRecord, check_email};
use crate::{User, Username, codes};

impl AuthService {
    /// The account of somebody, with what the rules give them now; made when they come for the first
    /// time. Issuer and subject say who they are, and nothing else does.
    ///
    /// # Errors
    /// [`codes::FEDERATION_ACCOUNT_REFUSED`] when no rule knows them, or the account is locked.
    pub(super) async fn federated_account(
        &self,
        issuer: &Issuer,
        vouched: &Vouched,
    ) -> Result<UserId> {
        let known = self.known_account(&vouched.origin.subject).await?;
        let Some(grants) = issuer.grants(&vouched.token.groups) else {
            // Who was let in once and is no longer: what they hold ends as well.
            if let Some(stored) = known {
                self.end_everything_of(&stored.user.id).await?;
            }
            return Err(codes::FEDERATION_ACCOUNT_REFUSED.into());
        };
        match known {
            // Whoever is locked gets nothing new either.
            Some(stored) if stored.user.locked => Err(codes::FEDERATION_ACCOUNT_REFUSED.into()),
            Some(stored) => self.granted(stored, grants).await,
            None => self.provision(issuer, vouched, grants).await,
        }
    }

    async fn known_account(&self, digest: &str) -> Result<Option<Stored<UserRecord>>> {
        let Some(link) = self.store().load::<FederatedIdentity>(digest).await? else {
            return Ok(None);
        };
        let found = self.store().load::<UserRecord>(link.user.as_str()).await?;
        if found.is_none() {
            // The account was deleted: whoever comes now is new.
            let gone =
                Batch::new().delete(FederatedIdentity::key(digest), Expect::Version(link.version));
            self.store().commit(gone).await?;
            self.federation.wrote::<FederatedIdentity>(digest).await?;
        }
        Ok(found)
    }

    /// Sets roles and teams as the rules say, if they are others.
    async fn granted(&self, stored: Stored<UserRecord>, grants: Grants) -> Result<UserId> {
        let id = stored.user.id.clone();
        if stored.user.roles == grants.roles && stored.user.teams == grants.teams {
            return Ok(id);
        }
        let result = self
            .change_rights(&id, &|record: &mut UserRecord| {
                record.user.roles.clone_from(&grants.roles);
                record.user.teams.clone_from(&grants.teams);
                Ok(())
            })
            .await;
        let context = self.on_behalf_of_issuers()?;
        let event = self
            .event_on_user(&context, Action::USER_ROLES_SET, id.as_str())
            .with("roles", names(&grants.roles))
            .with("teams", names(&grants.teams));
        self.conclude(context.request(), event, result.map(drop)).await?;
        Ok(id)
    }

    async fn provision(
        &self,
        issuer: &Issuer,
        vouched: &Vouched,
        grants: Grants,
    ) -> Result<UserId> {
        let digest = &vouched.origin.subject;
        let mut outcome = Err(Error::new(codes::USERNAME_TAKEN));
        for username in usernames(issuer, &vouched.token, digest) {
            let record = self.new_federated(issuer, &vouched.token, username, &grants)?;
            let link = FederatedIdentity {
                digest: digest.clone(),
                user: record.user.id.clone(),
                issuer: issuer.name.clone(),
                linked_at: record.user.created_at,
            };
            let batch = Batch::new().with(link.put(Expect::Absent)?);
            match self.insert_user(&record, batch).await {
                Ok(()) => {
                    outcome = Ok(record.user);
                    break;
                }
                Err(error) if error.is(codes::USERNAME_TAKEN) || error.is(core_codes::CONFLICT) => {
                    // The same person in another tab was faster.
                    if let Some(stored) = self.known_account(digest).await? {
                        return Ok(stored.entity.user.id);
                    }
                    outcome = Err(error);
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        let context = self.on_behalf_of_issuers()?;
        let mut event = self.event(Action::USER_CREATE).in_context(&context);
        if let Ok(user) = &outcome {
            event = event.on("user", user.id.as_str()).with("roles", names(&user.roles));
        }
        let event = event.with("issuer", issuer.name.as_str());
        let user = self.conclude(context.request(), event, outcome).await?;
        self.federation.wrote::<FederatedIdentity>(digest).await?;
        Ok(user.id)
    }

    fn new_federated(
        &self,
        issuer: &Issuer,
        token: &IdToken,
        username: Username,
        grants: &Grants,
    ) -> Result<UserRecord> {
        let now = self.clock().now();
        let user = User {
            id: UserId::generate(self.clock())?,
            username,
            email: token.email.clone().filter(|email| check_email(email).is_ok()),
            display_name: token.name.clone().filter(|name| check_display_name(Some(name)).is_ok()),
            roles: grants.roles.clone(),
            teams: grants.teams.clone(),
            locked: false,
            must_change_password: false,
            issuer: Some(issuer.name.clone()),
            organization: issuer.organization.clone(),
            created_at: now,
            updated_at: now,
        };
        Ok(UserRecord { user, password: None })
    }

    /// Forgets which subjects a deleted account belonged to; returns how many.
    pub(super) async fn unlink(&self, user: &UserId) -> Result<u64> {
        let links = self.all_with::<FederatedIdentity>(FederatedIdentity::user_term(user)).await?;
        for link in &links {
            self.store().remove::<FederatedIdentity>(&link.digest).await?;
            self.federation.wrote::<FederatedIdentity>(&link.digest).await?;
        }
        Ok(links.len() as u64)
    }
}

/// Names for a new account, the best first: `alice@corp`. They end in the name of the issuer, so that
/// nobody can call themselves at their provider what somebody is called here.
fn usernames(issuer: &Issuer, token: &IdToken, digest: &str) -> Vec<Username> {
    let told = token.username.as_deref().or(token.email.as_deref()).unwrap_or("user");
    let local = told.split('@').next().unwrap_or_default().to_lowercase();
    let plain: String = local
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c))
        .take(24)
        .collect();
    let plain = plain.trim_start_matches(['.', '_', '-']);
    let plain = if plain.is_empty() { "user" } else { plain };
    let short = digest.get(..6).unwrap_or_default();
    [format!("{plain}@{}", issuer.name), format!("{plain}-{short}@{}", issuer.name)]
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect()
}
