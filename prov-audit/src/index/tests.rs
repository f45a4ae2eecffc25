mod faults;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prov_core::store::MemoryStore;
use prov_core::{Clock, SystemClock};
use rusqlite::{Connection, Transaction};
use tempfile::TempDir;

use super::filling::Filling;
use super::persons::Persons;
use super::places::{BLOCK, SPAN};
use super::schema::{self, Position};
use super::search::{Condition, Searching};
use super::{Hit, Index, IndexFile, IndexShared, Indexed, MOST_FAILURES, ToRead, counts, removal};
use crate::journal::Watermark;
use crate::people::Vault;
use crate::segment;

/// Of each record a term of its own, one of 17 that many have, and what stems from one of so many people: a
/// term that they have always, and one of three that change.
fn add(filling: &mut Filling, seq: u64, people: u64, silent: &BTreeSet<u64>) {
    let number = seq.cast_signed();
    filling.begin(seq);
    filling.add_event(Hit {
        seq,
        time: number * 1000,
        segment: seq / 5000 * 5000,
        place: 64 + seq,
    });
    let ordinary = [unique(seq), shared(action(seq)), outcome(seq % 2), pid(seq % people)];
    for term in ordinary {
        filling.add(seq, term);
    }
    if !silent.contains(&(seq % people)) {
        filling.add_personal(seq, &[name(seq % people), agent(seq % 3)], pid(seq % people));
    }
}

/// A hash, for the tests: numbers that fall anywhere.
fn hash(kind: u64, of: u64) -> i64 {
    let mixed =
        (of + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ kind.wrapping_mul(0xD1B5_4A32_D192_ED03);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9).cast_signed()
}

fn unique(of: u64) -> i64 {
    hash(1, of)
}
fn shared(of: u64) -> i64 {
    hash(2, of)
}
/// What was done, one of the many.
fn action(seq: u64) -> u64 {
    seq % 17
}
fn outcome(of: u64) -> i64 {
    hash(6, of)
}
/// The term of an action or an outcome by its name.
fn term_of(kind: &'static str, name: &str) -> i64 {
    let number = name.parse().unwrap();
    if kind == "action" { shared(number) } else { outcome(number) }
}
pub(super) fn pid(of: u64) -> i64 {
    hash(3, of)
}
fn name(of: u64) -> i64 {
    hash(4, of)
}
fn agent(of: u64) -> i64 {
    hash(5, of)
}

/// Writes what was added of these records, and how far that is.
fn write(
    filling: &mut Filling,
    db: &Transaction<'_>,
    new: Range<u64>,
    oldest: u64,
) -> rusqlite::Result<()> {
    filling.write(db)?;
    let each = new.clone().map(|seq| (action(seq), seq % 2));
    let each: Vec<_> = each.map(|(a, o)| (a.to_string(), o.to_string())).collect();
    let each = each.iter().map(|(action, outcome)| (action.as_str(), outcome.as_str(), 1));
    let counted = Position::of(db)?.counted + counts::add(db, each)?;
    Position { size: new.end, oldest, counted, last_hash: vec![7; 32], ..Position::default() }
        .write(db)
}

/// How many people there are, unless there are many.
const PEOPLE: u64 = 5;

/// An index of these records, written after so many each time.
pub(super) struct Written {
    _folder: TempDir,
    pub(super) file: std::path::PathBuf,
    pub(super) db: Connection,
    filling: Filling,
    size: u64,
    oldest: u64,
    people: u64,
    /// Of whom nothing personal comes any more.
    silent: BTreeSet<u64>,
}

impl Written {
    pub(super) fn new(records: Range<u64>, write_every: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index");
        let db = schema::open(&file, "origin").unwrap();
        let (size, oldest) = (records.start, records.start);
        let filling = Filling::of(size, oldest);
        let people = PEOPLE;
        let mut written = Self {
            _folder: folder,
            file,
            db,
            filling,
            size,
            oldest,
            people,
            silent: BTreeSet::new(),
        };
        written.go_on(records.end, write_every);
        written
    }

    fn go_on(&mut self, end: u64, write_every: u64) {
        while self.size < end {
            let wanted = self.size + self.filling.wanted(end).min(write_every);
            let all = self.db.unchecked_transaction().unwrap();
            for seq in self.size..wanted.min(end) {
                add(&mut self.filling, seq, self.people, &self.silent);
            }
            let end = wanted.min(end);
            write(&mut self.filling, &all, self.size..end, self.oldest).unwrap();
            all.commit().unwrap();
            self.size = end;
        }
    }

    fn forget(&mut self, who: &[u64]) {
        self.filling.lost(0);
        let pids: Vec<i64> = who.iter().map(|who| pid(*who)).collect();
        let taken = removal::forget(&self.db, &pids, usize::MAX, &|| false).unwrap();
        assert!(taken.all, "nothing interrupts it");
    }

    fn prune(&mut self, before: u64) {
        self.filling.lost(before);
        self.oldest = before;
        removal::prune(&self.db, before, &term_of).unwrap();
    }

    fn tables(&self) -> Vec<Vec<Vec<rusqlite::types::Value>>> {
        counts::load(&self.db).unwrap();
        let tables = ["event", "stretch", "posting", "personal", "owner", "tally"];
        tables.map(|table| rows(&self.db, &format!("SELECT * FROM {table}"))).into()
    }

    fn found(&self, condition: &Condition) -> Vec<u64> {
        let searching = Searching::open(
            ToRead { file: &self.file, least: self.size },
            Duration::from_secs(100),
            &|_| 0,
        )
        .unwrap();
        let found = searching.search(condition, u64::MAX, usize::MAX).unwrap();
        assert!(found.stopped.is_none());
        let (counts, _) = searching.count(condition, &[Condition::All(Vec::new())]).unwrap();
        assert_eq!(counts, [found.hits.len() as u64]);
        found.hits.iter().map(|hit| hit.seq).collect()
    }
}

fn rows(db: &Connection, sql: &str) -> Vec<Vec<rusqlite::types::Value>> {
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let read = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
    statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
}

fn has(public: &[i64], personal: &[i64]) -> Condition {
    Condition::Has { public: public.into(), personal: personal.into() }
}

/// Those of these records of which something is true, the newest first.
fn those(records: Range<u64>, of: impl Fn(u64) -> bool) -> Vec<u64> {
    records.rev().filter(|seq| of(*seq)).collect()
}

/// Asks in many ways, of an index of which these records are left, and nothing personal of these people.
fn ask(index: &Written, left: &Range<u64>, forgotten: &[u64]) {
    let left = || left.clone();
    let knows = |seq: u64| !forgotten.contains(&(seq % 5));
    for seq in
        [left().start, left().start + 1, u64::midpoint(left().start, left().end), left().end - 1]
    {
        assert_eq!(index.found(&has(&[unique(seq)], &[])), [seq]);
    }
    assert_eq!(index.found(&has(&[unique(left().end)], &[])), [0; 0]);
    assert_eq!(index.found(&has(&[shared(3)], &[])), those(left(), |seq| seq % 17 == 3));
    for who in 0..5 {
        let of_name = those(left(), |seq| seq % 5 == who && knows(seq));
        assert_eq!(index.found(&has(&[], &[name(who)])), of_name);
        assert_eq!(index.found(&has(&[pid(who)], &[])), those(left(), |seq| seq % 5 == who));
    }
    let both = Condition::All(vec![has(&[shared(3)], &[]), has(&[], &[agent(1)])]);
    let expected = those(left(), |seq| seq % 17 == 3 && seq % 3 == 1 && knows(seq));
    assert_eq!(index.found(&both), expected);
    let not =
        Condition::All(vec![has(&[shared(3)], &[]), Condition::Not(has(&[], &[agent(1)]).into())]);
    let expected = those(left(), |seq| seq % 17 == 3 && !(seq % 3 == 1 && knows(seq)));
    assert_eq!(index.found(&not), expected);
    let (from, to) = (left().start + 700, left().end - 300);
    let between = Condition::Between(from.cast_signed() * 1000, to.cast_signed() * 1000);
    assert_eq!(index.found(&between), those(left(), |seq| (from..=to).contains(&seq)));
    assert_eq!(index.found(&Condition::Between(i64::MIN, -1)), [0; 0]);
}

#[test]
fn what_is_written_in_pieces_is_as_what_is_written_at_once() {
    for (start, end) in [(0, 2 * SPAN), (SPAN + BLOCK + 77, 3 * SPAN)] {
        let whole = Written::new(start..end, u64::MAX);
        let pieces = Written::new(start..end, 1500);
        assert!(whole.tables().iter().all(|rows| !rows.is_empty()));
        assert_eq!(whole.tables(), pieces.tables());
        ask(&whole, &(start..end), &[]);
    }
    // Of a span that is not full, written in pieces or, when reading it was interrupted, several blocks at once.
    let end = SPAN + 2 * BLOCK + 5;
    let mut pieces = Written::new(0..end, 1000);
    let mut whole = Written::new(0..SPAN, u64::MAX);
    let all = whole.db.unchecked_transaction().unwrap();
    (SPAN..end).for_each(|seq| add(&mut whole.filling, seq, PEOPLE, &BTreeSet::new()));
    write(&mut whole.filling, &all, SPAN..end, 0).unwrap();
    all.commit().unwrap();
    assert_eq!(whole.tables(), pieces.tables());
    ask(&pieces, &(0..end), &[]);
    pieces.go_on(2 * SPAN, 3000);
    assert_eq!(pieces.tables(), Written::new(0..2 * SPAN, u64::MAX).tables());
}

#[test]
fn spans_that_are_one_answer_as_their_blocks_did() {
    let mut index = Written::new(0..SPAN - 1, 4000);
    let blocks = rows(&index.db, "SELECT stretch FROM stretch").len();
    ask(&index, &(0..SPAN - 1), &[]);
    index.go_on(SPAN, 1);
    let spans = rows(&index.db, "SELECT stretch FROM stretch").len();
    assert_eq!((blocks as u64, spans), (SPAN / BLOCK, 1));
    ask(&index, &(0..SPAN), &[]);
}

#[test]
fn of_who_is_forgotten_no_row_is_left_and_others_keep_theirs() {
    let end = SPAN + BLOCK + 9;
    let mut index = Written::new(0..end, 5000);
    index.forget(&[2]);
    let of_them = |sql: &str| rows(&index.db, &format!("{sql} WHERE pid = {}", pid(2)));
    assert_eq!(of_them("SELECT pid FROM personal").len(), 0);
    assert_eq!(of_them("SELECT pid FROM owner").len(), 0);
    ask(&index, &(0..end), &[2]);
    index.forget(&[4]);
    ask(&index, &(0..end), &[2, 4]);
    // As if they had never been known.
    index.prune(SPAN + BLOCK);
    ask(&index, &(SPAN + BLOCK..end), &[2, 4]);
}

#[test]
fn whoever_is_taken_out_bit_by_bit_is_gone_when_that_is_done_and_nobody_else_misses_anything() {
    let end = SPAN + 2 * BLOCK + 9;
    let (mut index, mut whole) = (Written::new(0..end, 5000), Written::new(0..end, 5000));
    whole.forget(&[2, 4]);
    index.filling.lost(0);
    let all: Vec<i64> = (0..PEOPLE).map(pid).collect();
    let (mut persons, mut position) = (Persons::default(), Position::of(&index.db).unwrap());
    for pid in &all {
        persons.note(*pid, None);
    }
    persons.write(&index.db, &mut position).unwrap();
    position.write(&index.db).unwrap();
    let (mut calls, mut partly) = (0, 0);
    loop {
        let more = std::cell::Cell::new(calls % 2);
        let go_on = || more.replace(0) > 0;
        let taken = removal::forget(&index.db, &[pid(2), pid(4)], 1, &go_on).unwrap();
        calls += 1;
        for who in [0, 1, 3] {
            let of_name = those(0..end, |seq| seq % 5 == who);
            assert_eq!(index.found(&has(&[], &[name(who)])), of_name);
        }
        let found = index.found(&has(&[], &[name(4)]));
        let known = those(0..end, |seq| seq % 5 == 4);
        assert!(known.ends_with(&found));
        partly += usize::from(!found.is_empty() && found.len() < known.len());
        // Whoever comes next knows of whom there is something left.
        let left = Persons::load(&index.db).unwrap().among(&all);
        if taken.all {
            assert_eq!(left, [pid(0), pid(1), pid(3)]);
            break;
        }
        assert!(left.contains(&pid(4)), "the last of them is not gone before everything is");
    }
    assert!(calls > 2 && partly > 0, "{calls} {partly}");
    assert_eq!(index.tables(), whole.tables());
    ask(&index, &(0..end), &[2, 4]);
    let again = removal::forget(&index.db, &[pid(2)], 1, &|| false).unwrap();
    assert_eq!((again.any, again.all), (false, true));
}

#[test]
fn of_what_is_pruned_no_row_is_left_and_newer_ones_keep_theirs() {
    let end = 2 * SPAN + 3 * BLOCK + 9;
    let edges =
        [1, BLOCK, SPAN - 1, SPAN, SPAN + BLOCK + 300, 2 * SPAN + BLOCK + 300, end - 1, end];
    for start in edges {
        let mut index = Written::new(0..end, 30_000);
        index.prune(start);
        // As an index that was made of what is left, but for how its parts were numbered.
        let anew = Written::new(start..end, BLOCK);
        assert_eq!(index.tables(), anew.tables(), "pruned before {start}");
        if start < end - 1000 {
            ask(&index, &(start..end), &[]);
        }
    }
    // It goes on as it should, also into the next span.
    let mut index = Written::new(0..SPAN + 3 * BLOCK, 30_000);
    index.prune(SPAN + BLOCK + 300);
    index.go_on(3 * SPAN + 100, 30_000);
    assert_eq!(index.tables(), Written::new(SPAN + BLOCK + 300..3 * SPAN + 100, 30_000).tables());
    // What an index never knew is not taken out of it.
    let before = index.tables();
    index.prune(SPAN);
    assert_eq!(index.tables(), before);
}

#[test]
fn a_prune_forgets_of_whom_nothing_is_left() {
    let mut index = Written::new(0..100, 100);
    index.silent.insert(2);
    index.go_on(BLOCK, 1000);
    let (mut persons, mut position) = (Persons::default(), Position::of(&index.db).unwrap());
    (0..PEOPLE).for_each(|who| persons.note(pid(who), None));
    persons.write(&index.db, &mut position).unwrap();
    position.write(&index.db).unwrap();
    let all: Vec<i64> = (0..PEOPLE).map(pid).collect();
    for (before, left) in [(90, vec![0, 1, 2, 3, 4]), (100, vec![0, 1, 3, 4]), (BLOCK, vec![])] {
        index.prune(before);
        let left: Vec<i64> = left.into_iter().map(pid).collect();
        assert_eq!(Persons::load(&index.db).unwrap().among(&all), left, "{before}");
    }
}

#[test]
fn an_index_that_is_being_made_anew_gives_no_half_an_answer() {
    let index = Written::new(0..100, 100);
    let open = |least| {
        let index = ToRead { file: &index.file, least };
        Searching::open(index, Duration::from_secs(1), &|_| 0).map(drop)
    };
    open(100).unwrap();
    assert!(!super::sums::is_damage(&open(101).unwrap_err()));
}

/// Says of which records something is true.
type Is = fn(u64) -> bool;

#[test]
fn a_search_without_any_time_gets_to_the_end_by_going_on() {
    let written = Written::new(0..3 * BLOCK + 5, 700);
    let stretches = 4;
    let any: Is = |_| true;
    let cases: [(Condition, Is); 4] = [
        (Condition::All(Vec::new()), any),
        (Condition::Not(Box::new(Condition::never())), any),
        // With time, the first look would be where it is; so every stretch is looked at.
        (has(&[unique(7)], &[]), |seq| seq == 7),
        (has(&[], &[name(2)]), |seq| seq % 5 == 2),
    ];
    for (condition, of) in cases {
        let index = ToRead { file: &written.file, least: written.size };
        let searching = Searching::open(index, Duration::ZERO, &|_| 0).unwrap();
        let (mut before, mut found, mut pages) = (u64::MAX, Vec::new(), 0);
        loop {
            let page = searching.search(&condition, before, usize::MAX).unwrap();
            pages += 1;
            found.extend(page.hits.iter().map(|hit| hit.seq));
            let Some((seq, time)) = page.stopped else { break };
            assert!(seq < before.min(written.size), "it goes on");
            assert_eq!(time, seq.cast_signed() * 1000);
            before = seq;
        }
        assert_eq!(found, those(0..written.size, of));
        assert_eq!(pages, stretches);
    }
}

#[test]
fn an_index_that_cannot_be_read_at_some_page_is_made_anew_after_a_while() {
    let shared = Arc::new(IndexShared::new());
    let file = IndexFile { path: "index".into(), shared: Arc::clone(&shared) };
    let fails = |code| {
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        let code = file.ask(|_| Err::<(), _>(error)).unwrap_err().code();
        assert_eq!(code, crate::codes::INDEX_BEHIND);
        shared.damaged.load(Ordering::Acquire)
    };
    for _ in 0..MOST_FAILURES {
        assert!(!fails(rusqlite::ffi::SQLITE_BUSY), "that passes");
    }
    for _ in 1..MOST_FAILURES {
        assert!(!fails(rusqlite::ffi::SQLITE_IOERR_READ), "that may pass");
        // That other pages can be read says nothing of this one.
        file.ask(|_| Ok(())).unwrap();
    }
    assert!(fails(rusqlite::ffi::SQLITE_IOERR_READ));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_log_of_which_everything_is_gone_the_index_is_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    let vault = Vault::open(store, clock, "origin", Duration::ZERO).await.unwrap();
    // The segment that is written to is empty, and everything before it was pruned.
    let dir = folder.path().join("log");
    std::fs::create_dir_all(segment::folder(&dir)).unwrap();
    std::fs::write(segment::file(&dir, 300), segment::header(300, &[0; 32])).unwrap();
    let durable = Arc::new(Watermark::new(300));
    let log = Indexed { dir, name: "origin".to_owned(), durable };
    let file = folder.path().join("index.sqlite");
    // Also when it is opened again.
    let vault = Arc::new(vault);
    for _ in 0..2 {
        let index = Index::open(file.clone(), log.clone(), Arc::clone(&vault)).unwrap();
        index.caught_up(Duration::from_secs(20)).await.unwrap();
        assert_eq!(index.position(), 300);
        index.rebuild().await.unwrap();
        index.caught_up(Duration::from_secs(20)).await.unwrap();
    }
}
