//! A log to test with.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prov_audit::{Log, LogOptions};
use prov_core::audit::{Action, Actor, Event, Outcome};
use prov_core::store::{Batch, Expect, Key, MemoryStore, Scan, Store};
use prov_core::{Clock, PrincipalKind, RequestFacts, RequestId, SystemClock};

pub(crate) const ORIGIN: &str = "prov.example/audit";

/// A log and everything around it that outlives it.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) store: Arc<dyn Store>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(SystemClock::new());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::<SystemClock>::clone(&clock)));
        Self { dir: tempfile::tempdir().unwrap(), clock, store }
    }

    pub(crate) fn options(&self) -> LogOptions {
        let clock = Arc::<SystemClock>::clone(&self.clock);
        LogOptions::new(self.dir.path(), ORIGIN, Arc::clone(&self.store), clock)
            .segment_bytes(64 << 10)
            .checkpoint_every(Duration::from_hours(1))
            .index_patience(Duration::from_secs(20))
    }

    pub(crate) async fn open(&self) -> Log {
        Log::open(self.options()).await.unwrap()
    }

    /// Where the standard log lies.
    pub(crate) fn standard(&self) -> std::path::PathBuf {
        self.dir.path().join("standard")
    }

    /// Another bench whose logs have the same names and keys, and of whose events nothing is known: what
    /// somebody can make who has everything that this one has.
    pub(crate) async fn forged(&self) -> Self {
        self.forged_without("\0").await
    }

    /// The same of somebody who lacks the secrets whose names begin so.
    pub(crate) async fn forged_without(&self, lacking: &str) -> Self {
        let forged = Self::new();
        let secrets = self.store.scan(&Scan::kind("audit.secret")).await.unwrap();
        for secret in secrets.records.into_iter().filter(|s| !s.id.starts_with(lacking)) {
            let key = Key::new("audit.secret", secret.id);
            let batch = Batch::new().put(key, secret.value, Expect::Absent);
            forged.store.commit(batch).await.unwrap();
        }
        forged
    }

    /// Takes away what the store remembers of the standard log: as if it had never been closed.
    pub(crate) async fn forget_head(&self) {
        let key = Key::new("audit.head", format!("{ORIGIN}/standard"));
        self.store.commit(Batch::new().delete(key, Expect::Any)).await.unwrap();
    }

    /// An event by a user, from an address, with a user agent.
    pub(crate) fn event(&self, action: Action, user: &str, name: &str) -> Event {
        let request =
            RequestFacts::new(RequestId::generate(&*self.clock).unwrap(), self.clock.now())
                .from_client(Some("203.0.113.77".parse().unwrap()))
                .for_target("POST", "/api/v1/things")
                .by_agent(Some("CanaryAgent/1.0"));
        Event::new(&*self.clock, action, Outcome::Success)
            .by(Actor::account(PrincipalKind::User, user, name))
            .in_request(&request)
            .on("thing", "thing_1")
            .with("count", 1)
    }
}

/// Every file below a directory.
pub(crate) fn files_below(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Copies every file below a directory.
pub(crate) fn copy(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
}

/// Prints that a test was skipped; with `CI=true` a missing part is a failure.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration to read it once")]
pub(crate) fn skip(why: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
    println!("SKIPPED: {why}");
}

/// A program of a Python package that `cargo xtask peers` installed for this user; a skip without.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration to read it once")]
pub(crate) fn peer(package: &str, program: &str) -> Option<std::path::PathBuf> {
    let cache = std::env::var("XDG_CACHE_HOME")
        .unwrap_or_else(|_| format!("{}/.cache", std::env::var("HOME").unwrap_or_default()));
    let path = Path::new(&cache).join("prov-peers").join(package).join("bin").join(program);
    if !path.exists() {
        skip(&format!("{package} is not installed (cargo xtask peers)"));
        return None;
    }
    Some(path)
}
