//! What SQLite leaves where nothing is allocated.
//!
//! `secure_delete` overwrites a row that is deleted, and pages that are free. A row that only moved, when a page
//! was divided, stays where it was, in the room between a page's cell pointers and its cells, for as long as
//! nothing is put there: a deletion later on does not find it. So the room itself is overwritten, after the
//! write-ahead log was emptied into the file, and by nobody but the thread that writes the index. Whoever reads
//! meanwhile looks at no such room; a connection that writes must be opened anew afterwards, as it may have pages
//! as they were.
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

/// Where the header of the first page ends.
const FILE_HEADER: usize = 100;

/// The pages that these tables begin with.
pub(super) fn roots(db: &Connection) -> rusqlite::Result<Vec<u32>> {
    db.prepare(TABLES)?.query_map([], |row| row.get(0))?.collect()
}

/// Overwrites the room in which nothing is allocated, in every page of the trees that begin with these; says in
/// how many there was something. Durable when this returns.
pub(super) fn wipe(file: &Path, roots: &[u32]) -> io::Result<usize> {
    let file = File::options().read(true).write(true).open(file)?;
    let mut header = [0; FILE_HEADER];
    file.read_exact_at(&mut header, 0)?;
    let size = match number(&header, 16, 2) {
        1 => 65_536,
        size => size,
    };
    let (mut page, mut waiting, mut seen) = (vec![0; size], roots.to_vec(), BTreeSet::<u32>::new());
    let mut wiped = 0;
    while let Some(next) = waiting.pop() {
        // A damaged tree may lead in a circle.
        let Some(index) = next.checked_sub(1).filter(|_| seen.insert(next)) else { continue };
        let start = u64::from(index) * size as u64;
        file.read_exact_at(&mut page, start)?;
        let Some(tree) = Tree::of(&page, if index == 0 { FILE_HEADER } else { 0 }) else {
            continue;
        };
        waiting.extend(tree.children(&page));
        let gap = page.get_mut(tree.gap.clone()).unwrap_or_default();
        if gap.iter().any(|byte| *byte != 0) {
            gap.fill(0);
            file.write_all_at(gap, start + tree.gap.start as u64)?;
            wiped += 1;
        }
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

    fn children(&self, page: &[u8]) -> Vec<u32> {
        let Some(right) = self.right else { return Vec::new() };
        let cells = page.get(self.pointers.clone()).unwrap_or_default();
        let left = cells.chunks_exact(2).map(|pointer| number(page, number(pointer, 0, 2), 4));
        left.filter_map(|child| child.try_into().ok()).chain([right]).collect()
    }
}

/// A number of so many bytes, big-endian; 0 where there are none.
fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    let bytes = bytes.get(at..at + length).unwrap_or_default();
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use memchr::memmem;
    use rusqlite::Connection;

    use super::{FILE_HEADER, Tree, roots, wipe};

    const PAGE: usize = 4096;

    /// What SQLite leaves there of one row in some thousand, is left in every page: so that it need not be
    /// waited for.
    const LEFT: &[u8; 8] = b"leftover";

    /// Tables as those of the index are, of a few hundred pages.
    fn filled(file: &std::path::Path) -> Connection {
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
    fn leave(file: &std::path::Path) -> usize {
        let mut bytes = std::fs::read(file).unwrap();
        let mut left = 0;
        for (index, page) in bytes.chunks_exact_mut(PAGE).enumerate() {
            let header = if index == 0 { FILE_HEADER } else { 0 };
            let Some(tree) = Tree::of(page, header) else { continue };
            if tree.gap.len() >= LEFT.len() {
                page[tree.gap.end - LEFT.len()..tree.gap.end].copy_from_slice(LEFT);
                left += 1;
            }
        }
        std::fs::write(file, bytes).unwrap();
        left
    }

    fn found(file: &std::path::Path) -> usize {
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
        assert!(left > 200 && found(&file) == left, "{left}");
        // Somebody who reads meanwhile goes on reading.
        let reader = Connection::open(&file).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(state(&reader), before);
        let wiped = wipe(&file, &roots).unwrap();
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
        assert!(wipe(&file, &every).unwrap() >= others);
        assert_eq!((found(&file), state(&Connection::open(&file).unwrap())), (0, before));
        assert_eq!(wipe(&file, &every).unwrap(), 0, "once is enough");
    }

    #[test]
    fn a_damaged_tree_is_gone_through_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("index.sqlite");
        let db = filled(&file);
        let roots = roots(&db).unwrap();
        drop(db);
        leave(&file);
        let mut bytes = std::fs::read(&file).unwrap();
        let root = (roots[0] as usize - 1) * PAGE;
        // Its last child is itself.
        bytes[root + 8..root + 12].copy_from_slice(&roots[0].to_be_bytes());
        std::fs::write(&file, &bytes).unwrap();
        assert!(wipe(&file, &roots[..1]).unwrap() > 0);
        // Its cells begin behind its end.
        bytes[root + 5] = 0xFF;
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(wipe(&file, &roots[..1]).unwrap(), 0, "what can't be a page is left alone");
        wipe(&file, &[u32::MAX]).unwrap_err();
    }
}
