//! SIGHUP: reads the configuration again and applies what can change without a restart: rate limit,
//! log filter, TLS certificate, policies. What needs a restart is named in the log. A configuration
//! with an error changes nothing.

use std::future::Future;
use std::sync::Arc;

use prov_auth::RateLimitLayer;
use prov_authz::PolicyReloader;
use prov_core::audit::{Action, Event, Outcome, Recorder};
use prov_core::{Clock, Error, Result, SecurityContext, codes};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::serve::Tls;
use crate::telemetry::LogFilter;

/// Reads the configuration from where it was read at the start.
pub type Reread = Box<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// What can be changed while the server runs.
pub(crate) struct Reloader {
    pub(crate) reread: Reread,
    pub(crate) rate_limit: RateLimitLayer,
    pub(crate) log_filter: LogFilter,
    pub(crate) tls: Option<Tls>,
    pub(crate) policies: Option<Arc<PolicyReloader>>,
    pub(crate) recorder: Arc<dyn Recorder>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Reloader {
    /// Listens for SIGHUP until `stop` ends.
    ///
    /// # Errors
    /// When the signal can't be listened for.
    pub(crate) fn listen(
        self,
        running: Config,
        stop: impl Future<Output = ()> + Send,
    ) -> std::io::Result<impl Future<Output = ()> + Send> {
        Ok(self.follow(signal(SignalKind::hangup())?, running, stop))
    }

    async fn follow(
        self,
        mut hangups: Signal,
        mut running: Config,
        stop: impl Future<Output = ()> + Send,
    ) {
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = hangups.recv() => self.reload(&mut running).await,
            }
        }
    }

    async fn reload(&self, running: &mut Config) {
        let applied = (self.reread)()
            .map_err(|message| Error::new(codes::INVALID_REQUEST).detail(message))
            .and_then(|next| self.apply(&next).map(|()| next));
        let outcome = match applied {
            Ok(next) => {
                for section in running.sections_that_need_a_restart(&next) {
                    tracing::warn!(section, "this section changed and needs a restart");
                }
                *running = next;
                tracing::info!("configuration read again");
                Outcome::Success
            }
            Err(error) => {
                tracing::error!(%error, "the configuration was not applied; the old one goes on");
                Outcome::Failure
            }
        };
        if let Err(error) = self.record(outcome).await {
            tracing::error!(?error, "recording the reload");
        }
    }

    /// Checks everything first, then changes it.
    fn apply(&self, next: &Config) -> Result<()> {
        let limit = next.server.rate_limit.parse()?;
        let filter = LogFilter::parse(&next.telemetry.log)
            .map_err(|message| Error::new(codes::INVALID_REQUEST).detail(message))?;
        if let (Some(tls), Some(files)) = (&self.tls, &next.server.tls) {
            tls.reload(&files.cert, &files.key).map_err(|e| {
                Error::new(codes::INVALID_REQUEST).detail(format!("`server.tls`: {e}"))
            })?;
        }
        self.rate_limit.set_limit(limit);
        self.log_filter.set(filter);
        Ok(())
    }

    async fn record(&self, outcome: Outcome) -> Result<()> {
        let context = SecurityContext::system("configuration", &*self.clock)?;
        if let Some(policies) = &self.policies {
            // A refused set is in the log, in the audit log and in the status.
            let _ = policies.refresh(&context).await;
        }
        let event = Event::new(&*self.clock, Action::SERVER_CONFIG_RELOAD, outcome);
        self.recorder.record(event.in_context(&context)).await.map(drop)
    }
}
