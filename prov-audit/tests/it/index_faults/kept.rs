//! A store that outlives its process, for those that are killed: every batch is written down before it is done,
//! and done again by the next process. What a kill leaves of a line was never done.

use std::fs::File;
use std::io::Write;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use prov_core::store::{
    Batch, Changes, Expect, Key, MemoryStore, Operation, Page, Record, Scan, Store, Term, Version,
};
use prov_core::{Clock, Result};
use serde_json::{Value, json};
use tokio::sync::Mutex;

#[derive(Debug)]
pub(super) struct Kept {
    inner: MemoryStore,
    file: Mutex<File>,
}

impl Kept {
    pub(super) async fn open(path: &Path, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        let inner = MemoryStore::new(clock);
        let mut kept = std::fs::read(path).unwrap_or_default();
        kept.truncate(kept.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        for line in kept.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // Those that failed fail again.
            let _ = inner.commit(read(line)).await;
        }
        let file = File::options().create(true).append(true).open(path).unwrap();
        file.set_len(kept.len() as u64).unwrap();
        Arc::new(Self { inner, file: Mutex::new(file) })
    }
}

fn read(line: &[u8]) -> Batch {
    let operations: Vec<Value> = serde_json::from_slice(line).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    operations.into_iter().fold(Batch::new(), |batch, operation| {
        let key = Key::new(text(&operation["kind"]), text(&operation["id"]));
        let expect = match &operation["expect"] {
            Value::Null => Expect::Any,
            Value::Bool(_) => Expect::Absent,
            version => Expect::Version(Version::from_number(version.as_u64().unwrap())),
        };
        match operation["do"].as_str().unwrap() {
            "delete" => batch.delete(key, expect),
            "check" => batch.check(key, expect),
            _ => {
                let value = hex::decode(text(&operation["value"])).unwrap().into();
                let terms = operation["terms"].as_array().unwrap().iter();
                let terms = terms.map(|term| Term::new(text(&term[0]), text(&term[1]))).collect();
                batch.with(Operation::Put { key, value, expires_at: None, terms, expect })
            }
        }
    })
}

fn written(batch: &Batch) -> Vec<u8> {
    let of = |what: &str, key: &Key, expect: &Expect| {
        let expect = match expect {
            Expect::Any => Value::Null,
            Expect::Absent => json!(false),
            Expect::Version(version) => json!(version.number()),
        };
        json!({ "do": what, "kind": key.kind, "id": key.id, "expect": expect })
    };
    let operations = batch.operations().iter().map(|operation| match operation {
        Operation::Delete { key, expect } => of("delete", key, expect),
        Operation::Check { key, expect } => of("check", key, expect),
        Operation::Put { key, value, expires_at, terms, expect } => {
            assert_eq!(*expires_at, None, "nothing that ends is kept here");
            let terms: Vec<_> = terms.iter().map(|term| json!([term.name, term.value])).collect();
            let mut put = of("put", key, expect);
            put["value"] = json!(hex::encode(value));
            put["terms"] = json!(terms);
            put
        }
    });
    let mut line = serde_json::to_vec(&operations.collect::<Vec<_>>()).unwrap();
    line.push(b'\n');
    line
}

#[async_trait]
impl Store for Kept {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.inner.get(key).await
    }
    async fn scan(&self, scan: &Scan) -> Result<Page> {
        self.inner.scan(scan).await
    }
    async fn commit(&self, batch: Batch) -> Result<Version> {
        let mut file = self.file.lock().await;
        file.write_all(&written(&batch)).unwrap();
        self.inner.commit(batch).await
    }
    async fn purge(&self, limit: NonZeroU32) -> Result<u32> {
        self.inner.purge(limit).await
    }
    fn changes(&self) -> Changes {
        self.inner.changes()
    }
}
