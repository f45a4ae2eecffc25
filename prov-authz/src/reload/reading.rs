//! What is to be in force: the directory, or what the store says.

use std::sync::Arc;
use std::time::Duration;

use prov_core::audit::{Action, Outcome};
use prov_core::{Error, Result, SecurityContext, codes as core_codes};

use super::opening::options_of;
use super::{Next, PolicyFeed, PolicyReloader, State};
use crate::history::{Head, SetOrigin, Upkeep};
use crate::source::{Reading, Unready, read_directory};
use crate::{Finding, KeptSet, PolicyEngine, PolicyFiles, PolicySource};

/// That the directory is being changed is no failure until it goes on for this long.
const PATIENCE: Duration = Duration::from_mins(1);

impl PolicyReloader {
    /// Looks once; `false` when the directory is being changed.
    pub(super) async fn step(
        &self,
        context: &SecurityContext,
        state: &mut State,
        is_asked_for: bool,
    ) -> Result<bool> {
        let head = self.head().await?;
        let PolicyFeed::Directory(directory) = &self.feed else {
            self.follow(context, state, head.as_ref(), is_asked_for).await?;
            return Ok(true);
        };
        let reading = match read_directory(directory) {
            Ok(reading) => reading,
            Err(Unready::Busy) if !self.is_stuck(state) => return Ok(false),
            Err(unready) => {
                let findings = unready.findings();
                return Err(self.failed(context, state, findings, is_asked_for).await?);
            }
        };
        state.busy_since = None;
        let pin = head.as_ref().and_then(|head| head.pin.as_ref());
        let is_passed_over = pin.is_some_and(|pin| {
            pin.passed_over.as_ref().is_none_or(|digest| *digest == content(&reading.files))
        });
        if is_passed_over && !is_asked_for {
            self.follow(context, state, head.as_ref(), false).await?;
        } else {
            self.read_in(context, state, head.as_ref(), reading, is_asked_for).await?;
        }
        Ok(true)
    }

    /// Puts what was read in force, if it may be.
    async fn read_in(
        &self,
        context: &SecurityContext,
        state: &mut State,
        head: Option<&Head>,
        reading: Reading,
        is_asked_for: bool,
    ) -> Result<()> {
        let newest = head.and_then(|head| head.bundle.clone()).max(state.newest_bundle.clone());
        let mut next = match self.admit(reading.files, newest.as_ref(), reading.commit) {
            Ok(next) => next,
            Err(findings) => {
                return Err(self.failed(context, state, findings, is_asked_for).await?);
            }
        };
        let (before, status) = (self.engine.revision(), self.engine.status());
        let is_other = *next.candidate.revision() != before;
        let kept = self.kept_as(head, next.candidate.revision().as_str()).await?;
        let is_first = self.history.is_some() && status.number.is_none();
        let is_news = is_asked_for
            || is_other
            || (is_first && kept.is_none())
            || status.is_pinned
            || status.source == PolicySource::History
            || state.recorded_refusal.is_some()
            || status.last_failure.is_some();
        next.candidate.provenance_mut().number = kept.or(status.number.filter(|_| !is_other));
        if is_news {
            let is_kept = kept.is_some() || !(is_other || is_first || status.is_pinned);
            let upkeep =
                (!is_kept).then(|| Upkeep::new(SetOrigin::Directory, context, self.clock.now()));
            let event = self.event(context, Action::AUTHZ_POLICY_RELOAD, Outcome::Success, &before);
            return self.go_live(context, state, next, event, upkeep).await.map(drop);
        }
        let provenance = &next.candidate.compiled().provenance;
        if provenance.commit != status.commit || provenance.number != status.number {
            // Another commit of the same files: what is said of the set changes, and nothing else.
            self.engine.install(next.candidate);
        }
        Ok(())
    }

    /// The number of the set in force, when it is of this revision and nobody went back to it.
    async fn kept_as(&self, head: Option<&Head>, revision: &str) -> Result<Option<u64>> {
        let (Some(history), Some(head)) = (&self.history, head.filter(|head| head.pin.is_none()))
        else {
            return Ok(None);
        };
        let live = history.find(head.live).await?;
        Ok(live.filter(|live| live.revision == revision).map(|live| live.number))
    }

    /// Puts the set in force that the store says, if it is not.
    async fn follow(
        &self,
        context: &SecurityContext,
        state: &mut State,
        head: Option<&Head>,
        is_asked_for: bool,
    ) -> Result<()> {
        let (Some(history), Some(head)) = (&self.history, head) else { return Ok(()) };
        let is_there = !is_asked_for && self.engine.status().number == Some(head.live);
        if head.live == 0 || is_there {
            return Ok(());
        }
        let before = self.engine.revision();
        let set = history.required(head.live).await?;
        let mut next = match self.kept_candidate(&set).await {
            Ok(next) => next,
            Err(error) => {
                return Err(self.failed_with(context, state, error, is_asked_for).await?);
            }
        };
        let provenance = next.candidate.provenance_mut();
        (provenance.number, provenance.is_pinned) = (Some(head.live), head.pin.is_some());
        let event = self
            .event(context, Action::AUTHZ_POLICY_RELOAD, Outcome::Success, &before)
            .with("number", head.live);
        self.go_live(context, state, next, event, None).await.map(drop)
    }

    /// A set as it was kept, with the networks of its time; signed as the trust root asks today.
    pub(super) async fn kept_candidate(&self, set: &KeptSet) -> Result<Next> {
        let files = self.kept_sets()?.files(set).await?;
        let signed = self.trust.as_ref().map(|trust| trust.verify(&files)).transpose();
        let compiled = signed.and_then(|bundle| {
            Ok((bundle, self.engine.compile(&Arc::new(files), &options_of(set, &self.options))?))
        });
        let (bundle, mut compiled) = compiled.map_err(|findings| self.refuse(findings))?;
        if compiled.revision.as_str() != set.revision {
            let context = format!("the policy set {} is not what was kept", set.number);
            return Err(Error::new(core_codes::STORE_CORRUPT).context(context));
        }
        compiled.provenance.commit.clone_from(&set.commit);
        compiled.provenance.bundle_version = bundle.map(|bundle| bundle.version);
        let source = match self.feed {
            PolicyFeed::Directory(_) => PolicySource::History,
            PolicyFeed::Store => PolicySource::Store,
        };
        // Going back is no news of a bundle: the newest stays the newest.
        Ok(Next { candidate: self.engine.candidate_of(compiled, source)?, bundle: None })
    }

    /// Holds a set against the trust root and the schema.
    pub(super) fn admit(
        &self,
        files: PolicyFiles,
        newest: Option<&(u64, String)>,
        commit: Option<String>,
    ) -> Result<Next, Vec<Finding>> {
        let bundle = self.trust.as_ref().map(|trust| trust.admit(&files, newest)).transpose()?;
        let mut set = self.engine.compile(&Arc::new(files), &self.options)?;
        let bundle = bundle.map(|(bundle, content)| (bundle.version, content));
        set.provenance.commit = commit;
        set.provenance.bundle_version = bundle.as_ref().map(|(version, _)| *version);
        let source = match self.feed {
            PolicyFeed::Directory(_) => PolicySource::Directory,
            PolicyFeed::Store => PolicySource::Store,
        };
        let unsuitable = |error: Error| vec![Finding::file("", error.to_string(), "")];
        let candidate = self.engine.candidate_of(set, source).map_err(unsuitable)?;
        Ok(Next { candidate, bundle })
    }

    pub(super) async fn head(&self) -> Result<Option<Head>> {
        match &self.history {
            Some(history) => Ok(history.head().await?.map(|stored| stored.entity)),
            None => Ok(None),
        }
    }

    /// What the directory holds now; absent when it can't be read.
    pub(super) fn content_of_directory(&self) -> Option<String> {
        let PolicyFeed::Directory(directory) = &self.feed else { return None };
        read_directory(directory).ok().map(|reading| content(&reading.files))
    }

    fn is_stuck(&self, state: &mut State) -> bool {
        let now = self.clock.now();
        let since = *state.busy_since.get_or_insert(now);
        now.duration_since(since).unsigned_abs() >= PATIENCE
    }
}

impl Unready {
    /// What is to be said of it.
    pub(super) fn findings(self) -> Vec<Finding> {
        match self {
            Self::Refused(findings) => findings,
            Self::Busy => {
                let message = "the directory is being changed, or git's `index.lock` was left";
                let remedy = "finish the change; delete the lock if no git is at work";
                vec![Finding::file("", message, remedy)]
            }
        }
    }
}

fn content(files: &PolicyFiles) -> String {
    hex::encode(files.digest())
}
