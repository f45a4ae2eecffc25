use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder, RecorderExt};
use prov_core::store::{Store, StoreExt, Version};
use prov_core::{
    Clock, Error, PrincipalKind, RequestFacts, Result, SecretBytes, codes as core_codes,
};
use serde::Serialize;

use super::seen::{Seen, origin_hash};
use super::submission::Submission;
use crate::codes;
use crate::merkle::{Hash, empty_root, verify_consistency};
use crate::note::{Checkpoint, Cosigner, CosignerKey, VerifierKey, open_text};
use crate::people::secret;

/// How often a request is looked at anew because another one changed what was seen meanwhile.
const ATTEMPTS: usize = 8;

/// How a [`Witness`] is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WitnessOptions {
    /// Its name in cosignatures, without a scheme: `prov.example/witness`. It must never change.
    pub name: String,
    /// The keys of the logs it watches. A log may have several, all of the log's name.
    pub logs: Vec<VerifierKey>,
    /// Where its keys are kept, and what it has seen; sealed at rest by the embedder.
    pub store: Arc<dyn Store>,
    /// Where it records what it cosigned, and what it refused.
    pub recorder: Arc<dyn Recorder>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl WitnessOptions {
    /// A witness of no log yet.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        store: Arc<dyn Store>,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { name: name.into(), logs: Vec::new(), store, recorder, clock }
    }

    /// Watches the log of this key too.
    #[must_use]
    pub fn log(mut self, key: VerifierKey) -> Self {
        self.logs.push(key);
        self
    }
}

/// A witness for the logs of others (C2SP tlog-witness): it cosigns a checkpoint only when that is
/// shown to continue the largest one it has cosigned before.
///
/// What it has seen lies in the store and is changed by compare-and-swap before anything is answered:
/// of two requests at once one wins, also when several servers with one store are the same witness.
/// It cosigns with Ed25519 and with ML-DSA-44; clients take what they know.
#[derive(Debug)]
pub struct Witness {
    cosigner: Cosigner,
    /// By the name of the log.
    logs: BTreeMap<String, Vec<VerifierKey>>,
    store: Arc<dyn Store>,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    /// Of each log the checkpoint that was refused last: nobody fills the log by repeating it.
    refused: Mutex<BTreeMap<String, (u64, Hash)>>,
}

/// What became of a checkpoint that a witness was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol has these two answers")]
pub enum Submitted {
    /// The lines with the witness's signatures.
    Cosigned(String),
    /// The proof does not begin where it must: at this size, the largest that was cosigned.
    Seen(u64),
}

/// A log that a witness watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditWatchedLog))]
#[non_exhaustive]
pub struct WatchedLog {
    /// Its name.
    pub origin: String,
    /// How many events it had when it was cosigned last; none before the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl Witness {
    /// Opens the witness; makes its keys when there are none.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for a name that can't be one; when the store can't be read.
    pub async fn open(options: WitnessOptions) -> Result<Self> {
        let WitnessOptions { name, logs, store, recorder, clock } = options;
        let seed = async |algorithm: &str| -> Result<SecretBytes> {
            secret(&*store, &format!("witness-key/{name}/{algorithm}")).await
        };
        let (ed25519, ml_dsa) = (seed("ed25519").await?, seed("ml-dsa-44").await?);
        let cosigner = Cosigner::from_seeds(&name, &ed25519, &ml_dsa)?;
        let mut known: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
        for key in logs {
            known.entry(key.name().to_owned()).or_default().push(key);
        }
        let refused = Mutex::default();
        Ok(Self { cosigner, logs: known, store, recorder, clock, refused })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.cosigner.keys()[0].name()
    }

    /// Its public keys: with Ed25519, and with ML-DSA-44. Whoever trusts this witness keeps one.
    #[must_use]
    pub fn keys(&self) -> [&CosignerKey; 2] {
        self.cosigner.keys()
    }

    /// The logs it watches, and what it has seen of them.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn logs(&self) -> Result<Vec<WatchedLog>> {
        let mut logs = Vec::with_capacity(self.logs.len());
        for origin in self.logs.keys() {
            let size = self.seen(origin).await?.map(|(seen, _)| seen.size);
            logs.push(WatchedLog { origin: origin.clone(), size });
        }
        Ok(logs)
    }

    /// Takes a request to cosign (C2SP tlog-witness, add-checkpoint).
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for what is no such request, or names an old size above the
    /// checkpoint's; [`codes::UNKNOWN_LOG`]; [`codes::NOT_SIGNED_BY_LOG`]; [`codes::NOT_CONSISTENT`]
    /// when the checkpoint is not shown to continue what was seen: the first time this is recorded, as
    /// evidence. When store or recorder can't be written: then nothing is answered.
    pub async fn add_checkpoint(&self, facts: &RequestFacts, body: &[u8]) -> Result<Submitted> {
        let asked = Submission::read(body)?;
        let keys = self.logs.get(&asked.checkpoint.origin).ok_or(codes::UNKNOWN_LOG)?;
        // Every line that says it is of a key that is known must be.
        let signed: Vec<_> = keys.iter().filter(|key| asked.claims(key)).collect();
        let is_signed = |key: &&&VerifierKey| open_text(&asked.checkpoint.note, key).is_some();
        if signed.is_empty() || !signed.iter().all(|key| is_signed(&key)) {
            return Err(codes::NOT_SIGNED_BY_LOG.into());
        }
        if asked.old > asked.checkpoint.size {
            let what = "the old size is more than the size of the checkpoint";
            return Err(Error::new(core_codes::INVALID_REQUEST).field("old", what));
        }
        for _ in 0..ATTEMPTS {
            match self.try_cosign(facts, &asked, keys).await {
                Err(error) if error.is(core_codes::CONFLICT) => {}
                other => return other,
            }
        }
        Err(Error::new(core_codes::CONFLICT).context("cosigning a checkpoint"))
    }

    async fn try_cosign(
        &self,
        facts: &RequestFacts,
        asked: &Submission<'_>,
        keys: &[VerifierKey],
    ) -> Result<Submitted> {
        let seen = self.seen(&asked.checkpoint.origin).await?;
        let size = seen.as_ref().map_or(0, |(seen, _)| seen.size);
        if asked.old != size {
            return Ok(Submitted::Seen(size));
        }
        let root = seen.as_ref().map_or(Ok(empty_root()), |(seen, _)| seen.root())?;
        if !continues(asked, &root) {
            return Err(self.refuse(facts, &asked.checkpoint, (size, &root)).await);
        }
        let checkpoint = &asked.checkpoint;
        let lines = self.cosigner.cosign(checkpoint, asked.text, self.clock.now())?;
        let note = asked.note_with(|line| keys.iter().any(|key| key.claims(line))) + &lines;
        let next = Seen {
            witness: self.name().to_owned(),
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            root: hex::encode(checkpoint.root),
            note,
        };
        match seen {
            Some((_, version)) => self.store.replace(version, &next).await?,
            None => self.store.create(&next).await?,
        };
        let event = self.event(Action::AUDIT_WITNESS_COSIGN, Outcome::Success, checkpoint);
        self.recorder.record_in(facts, event.with("from_size", size)).await?;
        Ok(Submitted::Cosigned(lines))
    }

    /// The refusal of a checkpoint that its log signed and that is not shown to continue what was
    /// seen. The log signed both: together they may show that it was forked.
    async fn refuse(
        &self,
        facts: &RequestFacts,
        checkpoint: &Checkpoint,
        (size, root): (u64, &Hash),
    ) -> Error {
        let refused = (checkpoint.size, checkpoint.root);
        let known = self.refused.lock().insert(checkpoint.origin.clone(), refused);
        if known != Some(refused) {
            let event = self
                .event(Action::AUDIT_WITNESS_REFUSE, Outcome::Denied, checkpoint)
                .with("from_size", size)
                .with("from_root", hex::encode(root))
                .with("checkpoint", checkpoint.note.as_str());
            if let Err(error) = self.recorder.record_in(facts, event).await {
                self.refused.lock().remove(&checkpoint.origin);
                return error;
            }
            tracing::warn!(origin = checkpoint.origin, "a log that is watched may be forked");
        }
        codes::NOT_CONSISTENT.into()
    }

    /// The newest checkpoint of a log that it cosigned, with its signatures: of the log whose name has
    /// this SHA-256, in lower-case hexadecimal.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_LOG`] when it never cosigned one; when the store can't be read.
    pub async fn checkpoint(&self, of: &str) -> Result<String> {
        let known = self.logs.keys().any(|origin| origin_hash(origin) == of);
        if !known {
            return Err(codes::UNKNOWN_LOG.into());
        }
        let seen = self.store.load::<Seen>(&Seen::id_of(self.name(), of)).await?;
        seen.map(|seen| seen.entity.note).ok_or_else(|| codes::UNKNOWN_LOG.into())
    }

    async fn seen(&self, origin: &str) -> Result<Option<(Seen, Version)>> {
        let id = Seen::id_of(self.name(), &origin_hash(origin));
        let stored = self.store.load::<Seen>(&id).await?;
        Ok(stored.map(|stored| (stored.entity, stored.version)))
    }

    fn event(&self, action: Action, outcome: Outcome, checkpoint: &Checkpoint) -> Event {
        let actor = Actor::account(PrincipalKind::System, "system:audit-witness", "audit-witness");
        Event::new(&*self.clock, action, outcome)
            .by(actor)
            .on("audit_log", checkpoint.origin.clone())
            .with("witness", self.name())
            .with("size", checkpoint.size)
            .with("root", hex::encode(checkpoint.root))
    }
}

/// Whether a checkpoint is shown to continue the tree of the old size with this root.
fn continues(asked: &Submission<'_>, root: &Hash) -> bool {
    let checkpoint = &asked.checkpoint;
    let is_empty = checkpoint.size == 0;
    (!is_empty || checkpoint.root == empty_root())
        && verify_consistency((asked.old, root), (checkpoint.size, &checkpoint.root), &asked.proof)
}

impl Submission<'_> {
    /// Whether a signature says that it is of this key.
    fn claims(&self, key: &VerifierKey) -> bool {
        self.lines.iter().any(|line| key.claims(line))
    }
}

impl Seen {
    fn root(&self) -> Result<Hash> {
        let mut root = [0; 32];
        hex::decode_to_slice(&self.root, &mut root).map_err(|e| {
            Error::new(codes::DAMAGED).context("reading what a witness has seen").source(e)
        })?;
        Ok(root)
    }
}
