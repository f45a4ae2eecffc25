//! What SQLite leaves where nothing is allocated.
//!
//! `secure_delete` overwrites a row that is deleted, and pages that are free. A row that only moved, when a page
//! was divided, stays where it was, in the room between a page's cell pointers and its cells, for as long as
//! nothing is put there: a deletion later on does not find it. So the room itself is overwritten, after the
//! write-ahead log was emptied into the file, and by nobody but the thread that writes the index. Whoever reads
//! meanwhile looks at no such room; a connection that writes must be opened anew afterwards, as it may have pages
//! as they were.
//!
//! The file is opened once and stays open: to close it would give up all the locks that this process has on it
//! (`fcntl(2)`), those of SQLite included, and whoever looks into the index with a program of theirs could take the
//! write-ahead log away.
//!
//! The layout is that of "Database File Format" of SQLite, sections 1.3 and 1.6.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::Connection;

/// The tables whose rows are of people.
const TABLES: &str = "SELECT rootpage FROM sqlite_master WHERE name IN ('personal', 'owner')";

/// Pages that lie so close are read together: to read the one between costs less than to ask again.
const NEAR: u32 = 2;

/// So many pages of a tree are read together at most.
const RUN: usize = 64;

/// Where the header of the first page ends.
const FILE_HEADER: usize = 100;

/// Opens the file of an index, to be kept as long as that is written.
pub(super) fn open(index: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(index)
}

/// The pages that these tables begin with.
pub(super) fn roots(db: &Connection) -> rusqlite::Result<Vec<u32>> {
    db.prepare(TABLES)?.query_map([], |row| row.get(0))?.collect()
}

/// Overwrites the room in which nothing is allocated, in every page of the trees that begin with these; says in
/// how many there was something. Durable when this returns.
pub(super) fn wipe(file: &File, roots: &[u32]) -> io::Result<usize> {
    let mut header = [0; FILE_HEADER];
    file.read_exact_at(&mut header, 0)?;
    let size = match number(&header, 16, 2) {
        1 => 65_536,
        size => size,
    };
    let (mut level, mut seen) = (roots.to_vec(), BTreeSet::<u32>::new());
    let (mut pages, mut wiped) = (Vec::new(), 0);
    while !level.is_empty() {
        level.sort_unstable();
        // A damaged tree may lead in a circle.
        level.retain(|page| *page > 0 && seen.insert(*page));
        let mut below = Vec::new();
        for some in level.chunk_by(|one, next| next - one <= NEAR).flat_map(|run| run.chunks(RUN)) {
            let (Some(first), Some(last)) = (some.first(), some.last()) else { continue };
            let place = |page: u32| (page - first) as usize * size;
            let start = u64::from(first - 1) * size as u64;
            pages.resize(place(*last) + size, 0);
            file.read_exact_at(&mut pages, start)?;
            for number in some {
                let at = place(*number);
                let page = pages.get_mut(at..at + size).unwrap_or_default();
                let header = if *number == 1 { FILE_HEADER } else { 0 };
                let Some(tree) = Tree::of(page, header) else { continue };
                tree.add_children(page, &mut below);
                let gap = page.get_mut(tree.gap.clone()).unwrap_or_default();
                if gap.iter().any(|byte| *byte != 0) {
                    gap.fill(0);
                    file.write_all_at(gap, start + (at + tree.gap.start) as u64)?;
                    wiped += 1;
                }
            }
        }
        level = below;
    }
    if wiped > 0 {
        file.sync_data()?;
    }
    Ok(wiped)
}

/// A page of a tree.
struct Tree {
    /// Where its cells are said to be, one after the other.
    pointers: std::ops::Range<usize>,
    gap: std::ops::Range<usize>,
    /// Its last child, if it has any.
    right: Option<u32>,
}

impl Tree {
    /// `None` for what is no page of a tree, or no whole one.
    fn of(page: &[u8], at: usize) -> Option<Self> {
        let is_interior = match page.get(at)? {
            2 | 5 => true,
            10 | 13 => false,
            _ => return None,
        };
        let header = if is_interior { 12 } else { 8 };
        let content = match number(page, at + 5, 2) {
            0 => 65_536,
            content => content,
        };
        let first = at + header;
        let end = first + 2 * number(page, at + 3, 2);
        if end > content || content > page.len() {
            return None;
        }
        let right = is_interior.then(|| number(page, at + 8, 4)).and_then(|n| n.try_into().ok());
        Some(Self { pointers: first..end, gap: end..content, right })
    }

    fn add_children(&self, page: &[u8], children: &mut Vec<u32>) {
        let Some(right) = self.right else { return };
        let cells = page.get(self.pointers.clone()).unwrap_or_default();
        let left = cells.chunks_exact(2).map(|pointer| number(page, number(pointer, 0, 2), 4));
        children.extend(left.filter_map(|child| u32::try_from(child).ok()).chain([right]));
    }
}

/// A number of so many bytes, big-endian; 0 where there are none.
fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    let bytes = bytes.get(at..at + length).unwrap_or_default();
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::future::join_all;
    use memchr::memmem;
    use prov_core::audit::{Action, Actor, Event, Outcome, Recorder};
    use prov_core::store::{MemoryStore, Store};
    use prov_core::{
        Authentication, AuthenticationMethod, Clock, Identity, Principal, PrincipalKind,
        RequestFacts, RequestId, SecurityContext, SystemClock,
    };

    use super::super::places::SPAN;
    use super::*;
    use crate::{Log, LogOptions, Query};

    const PAGE: usize = 4096;

    /// What SQLite leaves there of one row in some thousand, is left in every page: so that it need not be
    /// waited for.
    const LEFT: &[u8; 8] = b"leftover";

    /// Tables as those of the index are, of a few hundred pages.
    fn filled(file: &Path) -> Connection {
        let db = Connection::open(file).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        db.execute_batch(
            "CREATE TABLE other (page INTEGER PRIMARY KEY, entries BLOB NOT NULL);
             CREATE TABLE personal (stretch INTEGER NOT NULL, pid INTEGER NOT NULL,
                 entries BLOB NOT NULL, PRIMARY KEY (stretch, pid)) WITHOUT ROWID;
             CREATE TABLE owner (grp INTEGER NOT NULL, term INTEGER NOT NULL, pid INTEGER NOT NULL,
                 PRIMARY KEY (grp, term, pid)) WITHOUT ROWID;
             WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 9000)
                 INSERT INTO personal SELECT n / 100, random(), randomblob(n % 150) FROM number;
             INSERT INTO owner SELECT stretch, random(), pid FROM personal;
             INSERT INTO other SELECT pid, entries FROM personal;
             PRAGMA wal_checkpoint(TRUNCATE);",
        )
        .unwrap();
        db
    }

    /// Writes something into what is free, of every page of a tree; says in how many there was room.
    fn leave(file: &Path) -> usize {
        let (bytes, free) = (std::fs::read(file).unwrap(), open(file).unwrap());
        let mut left = 0;
        for (index, page) in bytes.chunks_exact(PAGE).enumerate() {
            let header = if index == 0 { FILE_HEADER } else { 0 };
            let Some(tree) = Tree::of(page, header) else { continue };
            if tree.gap.len() >= LEFT.len() {
                let at = index * PAGE + tree.gap.end - LEFT.len();
                free.write_all_at(LEFT, at as u64).unwrap();
                left += 1;
            }
        }
        left
    }

    /// How often that stands in a file.
    fn found(file: &Path) -> usize {
        memmem::find_iter(&std::fs::read(file).unwrap(), LEFT).count()
    }

    fn state(db: &Connection) -> (i64, i64, String) {
        let sums =
            "SELECT sum(length(entries)), (SELECT sum(term / 65536) FROM owner) FROM personal";
        let (a, b) = db.query_row(sums, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        (a, b, db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap())
    }

    #[test]
    fn nothing_is_left_where_nothing_is_allocated_and_every_row_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("index.sqlite");
        let db = filled(&file);
        let (before, roots) = (state(&db), roots(&db).unwrap());
        assert_eq!((before.2.as_str(), roots.len()), ("ok", 2));
        drop(db);
        let left = leave(&file);
        let free = open(&file).unwrap();
        assert!(left > 200 && found(&file) == left, "{left}");
        // Somebody who reads meanwhile goes on reading.
        let reader = Connection::open(&file).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(state(&reader), before);
        let wiped = wipe(&free, &roots).unwrap();
        let others = found(&file);
        assert!(wiped > 100 && (1..left).contains(&others), "{others} of {left}, {wiped}");
        assert_eq!(state(&reader), before);
        drop(reader);
        // The rest is of the table that has nothing of people, and of the list of tables.
        let all = Connection::open(&file).unwrap();
        let every = "SELECT rootpage FROM sqlite_master WHERE rootpage > 0 UNION SELECT 1";
        let every: Vec<u32> = all
            .prepare(every)
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(wipe(&free, &every).unwrap() >= others);
        assert_eq!((found(&file), state(&Connection::open(&file).unwrap())), (0, before));
        assert_eq!(wipe(&free, &every).unwrap(), 0, "once is enough");
    }

    #[test]
    fn a_damaged_tree_is_gone_through_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("index.sqlite");
        let db = filled(&file);
        let roots = roots(&db).unwrap();
        drop(db);
        leave(&file);
        let free = open(&file).unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        let root = (roots[0] as usize - 1) * PAGE;
        // Its last child is itself.
        bytes[root + 8..root + 12].copy_from_slice(&roots[0].to_be_bytes());
        std::fs::write(&file, &bytes).unwrap();
        assert!(wipe(&free, &roots[..1]).unwrap() > 0);
        // Its cells begin behind its end.
        bytes[root + 5] = 0xFF;
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(wipe(&free, &roots[..1]).unwrap(), 0, "what can't be a page is left alone");
        wipe(&free, &[u32::MAX]).unwrap_err();
    }

    async fn opened(folder: &Path, store: &Arc<dyn Store>) -> Log {
        let clock = Arc::new(SystemClock::new());
        let options = LogOptions::new(folder, "prov.example/audit", Arc::clone(store), clock);
        Log::open(options.index_patience(Duration::from_secs(20))).await.unwrap()
    }

    /// How many pages of an index that is open have something where nothing is allocated.
    fn unwiped(file: &Path) -> usize {
        let roots = roots(&Connection::open(file).unwrap()).unwrap();
        wipe(&open(file).unwrap(), &roots).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_start_and_every_erasure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let clock = SystemClock::new();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(clock)));
        let log = opened(folder.path(), &store).await;
        let event = |n: usize| {
            let (id, name) = (format!("user_{n}"), format!("name{n} of{n}"));
            let actor = Actor::account(PrincipalKind::User, id, name);
            Event::new(&clock, Action::KMS_ENCRYPT, Outcome::Success).by(actor)
        };
        join_all((0..400).map(|n| log.record(event(n)))).await;
        let found = log.query(&Query::new().user("name7 of7")).await.unwrap();
        assert_eq!(found.items.len(), 1);
        log.close().await.unwrap();
        drop(log);
        let file = folder.path().join("index").join("standard.sqlite");
        assert!(leave(&file) > 10);
        let log = opened(folder.path(), &store).await;
        assert_eq!(unwiped(&file), 0, "after a start");
        assert!(leave(&file) > 10);
        let facts = RequestFacts::new(RequestId::generate(&clock).unwrap(), clock.now());
        let admin = Identity {
            principal: Principal::new(PrincipalKind::User, "user_a", "admin"),
            authentication: Authentication::new(AuthenticationMethod::AccessToken, clock.now()),
        };
        let admin = SecurityContext::new(Arc::new(admin), Arc::new(facts));
        assert!(log.erase_subject(&admin, PrincipalKind::User, "user_7").await.unwrap());
        assert_eq!(unwiped(&file), 0, "after an erasure");
        log.close().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_erasure_finds_little_to_overwrite_however_much_was_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let clock = SystemClock::new();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(clock)));
        let log = opened(folder.path(), &store).await;
        let event = |n: u64| {
            let (id, name) = (format!("user_{}", n % 400), format!("name{} of{n}", n % 400));
            let actor = Actor::account(PrincipalKind::User, id, name);
            Event::new(&clock, Action::KMS_ENCRYPT, Outcome::Success).by(actor)
        };
        for first in (0..SPAN).step_by(4096) {
            join_all((first..first + 4096).map(|n| log.record(event(n)))).await;
        }
        log.query(&Query::new()).await.unwrap();
        log.close().await.unwrap();
        let file = folder.path().join("index").join("standard.sqlite");
        let (unwiped, all) = (unwiped(&file), leave(&file));
        assert!(unwiped * 20 < all, "{unwiped} of {all}");
    }

    /// How many locks there are on a file (`proc_locks(5)`).
    #[cfg(target_os = "linux")]
    fn locks(file: &Path) -> usize {
        use std::os::unix::fs::MetadataExt;

        let inode = format!(":{} ", std::fs::metadata(file).unwrap().ino());
        let all = std::fs::read_to_string("/proc/locks").unwrap();
        all.lines().filter(|line| line.contains(&inode)).count()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_locks_of_whoever_reads_stay() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("index.sqlite");
        let db = filled(&file);
        let (free, roots) = (open(&file).unwrap(), roots(&db).unwrap());
        db.execute_batch("BEGIN; SELECT count(*) FROM owner").unwrap();
        let before = locks(&file);
        assert!(before > 0, "SQLite locks nothing: the file need not stay open");
        wipe(&free, &roots).unwrap();
        assert_eq!(locks(&file), before);
        drop(free);
        assert_eq!(locks(&file), 0, "that is what it would cost");
    }
}
