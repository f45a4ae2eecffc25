use prov_core::Clock;
use prov_core::store::MemoryStore;

use super::super::places::BLOCK;
use super::super::tests::{Written, pid};
use super::*;

/// A thread of an index that is written already, of a log without records; of the second person it has what stems
/// from a key that ended.
async fn indexer(file: PathBuf, folder: &std::path::Path) -> Indexer {
    let clock: Arc<dyn Clock> = Arc::new(prov_core::SystemClock::new());
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    let ended = clock.now();
    let vault = Vault::open(store, clock, "origin", Duration::ZERO).await.unwrap();
    std::fs::create_dir_all(segment::folder(folder)).unwrap();
    std::fs::write(segment::file(folder, 0), segment::header(0, &[0; 32])).unwrap();
    let durable = Arc::new(crate::journal::Watermark::new(0));
    let log = Indexed { dir: folder.to_owned(), name: "origin".to_owned(), durable };
    let shared = Arc::new(IndexShared::new());
    let db = schema::open(&file, "origin").unwrap();
    let mut indexer = Indexer::new(file, log, Arc::new(vault), shared);
    let (mut persons, mut position) = (Persons::default(), Position::of(&db).unwrap());
    persons.note(pid(1), None);
    persons.note(pid(2), Some(ended));
    persons.write(&db, &mut position).unwrap();
    position.write(&db).unwrap();
    let cursor = SegmentCursor::at(folder, 0).unwrap();
    let filling = Filling::of(position.size, 0);
    indexer.open = Some(Open { db, cursor, filling, persons, oldest: 0, wiped: 0 });
    indexer
}

#[tokio::test]
async fn who_waits_comes_between_what_ends_and_the_rest_of_that_is_not_forgotten() {
    let written = Written::new(0..SPAN + BLOCK, 5000);
    let folder = tempfile::tempdir().unwrap();
    let mut indexer = indexer(written.file.clone(), folder.path()).await;
    let shared = Arc::clone(&indexer.shared);
    let left = |table: &str, who| -> i64 {
        let count = format!("SELECT count(*) FROM {table} WHERE pid = {}", pid(who));
        written.db.query_row(&count, [], |row| row.get(0)).unwrap()
    };
    let others = (left("personal", 1), left("owner", 1));
    // A question waits, and goes on waiting: there is some progress all the same.
    shared.waiting.fetch_add(1, Ordering::AcqRel);
    assert!(!indexer.try_to_forget_ended().unwrap());
    assert_eq!((left("personal", 2), left("person", 2)), (1, 1), "one span of two");
    assert!(shared.traces.load(Ordering::Acquire), "what was taken out is still in the files");
    assert!(indexer.try_to_forget_ended().unwrap());
    assert_eq!((left("personal", 2), left("owner", 2), left("person", 2)), (0, 0, 0));
    assert!(!shared.traces.load(Ordering::Acquire));
    assert_eq!((left("personal", 1), left("owner", 1)), others);
}
