use std::sync::Arc;

use futures_util::future::join_all;
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder, RetentionClass};
use prov_core::{Error, PrincipalKind, Result, codes as core_codes};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::WitnessingOptions;
use super::peer::Peer;
use super::shared::{Shared, Told, said};
use crate::codes;
use crate::files::io_error;
use crate::journal::Journal;
use crate::log::{CLASSES, Log, blocking};
use crate::witness::{WitnessingStatus, read_cosigned, write_cosigned};

/// Asks the witnesses of a log: see [the module](crate::witnessing).
#[derive(Debug)]
pub struct Witnessing {
    log: Arc<Log>,
    options: WitnessingOptions,
    shared: Arc<Shared>,
    peers: Mutex<Vec<Peer>>,
    /// One writes what was gathered, and then the next: each has at least what the one before had.
    keeping: Mutex<()>,
}

impl Log {
    /// Has its checkpoints cosigned as soon as somebody [runs](Witnessing::run) what this gives.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for options that make no sense, or name a second key with which the log
    /// does not sign, and the second time.
    /// [`codes::ROLLED_BACK`] when witnesses have cosigned more events than the log has.
    pub async fn add_witnesses(
        self: &Arc<Self>,
        options: WitnessingOptions,
    ) -> Result<Arc<Witnessing>> {
        options.check()?;
        let shared = Arc::new(Shared::new(options.policy.clone()));
        for class in CLASSES {
            let journal = Arc::clone(self.journal(class));
            signs_as_wanted(&journal, &options)?;
            let kept = blocking(move || {
                read_cosigned(journal.dir(), journal.key().verifier())
                    .map_err(|e| io_error(e, "reading the cosigned checkpoint"))
            });
            match kept.await? {
                Ok(None) => {}
                Ok(Some(kept)) if kept.size > self.newest_checkpoint(class).size => {
                    return Err(codes::ROLLED_BACK.into());
                }
                Ok(Some(kept)) => shared.resume(class, &kept),
                // Verifying finds it; the next one takes its place.
                Err(()) => tracing::error!(?class, "the cosigned checkpoint is damaged"),
            }
        }
        let mut peers = Vec::new();
        for (at, witness) in options.policy.witnesses().iter().enumerate() {
            if let Some(mut peer) = Peer::new(at, witness, &options.target)? {
                peer.seen = shared.seen(at);
                peers.push(peer);
            }
        }
        self.witnessing.set(Arc::clone(&shared)).map_err(|_| {
            Error::new(core_codes::INVALID_REQUEST).detail("the log has its witnesses already")
        })?;
        let (log, peers, keeping) = (Arc::clone(self), Mutex::new(peers), Mutex::default());
        Ok(Arc::new(Witnessing { log, options, shared, peers, keeping }))
    }

    /// How far its witnesses are, and how each of them is; `None` without any.
    #[must_use]
    pub fn witnessing(&self) -> Option<WitnessingStatus> {
        let sizes = CLASSES.map(|class| self.size(class));
        self.witnessing.get().map(|shared| shared.status(sizes))
    }
}

/// What a policy wants of the log itself it must do, or nothing that is kept would be believed.
fn signs_as_wanted(journal: &Journal, options: &WitnessingOptions) -> Result<()> {
    let log = journal.key().verifier().name();
    let wanted = options.policy.wanted_ml_dsa_44(log);
    if wanted.is_empty() || journal.second_key().is_some_and(|key| wanted.contains(&key)) {
        return Ok(());
    }
    let what =
        format!("the policy names a key for ML-DSA-44 with which the log `{log}` does not sign");
    Err(Error::new(core_codes::INVALID_REQUEST).detail(what))
}

impl Witnessing {
    /// Asks now and then until `shutdown` ends. Run a second time while it runs it waits for its turn.
    pub async fn run(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        let rounds = async {
            let mut peers = self.peers.lock().await;
            loop {
                for class in CLASSES {
                    self.shared.begin(class, self.log.newest_checkpoint(class));
                }
                join_all(peers.iter_mut().map(|peer| self.visit(peer))).await;
                sleep(self.options.every).await;
            }
        };
        tokio::select! {
            () = rounds => {}
            () = shutdown => {}
        }
    }

    /// Asks one witness about every log.
    async fn visit(&self, peer: &mut Peer) {
        let (at, mut asked, mut outcome) = (peer.at, false, Ok(()));
        for class in CLASSES {
            let Some(checkpoint) = self.shared.wanted(class, at) else { continue };
            asked = true;
            let answer = timeout(self.options.patience, peer.cosign(&self.log, class, &checkpoint));
            let answer = answer.await.unwrap_or_else(|_| {
                let patience = self.options.patience.as_secs_f32();
                let what = format!("did not answer within {patience} s");
                Err(Error::new(codes::WITNESS_FAILED).detail(what))
            });
            match answer {
                Ok(cosignature) => {
                    self.shared.cosigned(class, at, &checkpoint, cosignature);
                    self.keep(class).await;
                }
                // That it refuses one log weighs more than that it fails with the other.
                Err(error) if error.is(codes::NOT_CONSISTENT) || outcome.is_ok() => {
                    outcome = Err(error);
                }
                Err(_) => {}
            }
        }
        if asked {
            self.tell(at, &outcome).await;
        }
    }

    /// Keeps what was gathered, when it is enough.
    async fn keep(&self, class: RetentionClass) {
        let _turn = self.keeping.lock().await;
        let Some((checkpoint, time)) = self.shared.enough(class) else { return };
        let journal = Arc::clone(self.log.journal(class));
        let size = checkpoint.size;
        let written = blocking(move || {
            write_cosigned(journal.dir(), &checkpoint.note)
                .map_err(|e| io_error(e, "keeping a cosigned checkpoint"))
        });
        match written.await {
            Ok(()) => self.shared.kept(class, size, time),
            Err(error) => tracing::warn!(?error, "a cosigned checkpoint could not be kept"),
        }
    }

    async fn tell(&self, at: usize, outcome: &Result<()>) {
        let told = self.shared.asked(at, outcome);
        let Some(witness) = self.options.policy.witnesses().get(at) else { return };
        let name = &witness.name;
        if let Err(error) = outcome {
            tracing::debug!(witness = name, ?error, "a witness did not cosign");
        }
        let event = match (told, outcome) {
            (Some(Told::Failing), Err(error)) => {
                let reason = said(error);
                tracing::warn!(
                    witness = name,
                    reason,
                    "a witness of the audit log does not cosign"
                );
                self.event(Action::AUDIT_WITNESS_FAILING, Outcome::Failure, name)
                    .with("refuses", error.is(codes::NOT_CONSISTENT))
                    .with("reason", reason)
            }
            (Some(Told::Resumed), _) => {
                tracing::info!(witness = name, "a witness of the audit log cosigns again");
                self.event(Action::AUDIT_WITNESS_RESUMED, Outcome::Success, name)
            }
            _ => return,
        };
        if self.log.record(event).await.is_err() && told == Some(Told::Failing) {
            self.shared.untold(at);
        }
    }

    fn event(&self, action: Action, outcome: Outcome, name: &str) -> Event {
        let actor = Actor::account(PrincipalKind::System, "system:audit-log", "audit-log");
        Event::new(self.log.clock(), action, outcome).by(actor).on("audit_witness", name)
    }
}
