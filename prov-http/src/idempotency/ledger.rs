//! Which keyed requests were begun, and how they ended.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use prov_core::store::{Batch, Entity, Expect, Store, StoreExt, Stored, Version};
use prov_core::{Clock, Error, Result, Timestamp, codes as core_codes, random};

use super::IdempotencyOptions;
use super::budget::Budget;
use super::record::{Answer, KeyedRequest};
use super::running::{Run, Running};
use crate::codes;

/// How long another server is believed to be still at work on a request. Nobody waits longer for an
/// answer; what has not ended by then has no known end.
const ELSEWHERE: Duration = Duration::from_mins(1);
/// When it makes sense to ask again while a request is running.
const SOON: Duration = Duration::from_secs(1);

/// Who asks for what, under which key.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) caller: String,
    pub(super) key: String,
}

impl Call {
    pub(super) fn new(caller: &str, parts: (&str, &str), key: String) -> Self {
        let (method, path) = parts;
        let id = hash(&[caller.as_bytes(), method.as_bytes(), path.as_bytes(), key.as_bytes()]);
        Self { id, caller: caller.to_owned(), key }
    }

    /// What must be the same when it is sent again.
    pub(super) fn fingerprint(&self, parts: &Parts, body: &[u8]) -> String {
        let query = parts.uri.query().unwrap_or_default();
        let kind = parts.headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        hash(&[self.key.as_bytes(), query.as_bytes(), kind, body])
    }
}

/// SHA-256 over the parts, each with its length before it.
fn hash(parts: &[&[u8]]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    hex::encode(context.finish())
}

/// A request that is ours to do.
#[derive(Debug)]
pub(super) struct Claim {
    record: KeyedRequest,
    version: Version,
    // While this lives, the same request is told to wait.
    _run: Run,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Do it, then settle the claim.
    Do(Box<Claim>),
    /// It was done.
    Done(Answer),
}

#[derive(Debug)]
pub(super) struct Ledger {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    pub(super) options: IdempotencyOptions,
    run: String,
    running: Running,
    budget: Budget,
}

impl Ledger {
    pub(super) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        options: IdempotencyOptions,
    ) -> Result<Self> {
        let run = hex::encode(random::bytes::<16>()?);
        let budget = Budget::new(options.keys_per_caller, options.keep);
        Ok(Self { store, clock, options, run, running: Running::default(), budget })
    }

    /// Takes the request on, or says what became of it.
    pub(super) async fn claim(&self, call: &Call, fingerprint: String) -> Result<Verdict> {
        let Some(run) = self.running.begin(&call.id) else { return Err(is_running(SOON)) };
        if let Some(known) = self.store.load::<KeyedRequest>(&call.id).await? {
            return self.known(known, &fingerprint);
        }
        self.budget.take(&call.caller, self.clock.monotonic())?;
        let now = self.clock.now();
        let record = KeyedRequest {
            id: call.id.clone(),
            fingerprint,
            node: self.options.node.clone(),
            run: self.run.clone(),
            began_at: now,
            ends_at: now.checked_add(self.options.keep).unwrap_or(Timestamp::MAX),
            answer: None,
        };
        match self.store.create(&record).await {
            Ok(version) => Ok(Verdict::Do(Box::new(Claim { record, version, _run: run }))),
            // Another server was faster.
            Err(error) if error.is(core_codes::CONFLICT) => Err(is_running(SOON)),
            Err(error) => Err(error),
        }
    }

    fn known(&self, known: Stored<KeyedRequest>, fingerprint: &str) -> Result<Verdict> {
        let known = known.entity;
        if known.fingerprint != fingerprint {
            return Err(Error::new(codes::IDEMPOTENCY_KEY_REUSED).detail(
                "this `Idempotency-Key` came with another body or query before; make a new key",
            ));
        }
        if let Some(answer) = known.answer {
            return Ok(Verdict::Done(answer));
        }
        // Not in this run, or it would be among those that are running; not in an earlier run of
        // this server, which has ended.
        if known.node != self.options.node {
            let age = self.clock.now().duration_since(known.began_at);
            let age = Duration::try_from(age).unwrap_or_default();
            if let Some(rest) = ELSEWHERE.checked_sub(age) {
                return Err(is_running(rest.max(SOON)));
            }
        }
        Err(Error::new(codes::IDEMPOTENT_OUTCOME_UNKNOWN).detail(
            "the request with this `Idempotency-Key` ended without an answer and is not done again; \
             see whether it took effect, and use a new key if not",
        ))
    }

    /// Remembers how a request ended that was done.
    pub(super) async fn settle(&self, claim: Claim, answer: Answer) {
        let record = KeyedRequest { answer: Some(answer), ..claim.record };
        if let Err(error) = self.store.replace(claim.version, &record).await {
            tracing::error!(?error, "an answer was not kept: a repetition will not get it");
        }
    }

    /// Forgets a request for which nothing was done.
    pub(super) async fn release(&self, claim: Claim) {
        let key = KeyedRequest::key(claim.record.id.clone());
        let batch = Batch::new().delete(key, Expect::Version(claim.version));
        if let Err(error) = self.store.commit(batch).await {
            tracing::error!(?error, "an `Idempotency-Key` could not be freed");
        }
    }
}

fn is_running(wait: Duration) -> Error {
    Error::new(codes::IDEMPOTENT_REQUEST_RUNNING).retry_after(wait)
}
