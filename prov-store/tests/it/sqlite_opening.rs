use std::fs;
use std::path::Path;
use std::process::Stdio;

use prov_core::store::{Batch, Expect, Key, Store};
use prov_store::{Database, SqliteStore, codes};
use rusqlite::Connection;

use crate::{system_clock, this_binary};

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = SqliteStore::open(&path, system_clock()).unwrap();
    let error = SqliteStore::open(&path, system_clock()).unwrap_err();
    assert!(error.is(codes::DATABASE_IN_USE), "{error:?}");
    assert!(error.to_string().contains("PostgreSQL"), "it says what to do: {error}");
    #[cfg(unix)]
    {
        let other_name = folder.path().join("b.db");
        std::os::unix::fs::symlink(&path, &other_name).unwrap();
        let error = SqliteStore::open(&other_name, system_clock()).unwrap_err();
        assert!(error.is(codes::DATABASE_IN_USE), "by another name: {error:?}");
    }
    store.close().await;
    SqliteStore::open(&path, system_clock()).unwrap();
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let _store = SqliteStore::open(&path, system_clock()).unwrap();
    let output = this_binary("sqlite_opening::opens_and_says_how_it_went")
        .env("PROV_STORE_CHILD", &path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("store.database_in_use"), "{said}");
}

#[test]
#[ignore = "runs as the second process of another test"]
fn opens_and_says_how_it_went() {
    let path = std::env::var_os("PROV_STORE_CHILD").expect("started by another test");
    match SqliteStore::open(Path::new(&path), system_clock()) {
        Ok(_) => println!("opened"),
        Err(error) => println!("refused: {error}"),
    }
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    drop(SqliteStore::open(&path, system_clock()).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let before = fs::read(&path).unwrap();
    let error = SqliteStore::open(&path, system_clock()).unwrap_err();
    assert!(error.is(codes::DATABASE_TOO_NEW), "{error:?}");
    assert!(error.to_string().contains("999"), "it names the versions: {error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = fs::read(&path).unwrap();
    let error = SqliteStore::open(&path, system_clock()).unwrap_err();
    assert!(error.is(codes::DATABASE_FOREIGN), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let text = "my holiday diary, ".repeat(1000);
    fs::write(&path, &text).unwrap();
    let error = SqliteStore::open(&path, system_clock()).unwrap_err();
    assert!(error.is(prov_core::codes::STORE_CORRUPT), "{error:?}");
    assert!(error.to_string().contains("restore the last backup"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_user_can_read_the_database() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/a.db");
    let store = SqliteStore::open(&path, system_clock()).unwrap();
    let key = Key::new("test.mode", "a");
    store.commit(Batch::new().put(key, "secret", Expect::Absent)).await.unwrap();
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", entry.file_name());
    }
    let mode = fs::metadata(path.parent().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the folder has mode {mode:o}");
}
