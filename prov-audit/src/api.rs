//! The HTTP endpoints of the audit log; feature `axum`.
//!
//! ```
//! # use std::sync::Arc;
//! # fn mount(log: Arc<prov_audit::Log>, clock: Arc<dyn prov_core::Clock>) {
//! use prov_audit::api::{self, ApiState};
//! let (router, openapi) = api::router(ApiState::new(log, clock)).split_for_parts();
//! let table = prov_http::RouteTable::new(api::routes()).unwrap();
//! # }
//! ```

mod actions;
mod anchors;
mod documents;
mod events;
mod export;
mod joined;
mod proofs;
mod retention;
mod sinks;
mod stream;
mod witness;

use std::sync::Arc;

use http::Method;
use prov_core::audit::{Action, Event, Outcome, RecorderExt, RetentionClass};
use prov_core::{Clock, RequestFacts, Result, SecurityContext};
use prov_http::Route;
use serde::Deserialize;
use tokio::sync::{Semaphore, watch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::joining::JoinedLog;
use crate::{Log, Witness, WitnessingStatus};

/// What the handlers share.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ApiState {
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    streams: Arc<Semaphore>,
    ending: watch::Sender<bool>,
    witness: Option<Arc<Witness>>,
}

impl ApiState {
    /// Handlers that read this log, and record in it that they did.
    #[must_use]
    pub fn new(log: Arc<Log>, clock: Arc<dyn Clock>) -> Self {
        let streams = Arc::new(Semaphore::new(stream::MOST));
        Self { log, clock, streams, ending: watch::Sender::new(false), witness: None }
    }

    /// Answers as this witness too. Without one every log is unknown to it.
    #[must_use]
    pub fn witness(mut self, witness: Arc<Witness>) -> Self {
        self.witness = Some(witness);
        self
    }

    /// The name of a log: this one, or the own one of this class.
    fn named(&self, origin: Option<String>, log: LogName) -> String {
        origin.unwrap_or_else(|| self.log.verifier_key(log.into()).name().to_owned())
    }

    /// The joined logs with which something is wrong.
    fn alarms(&self) -> Vec<JoinedLog> {
        self.log.joined().into_iter().filter(|log| log.alarm.is_some()).collect()
    }

    /// How far the witnesses of the log are.
    fn witnessing(&self) -> WitnessingStatus {
        #[cfg(feature = "witnesses")]
        if let Some(status) = self.log.witnessing() {
            return status;
        }
        WitnessingStatus::default()
    }

    /// Ends every live tail and lets none begin: the server is about to stop.
    pub fn end_streams(&self) {
        self.ending.send_replace(true);
    }

    /// The time stamps of a log.
    async fn anchors(&self, class: RetentionClass) -> Result<anchors::Anchors> {
        let sizes = self.log.anchored_sizes(class).await?;
        #[cfg(feature = "timestamps")]
        if let Some(status) = self.log.anchoring() {
            let newest = match class {
                RetentionClass::BreakGlass => status.break_glass,
                _ => status.standard,
            };
            let (failures, last_error) = (status.failures, status.last_error);
            return Ok(anchors::Anchors { newest, sizes, failures, last_error });
        }
        Ok(anchors::Anchors { sizes, ..anchors::Anchors::default() })
    }

    /// Reading the log is itself recorded, before the answer.
    async fn record(
        &self,
        context: &SecurityContext,
        facts: &RequestFacts,
        action: Action,
        with: &[(&'static str, String)],
    ) -> Result<()> {
        let mut event = Event::new(&*self.clock, action, Outcome::Success)
            .in_context(context)
            .on("audit", "log");
        for (key, value) in with {
            event = event.with(key, value.as_str());
        }
        self.log.record_in(facts, event).await.map(drop)
    }
}

/// Which log.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum LogName {
    /// Everything but emergency access.
    #[default]
    Standard,
    /// Emergency access, kept for seven years.
    BreakGlass,
}

impl From<LogName> for RetentionClass {
    fn from(name: LogName) -> Self {
        match name {
            LogName::Standard => Self::Standard,
            LogName::BreakGlass => Self::BreakGlass,
        }
    }
}

/// All endpoints.
pub fn router(state: ApiState) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(events::list_events))
        .routes(routes!(events::read_event))
        .routes(routes!(events::query_events))
        .routes(routes!(events::read_stats))
        .routes(routes!(proofs::verify_log))
        .routes(routes!(proofs::read_checkpoint))
        .routes(routes!(proofs::prove_inclusion))
        .routes(routes!(proofs::prove_consistency))
        .routes(routes!(proofs::prove_range))
        .routes(routes!(proofs::read_proof))
        .routes(routes!(export::export_log))
        .routes(routes!(stream::stream_events))
        .routes(routes!(sinks::list_sinks))
        .routes(routes!(joined::list_logs))
        .routes(routes!(witness::list_witnesses))
        .routes(routes!(witness::add_checkpoint))
        .routes(routes!(witness::read_cosigned))
        .routes(routes!(anchors::list_anchors))
        .routes(routes!(anchors::read_anchor))
        .routes(routes!(actions::list_actions))
        .routes(routes!(retention::read_retention, retention::set_retention))
        .routes(routes!(retention::list_holds, retention::place_hold))
        .routes(routes!(retention::release_hold))
        .with_state(state)
}

/// Every route with its access.
#[must_use]
pub fn routes() -> Vec<Route> {
    let read = |method, path: &'static str| Route::guarded(method, path, "read", "audit");
    let list = |method, path: &'static str| Route::guarded(method, path, "list", "audit");
    vec![
        list(Method::GET, "/api/v1/audit/events"),
        read(Method::GET, "/api/v1/audit/events/{id}"),
        list(Method::POST, "/api/v1/audit/query").without_effect(),
        read(Method::GET, "/api/v1/audit/stats"),
        read(Method::GET, "/api/v1/audit/verify"),
        read(Method::GET, "/api/v1/audit/checkpoint"),
        read(Method::GET, "/api/v1/audit/proof/inclusion"),
        read(Method::GET, "/api/v1/audit/proof/consistency"),
        read(Method::GET, "/api/v1/audit/proof/range"),
        read(Method::GET, "/api/v1/audit/proof/{id}"),
        list(Method::GET, "/api/v1/audit/export"),
        list(Method::GET, "/api/v1/audit/stream"),
        read(Method::GET, "/api/v1/audit/sinks"),
        read(Method::GET, "/api/v1/audit/logs"),
        read(Method::GET, "/api/v1/audit/witnesses"),
        // By the protocol nobody signs in: the log's signature says whose checkpoint it is.
        Route::public(Method::POST, "/api/v1/audit/witness/add-checkpoint"),
        Route::public(Method::GET, "/api/v1/audit/witness/{origin_hash}/checkpoint"),
        read(Method::GET, "/api/v1/audit/anchors"),
        read(Method::GET, "/api/v1/audit/anchors/{size}"),
        read(Method::GET, "/api/v1/audit/actions"),
        read(Method::GET, "/api/v1/audit/retention"),
        Route::guarded(Method::PUT, "/api/v1/audit/retention", "admin", "audit"),
        list(Method::GET, "/api/v1/audit/holds"),
        Route::guarded(Method::POST, "/api/v1/audit/holds", "create", "audit"),
        Route::guarded(Method::DELETE, "/api/v1/audit/holds/{id}", "delete", "audit"),
    ]
}
