//! Every engine honours the contract.

use std::sync::Arc;

use async_trait::async_trait;
use prov_core::audit::MemoryRecorder;
use prov_core::store::MemoryStore;
use prov_core::{Clock, SystemClock};
use prov_secrets::conformance::{self, Outside};
use prov_secrets::ssh::SshAuthority;
use prov_secrets::{Issued, Wish};

use crate::directory_engine::DirectoryEngine;

#[derive(Debug)]
struct Directory(Arc<DirectoryEngine>);

#[async_trait]
impl Outside for Directory {
    fn wish(&self, wish: Wish) -> Wish {
        wish
    }

    async fn is_usable(&self, issued: &Issued) -> bool {
        let password = issued.data["password"].expose();
        self.names().await.iter().any(|name| password == format!("hunter2-{name}"))
    }

    async fn names(&self) -> Vec<String> {
        self.0.names()
    }
}

#[derive(Debug)]
struct Certificates;

#[async_trait]
impl Outside for Certificates {
    fn wish(&self, wish: Wish) -> Wish {
        wish
    }

    async fn is_usable(&self, issued: &Issued) -> bool {
        let line = issued.data["certificate"].expose();
        ssh_key::Certificate::from_openssh(line).unwrap().verify_signature().is_ok()
    }

    async fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test]
async fn the_directory_engine_honours_the_contract() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let directory = tempfile::tempdir().unwrap();
    let engine =
        Arc::new(DirectoryEngine::new(directory.path().join("outside"), Arc::clone(&clock)));
    conformance::all(&engine, &Directory(Arc::clone(&engine)), &clock).await;
}

#[tokio::test]
async fn the_ssh_authority_honours_the_contract() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    let recorder = Arc::new(MemoryRecorder::new());
    let authority = SshAuthority::open(store, Arc::clone(&clock), recorder).await.unwrap();
    conformance::all(&authority, &Certificates, &clock).await;
}
