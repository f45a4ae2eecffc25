//! Short-lived credentials.

use std::sync::Arc;

use prov_core::audit::Recorder;
use prov_core::store::Store;
use prov_core::{Clock, Result};
use prov_secrets::api::SecretsState;
use prov_secrets::ssh::{Ssh, SshAuthority};
use prov_secrets::{LeaseOptions, Leases};

use crate::background::Background;
use crate::config::Config;

pub(super) async fn open(
    config: &Config,
    store: &Arc<dyn Store>,
    recorder: &Arc<dyn Recorder>,
    clock: &Arc<dyn Clock>,
    background: &mut Background,
) -> Result<SecretsState> {
    let authority =
        SshAuthority::open(Arc::clone(store), Arc::clone(clock), Arc::clone(recorder)).await?;
    let leases = Leases::builder(Arc::clone(store), Arc::clone(clock), Arc::clone(recorder))
        .engine(Arc::<SshAuthority>::clone(&authority))
        .options(
            LeaseOptions::default()
                .on_node(&config.server.node)
                .resting_at_most(config.secrets.cleanup_interval),
        )
        .open()
        .await?;
    let ssh = Ssh::new(authority, Arc::clone(&leases), Arc::clone(clock))?;
    let reaper = Arc::clone(&leases);
    background.run("lease reaper", |stop| reaper.run(stop));
    Ok(SecretsState::new(leases, Arc::new(ssh)))
}
