//! What is allowed.

use std::sync::Arc;

use async_trait::async_trait;
use prov_auth::AuthService;
use prov_authz::{CedarEngine, CedarOptions, DecisionService, PolicyReloader, PrincipalSource};
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

/// Users as principals, for questions about others.
#[derive(Debug)]
struct Users(Arc<AuthService>);

#[async_trait]
impl PrincipalSource for Users {
    async fn principal(&self, id: &str) -> Result<Option<Principal>> {
        match self.0.user(id).await {
            Ok(user) => Ok(Some(
                Principal::new(PrincipalKind::User, user.id.as_str(), user.username.as_str())
                    .with_roles(user.roles.iter().copied())
                    .with_teams(user.teams.iter().cloned()),
            )),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
