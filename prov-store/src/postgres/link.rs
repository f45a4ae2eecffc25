//! One connection and the task that drives it.

use std::future::poll_fn;
use std::time::Duration;

use prov_core::{Error, Result};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client, Error as PgError, Notification};

use super::{PostgresOptions, fault};

/// An open connection. Dropping it ends its task, and with it the session.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    _driver: JoinSet<()>,
}

impl Link {
    /// Connects within the limits of `options`. What the server notifies of goes to `heard`, which
    /// closes when the connection is lost.
    pub(super) async fn open(
        options: &PostgresOptions,
        heard: Option<UnboundedSender<Notification>>,
    ) -> Result<Self> {
        bounded("connecting", options.connect_limit(), async {
            // Large, and rare: better on the heap than in the futures of all callers.
            let (client, mut connection) =
                Box::pin(options.config.connect(options.tls.clone())).await?;
            let mut driver = JoinSet::new();
            driver.spawn(async move {
                while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                    if let (AsyncMessage::Notification(news), Some(heard)) = (message, &heard) {
                        // Fails only when the listener has gone.
                        let _ = heard.send(news);
                    }
                }
            });
            client.batch_execute(&session(options.statement_timeout)).await?;
            Ok(Self { client, _driver: driver })
        })
        .await
    }
}

/// The answer, or the meaning of what was wrong, within `limit`.
pub(super) async fn bounded<T>(
    doing: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, PgError>>,
) -> Result<T> {
    match timeout(limit, work).await {
        Ok(answer) => answer.map_err(|e| fault::meaning(e, doing)),
        Err(_) => Err(fault::too_slow(doing, limit)),
    }
}

/// As [`bounded`], for those who look at the error.
pub(super) async fn raced<T>(
    doing: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, PgError>>,
) -> Result<Result<T, PgError>, Error> {
    timeout(limit, work).await.map_err(|_| fault::too_slow(doing, limit))
}

/// What every session is set to: bounded waits, no transaction left open by a process that hangs,
/// and commits that are durable even where the server's default is not.
fn session(limit: Duration) -> String {
    let limit = limit.as_millis();
    format!(
        "SET statement_timeout = {limit};
         SET lock_timeout = {limit};
         SET idle_in_transaction_session_timeout = {limit};
         SET default_transaction_isolation = 'read committed';
         SELECT set_config('synchronous_commit', 'on', false)
             WHERE current_setting('synchronous_commit') = 'off';"
    )
}
