//! What can go wrong under the index: readers that stay, damage, no room, erasures that were interrupted.

mod damage;
mod erasure;
mod kept;
mod killed;
mod room;

use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use prov_audit::{Log, Query};
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder};
use prov_core::store::{Scan, Store};
use prov_core::{Clock, PrincipalKind, RequestFacts, RequestId};

use crate::bench_log::{Bench, files_below};
use crate::faults_report::keep_index_row;

/// Records `events` of each of so many people.
async fn plant(bench: &Bench, log: &Log, people: u8, events: u32) {
    for number in 0..events * u32::from(people) {
        let person = u8::try_from(number % u32::from(people)).unwrap();
        let id = RequestId::generate(&*bench.clock).unwrap();
        let facts = RequestFacts::new(id, bench.clock.now())
            .from_client(Some([203, 0, 113, person].into()))
            .by_agent(Some("CanaryAgent/1.0"));
        let actor = Actor::account(PrincipalKind::User, format!("user_{person}"), name(person));
        let event = Event::new(&*bench.clock, Action::KMS_ENCRYPT, Outcome::Success);
        log.record(event.by(actor).in_request(&facts)).await.unwrap();
    }
}

fn name(person: u8) -> String {
    format!("canary{person}")
}

fn by_address(person: u8) -> Query {
    Query::new().ip(std::net::IpAddr::from([203, 0, 113, person]))
}

/// How what the index has of a person is written: keyed hashes, which whoever has the log's secret can make.
async fn hashes(store: &dyn Store, person: u8) -> Vec<[u8; 8]> {
    hashes_of(store, &name(person), &format!("203.0.113.{person}")).await
}

/// The same of whoever has this name and this address.
async fn hashes_of(store: &dyn Store, name: &str, address: &str) -> Vec<[u8; 8]> {
    let found = store.scan(&Scan::kind("audit.secret")).await.unwrap().records;
    let secret = found.into_iter().find(|found| found.id == "hashing").unwrap();
    let secret: serde_json::Value = serde_json::from_slice(&secret.value).unwrap();
    let secret = STANDARD.decode(secret["bytes"].as_str().unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let values = [("name", name), ("word", name), ("ip", address)];
    let hashes = values.map(|(kind, value)| {
        let tag = hmac::sign(&key, &[kind.as_bytes(), &[0], value.as_bytes()].concat());
        *tag.as_ref().first_chunk::<8>().unwrap()
    });
    // In rows with the highest byte first, in values with the lowest.
    let turned = hashes.map(|mut hash| {
        hash.reverse();
        hash
    });
    [hashes, turned].concat()
}

/// The files in which one of these stands.
fn found_in(dir: &Path, hashes: &[[u8; 8]]) -> Vec<PathBuf> {
    let mut files = files_below(dir);
    files.retain(|file| {
        // One that went meanwhile, of an index that is made anew, holds nothing.
        let bytes = match std::fs::read(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return false,
            read => read.unwrap(),
        };
        hashes.iter().any(|hash| memmem::find(&bytes, hash).is_some())
    });
    files
}

/// What the index of the standard log consists of: the database, and its write-ahead log.
fn index_files(dir: &Path) -> [PathBuf; 2] {
    ["standard.sqlite", "standard.sqlite-wal"].map(|file| dir.join("index").join(file))
}

/// Puts these in the place of the index.
fn put_index(dir: &Path, [database, wal]: [&[u8]; 2]) {
    std::fs::remove_dir_all(dir.join("index")).unwrap();
    std::fs::create_dir(dir.join("index")).unwrap();
    let files = index_files(dir);
    std::fs::write(&files[0], database).unwrap();
    std::fs::write(&files[1], wal).unwrap();
}
