//! A store that survives `kill -9`: records in memory, every commit appended to a file and synced.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use prov_core::store::{
    Batch, Changes, Expect, Key, MemoryStore, Operation, Page, Record, Scan, Store, Term, Version,
};
use prov_core::{Clock, Result};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Line {
    Put {
        kind: String,
        id: String,
        value: String,
        terms: Vec<(String, String)>,
        ends: Option<String>,
    },
    Delete {
        kind: String,
        id: String,
    },
}

/// Called at named points with the number of the commit.
pub(crate) type Point = Box<dyn Fn(&str, u32) + Send + Sync>;

pub(crate) struct JournalStore {
    rows: MemoryStore,
    file: tokio::sync::Mutex<(File, u32)>,
    at: Point,
}

impl std::fmt::Debug for JournalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JournalStore")
    }
}

impl JournalStore {
    /// Reads the journal; a last line that was cut off was never acknowledged.
    pub(crate) async fn open(path: &Path, clock: Arc<dyn Clock>, at: Point) -> Self {
        let rows = MemoryStore::new(clock);
        let text = std::fs::read(path).unwrap_or_default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let lines: Vec<Line> = serde_json::from_slice(line).unwrap();
            rows.commit(batch(lines)).await.unwrap();
        }
        let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.set_len(whole as u64).unwrap();
        Self { rows, file: tokio::sync::Mutex::new((file, 0)), at }
    }
}

fn batch(lines: Vec<Line>) -> Batch {
    lines.into_iter().fold(Batch::new(), |batch, line| match line {
        Line::Put { kind, id, value, terms, ends } => batch.with(Operation::Put {
            key: Key::new(kind, id),
            value: value.into_bytes().into(),
            expires_at: ends.map(|text| text.parse().unwrap()),
            terms: terms.into_iter().map(|(name, value)| Term::new(name, value)).collect(),
            expect: Expect::Any,
        }),
        Line::Delete { kind, id } => batch.delete(Key::new(kind, id), Expect::Any),
    })
}

fn lines(batch: &Batch) -> Vec<Line> {
    let line = |operation: &Operation| match operation {
        Operation::Put { key, value, expires_at, terms, .. } => Some(Line::Put {
            kind: key.kind.to_string(),
            id: key.id.clone(),
            value: String::from_utf8(value.to_vec()).unwrap(),
            terms: terms.iter().map(|t| (t.name.to_string(), t.value.clone())).collect(),
            ends: expires_at.map(|at| at.to_string()),
        }),
        Operation::Delete { key, .. } => {
            Some(Line::Delete { kind: key.kind.to_string(), id: key.id.clone() })
        }
        Operation::Check { .. } => None,
    };
    batch.operations().iter().filter_map(line).collect()
}

#[async_trait]
impl Store for JournalStore {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.rows.get(key).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page> {
        self.rows.scan(scan).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version> {
        let mut file = self.file.lock().await;
        let mut text = serde_json::to_vec(&lines(&batch)).unwrap();
        text.push(b'\n');
        let version = self.rows.commit(batch).await?;
        file.1 += 1;
        (self.at)("before_sync", file.1);
        file.0.write_all(&text).unwrap();
        file.0.sync_data().unwrap();
        (self.at)("after_sync", file.1);
        Ok(version)
    }

    async fn purge(&self, limit: NonZeroU32) -> Result<u32> {
        self.rows.purge(limit).await
    }

    fn changes(&self) -> Changes {
        self.rows.changes()
    }
}
