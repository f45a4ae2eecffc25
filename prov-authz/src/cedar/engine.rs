//! The engine itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use prov_core::{Clock, Error, Health, HealthCheck, Result};

use super::context_of;
use super::evaluate::Evaluated;
use super::held::hold;
use super::prepare::prepare;
use super::snapshot::Snapshot;
use super::status::{Counters, EngineStats, LoadFailure, PolicySource, PolicyStatus};
use crate::anatomy::Sources;
use crate::explain::{Explanation, Grounds, explain};
use crate::load::{compile, findings_of_draft, first_address, refusal};
use crate::{
    AccessRequest, CedarOptions, Decision, DecisionId, DecisionIds, Finding, PolicyEngine,
    PolicyFiles, PolicyInfo, Revision, SourceFile,
};

/// Decides by Cedar policies.
///
/// * A set goes live only as a whole: schema, policies and all that is derived from them are one
///   immutable snapshot behind one atomic pointer. A request sees one snapshot from start to end.
/// * A set goes live only when it is valid: it parses, every policy has a unique `@id` and a
///   `@description`, strict validation against the schema finds nothing, and the schema has what prov
///   asks. Otherwise the set in force stays, and [`status`](Self::status) says why.
/// * An error inside any policy denies. Cedar by itself passes an erring policy over, so that a
///   forbid that fails would permit.
#[derive(Debug)]
pub struct CedarEngine {
    live: ArcSwap<Snapshot>,
    last_failure: Mutex<Option<LoadFailure>>,
    options: CedarOptions,
    clock: Arc<dyn Clock>,
    ids: DecisionIds,
    counters: Counters,
}

/// A set that was found valid and is not in force yet; see [`CedarEngine::install`].
#[derive(Debug)]
pub struct Candidate(Snapshot);

impl Candidate {
    /// Its revision.
    #[must_use]
    pub fn revision(&self) -> &Revision {
        &self.0.compiled.revision
    }

    /// The number of its policies.
    #[must_use]
    pub fn policies(&self) -> usize {
        self.0.compiled.documents.len()
    }
}

impl CedarEngine {
    /// An engine over the policies that are built in.
    ///
    /// # Errors
    /// [`POLICIES_INVALID`](crate::codes::POLICIES_INVALID) when the options name no network; when
    /// the operating system gives no randomness.
    pub fn shipped(clock: Arc<dyn Clock>, options: CedarOptions) -> Result<Self> {
        Self::new(&PolicyFiles::shipped(), PolicySource::BuiltIn, clock, options)
    }

    /// An engine over the policies of a directory: `schema.cedarschema` and `*.cedar`.
    ///
    /// # Errors
    /// [`POLICIES_INVALID`](crate::codes::POLICIES_INVALID) naming file, line, policy and remedy of
    /// everything that is wrong; when the operating system gives no randomness.
    pub fn open(directory: &Path, clock: Arc<dyn Clock>, options: CedarOptions) -> Result<Self> {
        let files = PolicyFiles::read(directory).map_err(|findings| refusal(&findings))?;
        Self::new(&files, PolicySource::Directory, clock, options)
    }

    /// An engine over any files.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_files(
        files: &PolicyFiles,
        clock: Arc<dyn Clock>,
        options: CedarOptions,
    ) -> Result<Self> {
        Self::new(files, PolicySource::BuiltIn, clock, options)
    }

    fn new(
        files: &PolicyFiles,
        source: PolicySource,
        clock: Arc<dyn Clock>,
        options: CedarOptions,
    ) -> Result<Self> {
        let compiled = compile(files, &options).map_err(|findings| refusal(&findings))?;
        let snapshot = Snapshot::new(compiled, clock.now(), source, None)?;
        Ok(Self {
            live: ArcSwap::from_pointee(snapshot),
            last_failure: Mutex::new(None),
            options,
            clock,
            ids: DecisionIds::new()?,
            counters: Counters::default(),
        })
    }

    /// Reads and validates a directory without putting it in force. A refusal is remembered in
    /// [`status`](Self::status) until a set goes live.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn candidate(&self, directory: &Path) -> Result<Candidate> {
        let read = PolicyFiles::read(directory).and_then(|files| compile(&files, &self.options));
        match read {
            Ok(compiled) => {
                let (now, before) = (self.clock.now(), self.live.load());
                Snapshot::new(compiled, now, PolicySource::Directory, Some(&**before))
                    .map(Candidate)
            }
            Err(findings) => {
                self.counters.reload_failures.fetch_add(1, Ordering::Relaxed);
                let error = refusal(&findings);
                *self.last_failure.lock() = Some(LoadFailure::new(self.clock.now(), findings));
                Err(error)
            }
        }
    }

    /// Puts a candidate in force: one atomic store, after which every new decision is its.
    pub fn install(&self, candidate: Candidate) -> Revision {
        let revision = candidate.revision().clone();
        let mut last_failure = self.last_failure.lock();
        self.live.store(Arc::new(candidate.0));
        *last_failure = None;
        self.counters.reloads.fetch_add(1, Ordering::Relaxed);
        revision
    }

    /// Replaces the set in force by that of a directory, or leaves it as it is. Leaves no audit
    /// event; see [`PolicyReloader`](crate::PolicyReloader), which does.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reload_from(&self, directory: &Path) -> Result<Revision> {
        self.candidate(directory).map(|candidate| self.install(candidate))
    }

    /// What is in force, and what was refused last.
    #[must_use]
    pub fn status(&self) -> PolicyStatus {
        // Taken before the snapshot, so that both belong together.
        let last_failure = self.last_failure.lock();
        let live = self.live.load();
        PolicyStatus {
            revision: live.compiled.revision.clone(),
            policies: live.compiled.documents.len(),
            source: live.source,
            loaded_at: live.loaded_at,
            last_failure: last_failure.clone(),
        }
    }

    /// What it did since it was made.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        self.counters.read()
    }

    /// The policies in force, by id.
    #[must_use]
    pub fn policies(&self) -> Vec<PolicyInfo> {
        self.live.load().compiled.documents.values().cloned().collect()
    }

    /// One policy in force.
    #[must_use]
    pub fn policy(&self, id: &str) -> Option<PolicyInfo> {
        self.live.load().compiled.documents.get(id).cloned()
    }

    /// The schema in force.
    #[must_use]
    pub fn schema_text(&self) -> String {
        self.live.load().compiled.schema_text.clone()
    }

    /// The actions that can be done to a resource of this type, sorted.
    #[must_use]
    pub fn actions_on(&self, kind: &str) -> Vec<String> {
        let live = self.live.load();
        let applies = live
            .compiled
            .facts
            .actions
            .iter()
            .filter(|(_, action)| action.resources.iter().any(|known| known == kind));
        applies.map(|(name, _)| name.clone()).collect()
    }

    /// What is wrong with the text of a policy file that is not in force, held against the schema
    /// that is; empty when nothing is.
    #[must_use]
    pub fn validate_draft(&self, text: &str) -> Vec<Finding> {
        findings_of_draft(&self.live.load().compiled.facts, SourceFile::new("draft.cedar", text))
    }

    /// Why the answer is what it is, and what would change it. Costs up to a few dozen decisions.
    ///
    /// # Errors
    /// As [`PolicyEngine::check`].
    pub fn explain(&self, request: &AccessRequest<'_>) -> Result<Explanation> {
        let live = self.live.load();
        let prepared = prepare(&live, &hold(&live, request)?)?;
        let grounds = Grounds {
            policies: &live.compiled.policies,
            sources: Sources(&live.compiled.documents),
            request: &prepared.request,
            entities: &prepared.entities,
            corporate: first_address(&self.options),
            decide: &|changed| self.decide_by(&live, changed),
            context: &|changed| context_of(&changed.circumstances, changed.claims),
        };
        Ok(explain(&grounds, request))
    }

    /// Decides by this snapshot, uncounted.
    pub(super) fn decide_by(&self, live: &Snapshot, asked: &AccessRequest<'_>) -> Decision {
        let id = self.ids.next(asked.circumstances.time);
        let revision = live.compiled.revision.clone();
        let evaluated =
            hold(live, asked).and_then(|held| live.evaluate(&held, &live.candidates(&held)));
        match evaluated {
            Ok(Evaluated { allowed, policies, errors }) => {
                let decision = verdict(allowed, policies, id, revision);
                decision.with_errors(errors.into_iter().map(|error| error.message).collect())
            }
            Err(error) => refused(&error, id, revision),
        }
    }
}

fn verdict(allowed: bool, policies: Vec<String>, id: DecisionId, revision: Revision) -> Decision {
    if allowed {
        Decision::allow(policies, id, revision)
    } else {
        Decision::deny(policies, id, revision)
    }
}

fn refused(error: &Error, id: DecisionId, revision: Revision) -> Decision {
    let mut errors: Vec<_> = error
        .fields()
        .iter()
        .map(|field| format!("`{}`: {}", field.field, field.message))
        .collect();
    if errors.is_empty() {
        errors.push(error.to_string());
    }
    Decision::deny(Vec::new(), id, revision).with_errors(errors)
}

impl PolicyEngine for CedarEngine {
    fn decide(&self, request: &AccessRequest<'_>) -> Decision {
        let decision = self.decide_by(&self.live.load(), request);
        self.counters.count(decision.allowed, !decision.errors.is_empty());
        decision
    }

    fn check(&self, request: &AccessRequest<'_>) -> Result<()> {
        let live = self.live.load();
        let held = hold(&live, request)?;
        if held.may_contradict() { prepare(&live, &held).map(drop) } else { Ok(()) }
    }

    fn revision(&self) -> Revision {
        self.live.load().compiled.revision.clone()
    }
}

/// Up; degraded while the set in force is not the newest one that somebody tried to load.
#[async_trait]
impl HealthCheck for CedarEngine {
    fn component(&self) -> &'static str {
        "policies"
    }

    async fn health(&self) -> Health {
        match &self.status().last_failure {
            None => Health::up(),
            // The findings quote the draft, which is nobody's business who only asks how the server is.
            Some(failure) => Health::degraded(format!(
                "a newer policy set was refused for {} findings and the one before it is in force; \
                 the statistics of the policies say why",
                failure.findings.len()
            )),
        }
    }
}
