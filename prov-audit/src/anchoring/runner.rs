use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use jiff::Timestamp;
use parking_lot::Mutex;
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder, RetentionClass};
use prov_core::{Error, PrincipalKind, Result, codes as core_codes};
use serde::Serialize;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{sleep, timeout};

use super::AnchoringOptions;
use super::request::TsaRequest;
use super::token::verify_token;
use crate::anchors::{self, Anchor, Kept, read_all};
use crate::codes;
use crate::files::io_error;
use crate::log::{CLASSES, Log, api_name, blocking, place};
use crate::note::{Checkpoint, open};
use crate::sink::{Client, Target, TargetOptions};

/// Has the checkpoints of a log time-stamped: see [the module](crate::anchoring).
#[derive(Debug)]
pub struct Anchoring {
    log: Arc<Log>,
    options: AnchoringOptions,
    shared: Arc<Shared>,
    client: AsyncMutex<Client>,
}

/// What whoever asks the authority, and whoever looks at it, share.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<State>);

#[derive(Debug, Clone, Default)]
struct State {
    newest: [Option<Anchor>; 2],
    failures: u64,
    last_error: Option<String>,
    told: bool,
}

/// How far the log is time-stamped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditAnchoring))]
#[non_exhaustive]
pub struct AnchoringStatus {
    /// The newest time stamp of the standard log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard: Option<Anchor>,
    /// The newest of emergency access.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<Anchor>,
    /// How often it failed since it last did not.
    pub failures: u64,
    /// Why it failed last, while it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl Log {
    /// Has its checkpoints time-stamped as soon as somebody [runs](Anchoring::run) what this gives.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for options that make no sense, and the second time.
    pub async fn add_anchoring(
        self: &Arc<Self>,
        options: AnchoringOptions,
    ) -> Result<Arc<Anchoring>> {
        options.check()?;
        // Only a hash is sent, and what comes back is signed.
        let target = Target::of_web(&options.url, &TargetOptions::default().insecure(true))?;
        let shared = Arc::new(Shared::default());
        for class in CLASSES {
            let newest = newest_kept(self, class, &options).await?;
            if let Some(place) = shared.0.lock().newest.get_mut(place(class)) {
                *place = newest;
            }
        }
        self.anchoring.set(Arc::clone(&shared)).map_err(|_| {
            Error::new(core_codes::INVALID_REQUEST).detail("the log is time-stamped already")
        })?;
        let client = AsyncMutex::new(Client::new(target));
        Ok(Arc::new(Anchoring { log: Arc::clone(self), options, shared, client }))
    }

    /// How far the log is time-stamped; `None` when nobody was told to.
    #[must_use]
    pub fn anchoring(&self) -> Option<AnchoringStatus> {
        let State { newest: [standard, break_glass], failures, last_error, .. } =
            self.anchoring.get()?.0.lock().clone();
        Some(AnchoringStatus { standard, break_glass, failures, last_error })
    }
}

/// The newest time stamp that was kept and holds.
async fn newest_kept(
    log: &Log,
    class: RetentionClass,
    options: &AnchoringOptions,
) -> Result<Option<Anchor>> {
    let (journal, roots) = (Arc::clone(log.journal(class)), options.roots.clone());
    blocking(move || {
        let all = read_all(journal.dir()).map_err(|e| io_error(e, "reading time stamps"))?;
        let holds = |kept: &Kept| {
            let note = std::str::from_utf8(&kept.note).ok()?;
            let checkpoint = open(note, journal.key().verifier())?;
            let answer = kept.answer.as_ref()?;
            let stamped = verify_token(answer, &kept.note, None, &roots, None).ok()?;
            Some(Anchor { size: checkpoint.size, time: stamped.time })
        };
        Ok(all.iter().rev().find_map(holds))
    })
    .await
}

impl Anchoring {
    /// Asks now and then until `shutdown` ends. Run a second time while it runs it waits for its turn.
    pub async fn run(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        let rounds = async {
            let mut client = self.client.lock().await;
            loop {
                let rest = self.round(&mut client).await;
                sleep(rest).await;
            }
        };
        tokio::select! {
            () = rounds => {}
            () = shutdown => {}
        }
    }

    /// Has what is due time-stamped; says how long nothing is.
    async fn round(&self, client: &mut Client) -> Duration {
        let mut outcome = Ok(());
        let mut rest = self.options.every;
        for class in CLASSES {
            let newest = self.shared.0.lock().newest.get(place(class)).cloned().flatten();
            let checkpoint = self.log.newest_checkpoint(class);
            let due = newest.as_ref().map_or(Duration::ZERO, |newest| self.due_in(newest.time));
            if !due.is_zero() {
                rest = rest.min(due);
            } else if newest.is_none_or(|newest| newest.size < checkpoint.size) {
                let stamped = self.stamp(client, class, &checkpoint).await;
                outcome = outcome.and(stamped);
            } else {
                // Due, and nothing has come: what comes next is not to wait as long again.
                rest = rest.min(self.options.rest);
            }
        }
        if outcome.is_err() {
            rest = rest.min(self.options.rest);
        }
        self.tell(outcome).await;
        rest.max(Duration::from_millis(10))
    }

    fn due_in(&self, last: Timestamp) -> Duration {
        let age = self.log.clock().now().duration_since(last);
        self.options.every.saturating_sub(age.unsigned_abs())
    }

    async fn stamp(
        &self,
        client: &mut Client,
        class: RetentionClass,
        checkpoint: &Checkpoint,
    ) -> Result<()> {
        let asked = timeout(self.options.patience, self.ask(client, &checkpoint.note));
        let (answer, time) = asked.await.unwrap_or_else(|_| {
            let patience = self.options.patience.as_secs_f32();
            Err(failed(format!("did not answer within {patience} s")))
        })?;
        let (journal, size, note) =
            (Arc::clone(self.log.journal(class)), checkpoint.size, checkpoint.note.clone());
        blocking(move || {
            anchors::write(journal.dir(), size, &note, &answer)
                .map_err(|e| io_error(e, "keeping a time stamp"))
        })
        .await?;
        let anchor = Anchor { size, time };
        let event = self
            .event(Action::AUDIT_ANCHOR, Outcome::Success)
            .with("log", api_name(class))
            .with("size", size)
            .with("time", time.to_string());
        self.log.record(event).await?;
        if let Some(place) = self.shared.0.lock().newest.get_mut(place(class)) {
            *place = Some(anchor);
        }
        Ok(())
    }

    /// Asks the authority about a checkpoint, and believes nothing that does not hold.
    async fn ask(&self, client: &mut Client, note: &str) -> Result<(Vec<u8>, Timestamp)> {
        let asked = TsaRequest::about(note.as_bytes())?;
        let mut request = Request::new(Bytes::from(asked.der));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = client
            .target()
            .path()
            .parse()
            .map_err(|e| failed("its URL has no path for a request".to_owned()).source(e))?;
        let kind = HeaderValue::from_static("application/timestamp-query");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        let answer = client.send(request).await?.well()?.body.to_vec();
        let (options, now) = (self.options.clone(), self.log.clock().now());
        let note = note.to_owned();
        blocking(move || {
            let stamped = verify_token(
                &answer,
                note.as_bytes(),
                Some(&asked.nonce),
                &options.roots,
                Some(now),
            );
            let time = stamped.map_err(failed)?.time;
            let skew = time.duration_since(now).unsigned_abs();
            if skew > options.skew {
                return Err(failed(format!("its clock is {} s from ours", skew.as_secs())));
            }
            Ok((answer, time))
        })
        .await
    }

    async fn tell(&self, outcome: Result<()>) {
        let event = {
            let mut state = self.shared.0.lock();
            match outcome {
                Ok(()) => {
                    (state.failures, state.last_error) = (0, None);
                    std::mem::take(&mut state.told)
                        .then(|| self.event(Action::AUDIT_ANCHOR_RESUMED, Outcome::Success))
                }
                Err(error) => {
                    let reason = error.public_detail().to_owned();
                    tracing::warn!(reason, "the audit log could not be time-stamped");
                    state.failures += 1;
                    state.last_error = Some(reason.clone());
                    let event = self.event(Action::AUDIT_ANCHOR_FAILING, Outcome::Failure);
                    let is_new = !std::mem::replace(&mut state.told, true);
                    is_new.then(|| event.with("reason", reason))
                }
            }
        };
        let Some(event) = event else { return };
        if self.log.record(event).await.is_err() {
            let mut state = self.shared.0.lock();
            state.told = state.told && state.failures == 0;
        }
    }

    fn event(&self, action: Action, outcome: Outcome) -> Event {
        let actor = Actor::account(PrincipalKind::System, "system:audit-log", "audit-log");
        Event::new(self.log.clock(), action, outcome).by(actor).on("audit", "log")
    }
}

fn failed(what: String) -> Error {
    Error::new(codes::TSA_FAILED).detail(what)
}
