//! An engine whose outside system is a directory: one file per credential. It fails on demand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use prov_core::{Clock, Error, Result, Timestamp, codes as core_codes};
use prov_secrets::{
    EngineInfo, Expiry, Handle, IssueRequest, Issued, Plan, SecretEngine, Wish, codes,
};

pub(crate) const MAX_TTL: Duration = Duration::from_hours(2);

/// What goes wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Fails before it creates.
    pub(crate) fail_issue: AtomicBool,
    /// Creates, then fails: the answer is lost.
    pub(crate) lose_answer: AtomicBool,
    /// Creates, then never answers.
    pub(crate) hang: AtomicBool,
    /// Refuses this many revocations.
    pub(crate) fail_revokes: AtomicU32,
    pub(crate) revokes: AtomicU32,
}

pub(crate) struct DirectoryEngine {
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    pub(crate) faults: Faults,
    /// Called at named points.
    at: Box<dyn Fn(&str) + Send + Sync>,
}

impl std::fmt::Debug for DirectoryEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirectoryEngine")
    }
}

impl DirectoryEngine {
    pub(crate) fn new(directory: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self::with_points(directory, clock, Box::new(|_| {}))
    }

    pub(crate) fn with_points(
        directory: PathBuf,
        clock: Arc<dyn Clock>,
        at: Box<dyn Fn(&str) + Send + Sync>,
    ) -> Self {
        std::fs::create_dir_all(&directory).unwrap();
        Self { directory, clock, faults: Faults::default(), at }
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[async_trait]
impl SecretEngine for DirectoryEngine {
    fn info(&self) -> EngineInfo {
        EngineInfo::new("directory", "files", Expiry::NeedsManager).renewable()
    }

    async fn plan(&self, wish: &Wish) -> Result<Plan> {
        if wish.role != "default" && wish.role != "other" {
            return Err(codes::ROLE_UNKNOWN.into());
        }
        let ttl = wish.ttl.unwrap_or(Duration::from_hours(1));
        if ttl > MAX_TTL {
            return Err(codes::LEASE_TTL_REFUSED.into());
        }
        Ok(Plan::new(ttl, MAX_TTL).fact("place", "directory"))
    }

    async fn issue(&self, request: &IssueRequest) -> Result<Issued> {
        if self.faults.fail_issue.load(Ordering::SeqCst) {
            return Err(core_codes::UNAVAILABLE.into());
        }
        (self.at)("before_create");
        let secret = format!("hunter2-{}", request.handle.name());
        std::fs::write(self.directory.join(request.handle.name()), &secret).unwrap();
        (self.at)("after_create");
        if self.faults.lose_answer.load(Ordering::SeqCst) {
            return Err(Error::new(core_codes::UNAVAILABLE).context("the connection broke"));
        }
        if self.faults.hang.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        Ok(Issued::until(request.expires_at).with("password", secret).fact("shard", 7))
    }

    async fn renew(&self, handle: &Handle, ttl: Duration) -> Result<Timestamp> {
        if self.directory.join(handle.name()).exists() {
            Ok(self.clock.now().checked_add(ttl).unwrap())
        } else {
            Err(core_codes::NOT_FOUND.into())
        }
    }

    async fn revoke(&self, handle: &Handle) -> Result<()> {
        self.faults.revokes.fetch_add(1, Ordering::SeqCst);
        let left = &self.faults.fail_revokes;
        let refuse = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if refuse.is_ok() {
            return Err(core_codes::UNAVAILABLE.into());
        }
        (self.at)("before_delete");
        match std::fs::remove_file(self.directory.join(handle.name())) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::new(core_codes::UNAVAILABLE).source(error))
            }
            _ => {
                (self.at)("after_delete");
                Ok(())
            }
        }
    }
}
