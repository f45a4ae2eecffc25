//! What is allowed.

use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use prov_auth::{AuthService, User};
use prov_authz::authzen::{AuthzenOptions, AuthzenService};
use prov_authz::{
    CedarEngine, CedarOptions, DecisionService, PolicyReloader, PrincipalPage, PrincipalSource,
};
use prov_core::audit::Recorder;
use prov_core::{Clock, Kind, Principal, PrincipalKind, Result};

use crate::background::Background;
use crate::config::Config;

pub(super) struct Policies {
    pub(super) engine: Arc<CedarEngine>,
    pub(super) decisions: Arc<DecisionService>,
    pub(super) reloader: Option<Arc<PolicyReloader>>,
}

pub(super) fn open(
    config: &Config,
    auth: &Arc<AuthService>,
    recorder: &Arc<dyn Recorder>,
    clock: &Arc<dyn Clock>,
    background: &mut Background,
) -> Result<Policies> {
    let options = CedarOptions::default()
        .with_corporate_networks(config.cedar.corporate_networks.iter().cloned());
    let users = Arc::new(Users(Arc::clone(auth)));
    let Some(folder) = &config.cedar.policies_path else {
        let engine = Arc::new(CedarEngine::shipped(Arc::clone(clock), options)?);
        let decisions =
            DecisionService::new(Arc::clone(&engine), Arc::clone(recorder), Arc::clone(clock))
                .with_principals(users);
        return Ok(Policies { engine, decisions: Arc::new(decisions), reloader: None });
    };
    let engine = Arc::new(CedarEngine::open(folder, Arc::clone(clock), options)?);
    let reloader = Arc::new(PolicyReloader::new(
        Arc::clone(&engine),
        folder,
        Arc::clone(recorder),
        Arc::clone(clock),
    ));
    if config.cedar.hot_reload {
        let (watcher, clock) = (Arc::clone(&reloader), Arc::clone(clock));
        let interval = config.cedar.reload_interval;
        background.run("policies", move |stop| watcher.run(clock, interval, stop));
    }
    let decisions =
        DecisionService::new(Arc::clone(&engine), Arc::clone(recorder), Arc::clone(clock))
            .with_principals(users)
            .with_reloader(Arc::clone(&reloader));
    Ok(Policies { engine, decisions: Arc::new(decisions), reloader: Some(reloader) })
}

/// The same decisions in the words of `AuthZEN`.
pub(super) fn authzen(
    config: &Config,
    decisions: &Arc<DecisionService>,
) -> Result<Arc<AuthzenService>> {
    let options = AuthzenOptions::default();
    let options = match &config.server.public_url {
        Some(url) => options.published_at(url)?,
        None => options,
    };
    Ok(Arc::new(AuthzenService::new(Arc::clone(decisions), options)))
}

/// Users as principals, for questions about others.
#[derive(Debug)]
struct Users(Arc<AuthService>);

#[async_trait]
impl PrincipalSource for Users {
    async fn principal(&self, id: &str) -> Result<Option<Principal>> {
        match self.0.user(id).await {
            // Whoever is locked may do nothing.
            Ok(user) => Ok((!user.locked).then(|| principal(&user))),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn principals(&self, after: Option<&str>, limit: NonZeroU32) -> Result<PrincipalPage> {
        let page = self.0.users(limit, after.map(str::to_owned)).await?;
        let items = page.users.iter().filter(|user| !user.locked).map(principal).collect();
        Ok(PrincipalPage::new(items, page.next))
    }
}

fn principal(user: &User) -> Principal {
    Principal::new(PrincipalKind::User, user.id.as_str(), user.username.as_str())
        .with_roles(user.roles.iter().copied())
        .with_teams(user.teams.iter().cloned())
}
