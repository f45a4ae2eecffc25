//! The start: by what is there, or by the last set that was good.

use std::sync::Arc;

use futures_util::lock::Mutex;
use prov_core::audit::{Action, Outcome, Recorder, RecorderExt};
use prov_core::{Clock, Result, SecurityContext};

use super::failing::reasons;
use super::{PolicyFeed, PolicyReloader, State};
use crate::load::{Compiled, Compiler, refusal};
use crate::source::read_directory;
use crate::{
    CedarEngine, CedarOptions, Finding, KeptSet, PolicyEngine, PolicyFiles, PolicyHistory,
    PolicySource, TrustRoot,
};

/// What a [`PolicyReloader`] and its engine are made of; see [`PolicyReloader::open`].
#[derive(Debug)]
#[non_exhaustive]
pub struct PolicyLife {
    /// Where policies come from.
    pub feed: PolicyFeed,
    /// What the site sets.
    pub options: CedarOptions,
    /// Where sets are kept; without it there is no history, no rollback, no upload, and no start
    /// when the directory is broken.
    pub history: Option<PolicyHistory>,
    /// Whose signatures a set needs; without it none.
    pub trust: Option<TrustRoot>,
}

impl PolicyLife {
    /// Policies of this feed, without history and signatures.
    #[must_use]
    pub const fn new(feed: PolicyFeed, options: CedarOptions) -> Self {
        Self { feed, options, history: None, trust: None }
    }

    /// Keeping sets here.
    #[must_use]
    pub fn with_history(mut self, history: PolicyHistory) -> Self {
        self.history = Some(history);
        self
    }

    /// Asking for these signatures.
    #[must_use]
    pub fn with_trust(mut self, trust: TrustRoot) -> Self {
        self.trust = Some(trust);
        self
    }
}

/// What there is to start with.
struct First {
    set: Compiled,
    source: PolicySource,
    /// The kept set it is, and why nothing newer could be used.
    instead: Option<(KeptSet, Vec<Finding>)>,
}

impl PolicyReloader {
    /// Makes an engine and what keeps it up. A set that can't be used (the directory is broken, or is
    /// not signed) does not stop the start when an earlier one is kept: the engine then decides by
    /// the last set that was in force, and says so in [`status`](CedarEngine::status), in its health,
    /// in the log and in the audit log. Without one, the start fails: nothing never means that
    /// anything is allowed.
    ///
    /// # Errors
    /// [`POLICIES_INVALID`](crate::codes::POLICIES_INVALID) when there is no set to start with; when
    /// the history can't be read or the event can't be recorded.
    pub async fn open(
        life: PolicyLife,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let context = SecurityContext::system("policies", &*clock)?;
        let compiler = Compiler::default();
        let First { set, source, instead } = first_set(&compiler, &life).await?;
        let PolicyLife { feed, options, history, trust } = life;
        let engine =
            CedarEngine::start(compiler, set, source, Arc::clone(&clock), options.clone())?;
        let (engine, state) = (Arc::new(engine), Mutex::new(State::default()));
        let reloader = Self { engine, recorder, clock, feed, options, history, trust, state };
        match instead {
            Some((set, findings)) => reloader.started_on(&context, &set, findings).await?,
            None => drop(reloader.refresh(&context).await?),
        }
        Ok(reloader)
    }

    /// Says that it started on a set of the history, and why.
    async fn started_on(
        &self,
        context: &SecurityContext,
        set: &KeptSet,
        findings: Vec<Finding>,
    ) -> Result<()> {
        let error = self.refuse(findings.clone());
        tracing::error!(
            %error,
            number = set.number,
            revision = %set.revision,
            "the policies can't be used; started on the last set that was good"
        );
        let live = self.engine.revision();
        let event = self
            .event(context, Action::AUTHZ_POLICY_RELOAD, Outcome::Failure, &live)
            .with("started_on", set.number)
            .with("findings", reasons(&error));
        self.recorder.record_in(context.request(), event).await?;
        self.state.lock().await.recorded_refusal = Some(findings);
        Ok(())
    }
}

async fn first_set(compiler: &Compiler, life: &PolicyLife) -> Result<First> {
    let compile = |files, options: &CedarOptions| compiler.compile(&Arc::new(files), options);
    let PolicyFeed::Directory(directory) = &life.feed else {
        // What was uploaded is put in force by the first refresh; until then the shipped set is.
        let set = compile(PolicyFiles::shipped(), &life.options);
        let set = set.map_err(|findings| refusal(&findings))?;
        return Ok(First { set, source: PolicySource::BuiltIn, instead: None });
    };
    let head = match &life.history {
        Some(history) => history.head().await?.map(|stored| stored.entity),
        None => None,
    };
    let newest = head.as_ref().and_then(|head| head.bundle.as_ref());
    let read = read_directory(directory).map_err(super::Unready::findings).and_then(|reading| {
        let bundle = life.trust.as_ref().map(|trust| trust.admit(&reading.files, newest));
        let bundle = bundle.transpose()?;
        let mut set = compile(reading.files, &life.options)?;
        set.provenance.commit = reading.commit;
        set.provenance.bundle_version = bundle.map(|(bundle, _)| bundle.version);
        Ok(set)
    });
    let findings = match read {
        Ok(set) => return Ok(First { set, source: PolicySource::Directory, instead: None }),
        Err(findings) => findings,
    };
    let (Some(history), Some(head)) = (&life.history, head.filter(|head| head.live > 0)) else {
        return Err(refusal(&findings));
    };
    let kept = history.required(head.live).await?;
    let files = history.files(&kept).await?;
    let signed = life.trust.as_ref().map(|trust| trust.verify(&files)).transpose();
    let set = signed.and_then(|bundle| {
        let mut set = compile(files, &options_of(&kept, &life.options))?;
        set.provenance.commit.clone_from(&kept.commit);
        set.provenance.bundle_version = bundle.map(|bundle| bundle.version);
        set.provenance.number = Some(kept.number);
        set.provenance.is_pinned = head.pin.is_some();
        Ok(set)
    });
    let set = set.map_err(|more| refusal(&[findings.clone(), more].concat()))?;
    Ok(First { set, source: PolicySource::History, instead: Some((kept, findings)) })
}

/// The options a set was in force with; what is not kept of them is as it is today.
pub(super) fn options_of(set: &KeptSet, today: &CedarOptions) -> CedarOptions {
    today.clone().with_corporate_networks(set.networks.iter().cloned())
}
