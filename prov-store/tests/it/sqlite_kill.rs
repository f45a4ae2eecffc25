use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use prov_core::store::{Batch, Expect, Key, Store};
use prov_store::{Database, SqliteStore};

use crate::{system_clock, this_binary};

const ROUNDS: usize = 25;

/// A process that writes is killed again and again, at moments it can't choose: whatever it had
/// confirmed is there afterwards.
#[tokio::test]
async fn what_was_confirmed_survives_kill_nine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut confirmed = BTreeSet::new();
    for round in 0..ROUNDS {
        let before = confirmed.len();
        let mut child = this_binary("sqlite_kill::writes_until_killed")
            .env("PROV_STORE_CHILD", &path)
            .env("PROV_STORE_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // Well under way, then a little longer, each time differently.
        confirmed.extend(lines.by_ref().filter_map(|line| confirmed_id(&line)).take(5 + round * 3));
        std::thread::sleep(Duration::from_millis(round as u64 % 7));
        child.kill().unwrap();
        child.wait().unwrap();
        confirmed.extend(lines.filter_map(|line| confirmed_id(&line)));
        assert!(confirmed.len() >= before + 5, "round {round} confirmed nothing");

        let store = SqliteStore::open(&path, system_clock()).unwrap();
        for id in &confirmed {
            let found = store.get(&Key::new("test.kill", id)).await.unwrap();
            assert_eq!(found.unwrap_or_else(|| panic!("{id} is lost")).value, id.as_bytes());
        }
        store.close().await;
    }
    let checked: String = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(checked, "ok");
}

/// A line that was cut by the kill is no confirmation.
fn confirmed_id(line: &str) -> Option<String> {
    let id = line.split_once("confirmed ")?.1.strip_suffix('.')?;
    Some(id.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as the child of another test, which kills it"]
async fn writes_until_killed() {
    let path = std::env::var_os("PROV_STORE_CHILD").expect("started by another test");
    let round = std::env::var_os("PROV_STORE_ROUND").expect("started by another test");
    let round = round.into_string().unwrap();
    let store = Arc::new(SqliteStore::open(Path::new(&path), system_clock()).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let (store, round) = (Arc::clone(&store), round.clone());
        tasks.spawn(async move {
            for n in 0..u32::MAX {
                let id = format!("{round}-{task}-{n}");
                let batch =
                    Batch::new().put(Key::new("test.kill", &id), id.clone(), Expect::Absent);
                store.commit(batch).await.unwrap();
                // One write per line, straight to the pipe.
                std::io::stdout().write_all(format!("confirmed {id}.\n").as_bytes()).unwrap();
            }
        });
    }
    tasks.join_all().await;
}
