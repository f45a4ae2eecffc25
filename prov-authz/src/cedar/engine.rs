//! The engine itself.

mod explaining;
mod granting;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use prov_core::{Clock, Error, Health, HealthCheck, Result, Timestamp};

use super::evaluate::Evaluated;
use super::granted::Granted;
use super::held::{Doing, hold};
use super::live::{Live, unfit, with_directory};
use super::prepare::prepare;
use super::snapshot::Snapshot;
use super::status::{Counters, EngineStats, LoadFailure, PolicySource, PolicyStatus};
use crate::entities::{Change, Drafts, Misplaced, Origin, read_entities};
use crate::load::{
    Compiled, Compiler, ENTITIES_FILE, Provenance, SchemaFacts, findings_of_draft, refusal,
};
use crate::{
    AccessRequest, CedarOptions, Decision, DecisionId, DecisionIds, EntitiesSnapshot, EntityRef,
    Finding, PolicyEngine, PolicyFiles, PolicyInfo, Revision, SourceFile,
};

/// Decides by Cedar policies.
///
/// * A set goes live only as a whole: schema, policies, entities and all that is derived from them
///   are one immutable snapshot behind one atomic pointer. A request sees one snapshot from start to
///   end.
/// * A set goes live only when it is valid: it parses, every policy has a unique `@id` and a
///   `@description`, strict validation against the schema finds nothing, and the schema has what prov
///   asks. Otherwise the set in force stays, and [`status`](Self::status) says why.
/// * An error inside any policy denies. Cedar by itself passes an erring policy over, so that a
///   forbid that fails would permit.
#[derive(Debug)]
pub struct CedarEngine {
    live: ArcSwap<Live>,
    /// Held by whoever makes the next snapshot out of the one in force.
    changing: Mutex<()>,
    compiler: Compiler,
    last_failure: Mutex<Option<LoadFailure>>,
    options: CedarOptions,
    clock: Arc<dyn Clock>,
    ids: DecisionIds,
    counters: Counters,
}

/// A set that was found valid and is not in force yet; see [`CedarEngine::install`].
#[derive(Debug)]
pub struct Candidate(Snapshot);

/// A candidate that is asked and decides nothing.
#[derive(Debug)]
pub(crate) struct Trial {
    set: Arc<Snapshot>,
    /// The grants in force, over the templates of the candidate: made anew when others are.
    granted: ArcSwap<Granted>,
}

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

    pub(crate) const fn compiled(&self) -> &Compiled {
        &self.0.compiled
    }

    pub(crate) fn on_trial(self) -> Trial {
        let granted = Granted::none(&self.0.compiled);
        Trial { set: Arc::new(self.0), granted: ArcSwap::from_pointee(granted) }
    }

    pub(crate) const fn provenance_mut(&mut self) -> &mut Provenance {
        &mut self.0.compiled.provenance
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
        let compiler = Compiler::default();
        let set = compiler
            .compile(&Arc::new(files.clone()), &options)
            .map_err(|findings| refusal(&findings))?;
        Self::start(compiler, set, source, clock, options)
    }

    /// An engine over a set that this compiler found valid.
    pub(crate) fn start(
        compiler: Compiler,
        set: Compiled,
        source: PolicySource,
        clock: Arc<dyn Clock>,
        options: CedarOptions,
    ) -> Result<Self> {
        let entities = with_directory(&EntitiesSnapshot::default(), &set)
            .map_err(|misplaced| refusal(&[of_entities(&set, misplaced)]))?;
        let set = Arc::new(Snapshot::new(set, clock.now(), source, None)?);
        let granted = Arc::new(Granted::none(&set.compiled));
        let live = Live { set, entities: Arc::new(entities), granted };
        Ok(Self {
            live: ArcSwap::from_pointee(live),
            changing: Mutex::new(()),
            compiler,
            last_failure: Mutex::new(None),
            options,
            clock,
            ids: DecisionIds::new()?,
            counters: Counters::new(),
        })
    }

    /// Compiles a set; what the sets before it had is not looked at again.
    pub(crate) fn compile(
        &self,
        files: &Arc<PolicyFiles>,
        options: &CedarOptions,
    ) -> Result<Compiled, Vec<Finding>> {
        self.compiler.compile(files, options).and_then(|set| self.fits(set))
    }

    /// Everything that is derived from a set, ready to be put in force.
    pub(crate) fn candidate_of(&self, set: Compiled, source: PolicySource) -> Result<Candidate> {
        let before = self.live.load();
        Snapshot::new(set, self.clock.now(), source, Some(&before.set)).map(Candidate)
    }

    /// Remembers a refusal in [`status`](Self::status) until a set goes live.
    pub(crate) fn note_refusal(&self, findings: Vec<Finding>) -> Error {
        self.counters.reload_failures.fetch_add(1, Ordering::Relaxed);
        let error = refusal(&findings);
        *self.last_failure.lock() = Some(LoadFailure::new(self.clock.now(), findings));
        error
    }

    /// Reads and validates a directory without putting it in force. A refusal is remembered in
    /// [`status`](Self::status) until a set goes live.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn candidate(&self, directory: &Path) -> Result<Candidate> {
        let read = PolicyFiles::read(directory)
            .and_then(|files| self.compile(&Arc::new(files), &self.options));
        match read {
            Ok(set) => self.candidate_of(set, PolicySource::Directory),
            Err(findings) => Err(self.note_refusal(findings)),
        }
    }

    /// Refuses a set that what is in the inventory does not fit.
    fn fits(&self, compiled: Compiled) -> std::result::Result<Compiled, Vec<Finding>> {
        let live = self.live.load();
        with_directory(&live.entities, &compiled)
            .map_err(|misplaced| vec![of_entities(&compiled, misplaced)])?;
        if compiled.files.schema.text != live.compiled.files.schema.text {
            let findings = unfit(&compiled.facts, "schema.cedarschema", &live.entities);
            if !findings.is_empty() {
                return Err(findings);
            }
        }
        Ok(compiled)
    }

    /// Puts a candidate in force, policies and entities at once: one atomic store, after which every
    /// new decision is its. Returns what is in force then: the set before, if what was entered into
    /// the inventory meanwhile makes a circle with the entities of the candidate.
    pub fn install(&self, candidate: Candidate) -> Revision {
        let changing = self.changing.lock();
        let mut last_failure = self.last_failure.lock();
        let before = self.live.load();
        let entities = match with_directory(&before.entities, &candidate.0.compiled) {
            Ok(entities) => Arc::new(entities),
            Err(misplaced) => {
                self.counters.reload_failures.fetch_add(1, Ordering::Relaxed);
                let findings = vec![of_entities(candidate.compiled(), misplaced)];
                *last_failure = Some(LoadFailure::new(self.clock.now(), findings));
                return before.compiled.revision.clone();
            }
        };
        let revision = candidate.revision().clone();
        let grants = Arc::clone(&before.granted.grants);
        let granted = Arc::new(Granted::of(&candidate.0.compiled, grants, &before.granted));
        self.live.store(Arc::new(Live { set: Arc::new(candidate.0), entities, granted }));
        drop(changing);
        *last_failure = None;
        self.counters.reloads.fetch_add(1, Ordering::Relaxed);
        revision
    }

    /// What is known of resources and groups.
    #[must_use]
    pub fn entities(&self) -> Arc<EntitiesSnapshot> {
        Arc::clone(&self.live.load().entities)
    }

    /// Reads the schema in force and what is known beside it.
    pub(crate) fn with_entities<T>(
        &self,
        read: impl FnOnce(&SchemaFacts, &EntitiesSnapshot) -> Result<T>,
    ) -> Result<T> {
        let live = self.live.load();
        read(&live.set.compiled.facts, &live.entities)
    }

    /// Enters entities into memory, all or none, and puts them in force: for embedders that keep the
    /// inventory themselves, and for tests. Nothing is remembered or recorded; see
    /// [`Inventory`](crate::Inventory), which does both. Returns the epoch.
    ///
    /// # Errors
    /// As [`Inventory::put`](crate::Inventory::put), fields named as of one entity.
    pub fn put_entities<'e>(
        &self,
        entities: impl IntoIterator<Item = &'e crate::ResourceEntity>,
    ) -> Result<u64> {
        self.change_entities(|facts, known| {
            let mut drafts = Drafts::default();
            let facts = entities.into_iter().map(|e| drafts.checked(facts, e, Origin::Store));
            let changes = facts.map(|fact| fact.map(Change::Put)).collect::<Result<Vec<_>>>()?;
            let epoch = known.epoch() + 1;
            Ok((known.with(changes, epoch)?, epoch))
        })
    }

    /// Takes entities out of memory; those that are not there are passed over. As
    /// [`put_entities`](Self::put_entities) otherwise.
    ///
    /// # Errors
    /// None is known: what is taken out makes no circle.
    pub fn remove_entities<'e>(
        &self,
        entities: impl IntoIterator<Item = &'e EntityRef>,
    ) -> Result<u64> {
        self.change_entities(|_, known| {
            let mut drafts = Drafts::default();
            let gone = entities.into_iter().map(|e| drafts.uid(&e.kind, &e.id));
            let changes: Vec<_> = gone.map(|uid| Change::Remove(uid, Origin::Store)).collect();
            let epoch = known.epoch() + 1;
            Ok((known.with(changes, epoch)?, epoch))
        })
    }

    /// Replaces what is known; whoever decides sees it before this returns.
    pub(crate) fn change_entities<T>(
        &self,
        change: impl FnOnce(&SchemaFacts, &EntitiesSnapshot) -> Result<(EntitiesSnapshot, T)>,
    ) -> Result<T> {
        let _changing = self.changing.lock();
        let before = self.live.load();
        let (entities, result) = change(&before.compiled.facts, &before.entities)?;
        let (set, granted) = (Arc::clone(&before.set), Arc::clone(&before.granted));
        self.live.store(Arc::new(Live { set, entities: Arc::new(entities), granted }));
        Ok(result)
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
        let provenance = &live.compiled.provenance;
        PolicyStatus {
            revision: live.compiled.revision.clone(),
            policies: live.compiled.documents.len(),
            source: live.source,
            loaded_at: live.loaded_at,
            commit: provenance.commit.clone(),
            bundle_version: provenance.bundle_version,
            number: provenance.number,
            is_pinned: provenance.is_pinned,
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
        self.live.load().compiled.documents.values().map(|policy| (**policy).clone()).collect()
    }

    /// One policy in force.
    #[must_use]
    pub fn policy(&self, id: &str) -> Option<PolicyInfo> {
        self.live.load().compiled.documents.get(id).map(|policy| (**policy).clone())
    }

    /// The schema in force.
    #[must_use]
    pub fn schema_text(&self) -> String {
        self.live.load().compiled.files.schema.text.clone()
    }

    /// The actions that can be done to a resource of this type, sorted.
    #[must_use]
    pub fn actions_on(&self, kind: &str) -> Vec<String> {
        self.moment().actions_on(kind).map(str::to_owned).collect()
    }

    /// What the schema in force says.
    pub(crate) fn with_schema<T>(&self, look: impl FnOnce(&SchemaFacts) -> T) -> T {
        look(&self.live.load().compiled.facts)
    }

    /// What is wrong with the text of a policy file that is not in force, held against the schema
    /// that is; empty when nothing is.
    #[must_use]
    pub fn validate_draft(&self, text: &str) -> Vec<Finding> {
        findings_of_draft(&self.live.load().compiled.facts, &SourceFile::new("draft.cedar", text))
    }

    /// An engine over any files, or everything that is wrong with them.
    #[cfg(feature = "testing")]
    pub(crate) fn of_files(
        files: &PolicyFiles,
        clock: Arc<dyn Clock>,
        options: CedarOptions,
    ) -> std::result::Result<Self, Vec<Finding>> {
        let compiler = Compiler::default();
        let set = compiler.compile(&Arc::new(files.clone()), &options)?;
        Self::start(compiler, set, PolicySource::BuiltIn, clock, options)
            .map_err(|error| vec![Finding::file("", error.to_string(), "")])
    }

    /// Reads the set in force.
    #[cfg(feature = "testing")]
    pub(crate) fn with_compiled<R>(&self, read: impl FnOnce(&Compiled) -> R) -> R {
        read(&self.live.load().compiled)
    }

    /// A request as Cedar evaluates it.
    #[cfg(feature = "testing")]
    pub(crate) fn as_cedar(
        &self,
        asked: &AccessRequest<'_>,
    ) -> Result<(cedar_policy::Request, cedar_policy::Entities)> {
        let live = self.live.load();
        let subject = live.resolve(asked.resource, &self.options)?;
        let prepared = prepare(&live, &hold(&live, Doing::of(asked), subject)?)?;
        Ok((prepared.request, prepared.entities))
    }

    pub(super) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) const fn options(&self) -> &CedarOptions {
        &self.options
    }

    /// Decides by the policies of a candidate, which is not in force, and by the entities and grants
    /// that are known now; uncounted.
    pub(crate) fn decide_with(&self, trial: &Trial, asked: &AccessRequest<'_>) -> Decision {
        let live = self.live.load();
        let mut granted = trial.granted.load_full();
        if !Arc::ptr_eq(&granted.grants, &live.granted.grants) {
            let grants = Arc::clone(&live.granted.grants);
            granted = Arc::new(Granted::of(&trial.set.compiled, grants, &granted));
            trial.granted.store(Arc::clone(&granted));
        }
        let (set, entities) = (Arc::clone(&trial.set), Arc::clone(&live.entities));
        self.decide_by(&Live { set, entities, granted }, asked)
    }

    /// Decides as [`decide`](PolicyEngine::decide) does, uncounted.
    pub(crate) fn decide_uncounted(&self, asked: &AccessRequest<'_>) -> Decision {
        self.decide_by(&self.live.load(), asked)
    }

    /// Decides by this snapshot, uncounted.
    pub(super) fn decide_by(&self, live: &Live, asked: &AccessRequest<'_>) -> Decision {
        self.decide_at(live, asked, Some(self.grants_at(asked)))
    }

    /// Whatever moment is asked about, a grant that has ended has ended.
    fn grants_at(&self, asked: &AccessRequest<'_>) -> Timestamp {
        asked.circumstances.time.max(self.clock.now())
    }

    fn decide_at(
        &self,
        live: &Live,
        asked: &AccessRequest<'_>,
        grants_at: Option<Timestamp>,
    ) -> Decision {
        let id = self.ids.next(asked.circumstances.time);
        let revision = live.revision();
        let evaluated = live.resolve(asked.resource, &self.options).and_then(|subject| {
            let held = hold(live, Doing::of(asked), subject)?;
            live.evaluate_all(&held, grants_at, self.options.by_cedar)
        });
        let decision = match evaluated {
            Ok(Evaluated { allowed, policies, errors }) => {
                let decision = verdict(allowed, policies, id, revision);
                decision.with_errors(errors.into_iter().map(|error| error.message).collect())
            }
            Err(error) => refused(&error, id, revision),
        };
        let known = &live.entities;
        decision.with_entities((!known.is_empty()).then(|| known.epoch()))
    }
}

/// A circle among entities as a finding, at the first of them that stands in the file.
fn of_entities(set: &Compiled, misplaced: Misplaced) -> Finding {
    let Misplaced { entities, message } = misplaced;
    let finding = Finding::file(ENTITIES_FILE, message, "take one of them out of the other");
    let Some(file) = &set.files.entities else { return finding };
    let is_meant = |of: &EntityRef| entities.iter().any(|uid| uid.reference() == *of);
    let all = read_entities(file, &set.facts.namespace).unwrap_or_default();
    match all.iter().find(|(_, entity)| is_meant(&entity.entity)) {
        Some((offset, _)) => finding.at(&file.text, *offset),
        None => finding,
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
        let subject = live.resolve(request.resource, &self.options)?;
        let held = hold(&live, Doing::of(request), subject)?;
        if held.may_contradict() { prepare(&live, &held).map(drop) } else { Ok(()) }
    }

    fn revision(&self) -> Revision {
        self.live.load().compiled.revision.clone()
    }

    fn suppose(&self, request: &AccessRequest<'_>) -> Decision {
        self.decide_uncounted(request)
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
