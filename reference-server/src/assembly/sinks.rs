//! Whom events are delivered to.

use std::sync::Arc;

use prov_audit::Log;
use prov_core::Result;

use crate::background::Background;
use crate::config::Config;

/// Has the log looked after, and starts every sink of the configuration.
pub(super) async fn start(
    config: &Config,
    log: &Arc<Log>,
    background: &mut Background,
) -> Result<()> {
    for sink in &config.audit.sinks {
        let (options, receiver) = sink.build(&config.audit)?;
        let sink = log.add_sink(options, receiver).await?;
        background.run("audit sink", |stop| sink.run(stop));
    }
    // Last: nothing is pruned before it is known what the sinks still need.
    background.look_after(log);
    Ok(())
}
