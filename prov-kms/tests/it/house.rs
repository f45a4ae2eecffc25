//! What the tests stand on.

use std::path::PathBuf;
use std::sync::Arc;

use prov_core::audit::MemoryRecorder;
use prov_core::store::MemoryStore;
use prov_core::{Clock, ManualClock, SecurityContext};
use prov_kms::{EncryptionContext, Envelope, KeyName, Kms, KmsBackend, LocalKeyring};
use tempfile::TempDir;

/// A raw store, a clock that stands still, a folder for key files.
pub(crate) struct House {
    pub(crate) clock: ManualClock,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) folder: TempDir,
    pub(crate) recorder: MemoryRecorder,
}

impl House {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        let (folder, recorder) = (tempfile::tempdir().unwrap(), MemoryRecorder::new());
        Self { clock, store, folder, recorder }
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn try_keyring(&self) -> prov_core::Result<LocalKeyring> {
        let store = Arc::<MemoryStore>::clone(&self.store);
        LocalKeyring::open(store, &self.path("root.key"), self.clock()).await
    }

    pub(crate) async fn keyring(&self) -> Arc<LocalKeyring> {
        Arc::new(self.try_keyring().await.unwrap())
    }

    /// An envelope over a keyring with the keys `default` and `other`.
    pub(crate) async fn envelope(&self) -> Envelope {
        let keyring = self.keyring().await;
        for name in ["default", "other"] {
            keyring.ensure_key(&key(name)).await.unwrap();
        }
        Envelope::new(keyring, self.clock())
    }

    pub(crate) async fn kms(&self) -> Kms {
        let store = Arc::<MemoryStore>::clone(&self.store);
        let recorder = Arc::new(self.recorder.clone());
        Kms::open(self.keyring().await, store, recorder, self.clock()).await.unwrap()
    }

    pub(crate) fn caller(&self) -> SecurityContext {
        SecurityContext::system("test", &self.clock).unwrap()
    }
}

pub(crate) fn key(name: &str) -> KeyName {
    name.parse().unwrap()
}

pub(crate) fn context(text: &str) -> EncryptionContext {
    text.parse().unwrap()
}
