//! With whose logs the log is joined, who vouches for it and stamps its time, and for whose logs this server vouches.

use std::sync::Arc;

use prov_audit::api::ApiState;
use prov_audit::{Log, Witness, WitnessOptions};
use prov_core::audit::Recorder;
use prov_core::{Clock, Result};

use super::storage::Storage;
use crate::background::Background;
use crate::config::Config;

/// Has the log joined with those of other servers, its witnesses and authority asked, as the configuration says, and gives the endpoints of the log, with
/// those of this server as a witness.
pub(super) async fn start(
    config: &Config,
    storage: &Storage,
    clock: &Arc<dyn Clock>,
    background: &mut Background,
) -> Result<ApiState> {
    if let Some(options) = config.joining()? {
        let joining = storage.log.join(options).await?;
        background.run("audit logs of other servers", |stop| joining.run(stop));
    }
    if let Some(options) = config.audit.witnessing.options()? {
        let witnessing = storage.log.add_witnesses(options).await?;
        background.run("audit witnesses", |stop| witnessing.run(stop));
    }
    if let Some(options) = config.audit.anchoring.options()? {
        let anchoring = storage.log.add_anchoring(options).await?;
        background.run("audit time stamps", |stop| anchoring.run(stop));
    }
    let api = ApiState::new(Arc::clone(&storage.log), Arc::clone(clock));
    // Also when it watches none yet: whoever is to trust it needs its keys first.
    let logs = config.audit.witness.logs()?;
    let recorder: Arc<dyn Recorder> = Arc::<Log>::clone(&storage.log);
    let (name, store) = (config.witness_name(), Arc::clone(&storage.store));
    let options = WitnessOptions::new(name, store, recorder, Arc::clone(clock));
    let witness = Witness::open(logs.into_iter().fold(options, WitnessOptions::log)).await?;
    Ok(api.witness(Arc::new(witness)))
}
