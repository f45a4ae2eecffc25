//! What a stop, damage and a lack of room do to an index.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::ErrorCode;

use super::super::search::MANY;
use super::super::stretch::Stretch;
use super::*;
use crate::faults_report::keep_index_row;

/// The header of SQLite's write-ahead log, and that of each page in it.
const HEADER: usize = 32;
const FRAME: usize = 24;
const DISK_PAGE: usize = 4096;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

/// Everything that is done to an index, a transaction each.
const STEPS: [fn(&mut Written); 8] = [
    |index| index.go_on(SPAN - 1000, u64::MAX),
    // The span is full: its blocks become one.
    |index| index.go_on(SPAN, u64::MAX),
    |index| index.go_on(SPAN + 2000, u64::MAX),
    |index| index.forget(&[2]),
    // Within the span that is one.
    |index| index.prune(BLOCK + 300),
    |index| index.go_on(SPAN + BLOCK, u64::MAX),
    |index| index.forget(&[4]),
    // Within a block.
    |index| index.prune(SPAN + 700),
];

/// The files of an index, and what is left in its write-ahead log.
fn files(index: &Path) -> [Vec<u8>; 2] {
    ["", "-wal"].map(|suffix| {
        let file = format!("{}{suffix}", index.display());
        std::fs::read(file).unwrap_or_default()
    })
}

/// An index with these files, opened as after a start.
fn opened([database, wal]: &[Vec<u8>; 2]) -> rusqlite::Result<Written> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index");
    std::fs::write(&file, database).unwrap();
    std::fs::write(folder.path().join("index-wal"), wal).unwrap();
    let db = schema::open(&file, "origin")?;
    let Position { size, oldest, .. } =
        schema::position(&db, "origin")?.ok_or_else(|| super::super::sums::damaged("meta"))?;
    let filling = Filling::of(size, oldest);
    Ok(Written {
        _folder: folder,
        file,
        db,
        filling,
        size,
        oldest,
        people: PEOPLE,
        silent: BTreeSet::new(),
    })
}

/// As the last connection would leave it: nothing in the write-ahead log.
fn settled(index: Written) -> [Vec<u8>; 2] {
    assert!(removal::empty(&index.db).unwrap());
    let found = files(&index.file);
    drop(index);
    found
}

#[test]
fn wherever_the_program_stops_the_index_is_as_after_a_whole_step_and_goes_on() {
    let base = settled(Written::new(0..SPAN - 3000, 9000));
    let mut index = opened(&base).unwrap();
    index.db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    let mut states = vec![(0, index.tables())];
    for step in STEPS {
        step(&mut index);
        let [_, wal] = files(&index.file);
        states.push((wal.len(), index.tables()));
    }
    let [database, wal] = files(&index.file);
    assert_eq!(database, base[0], "all of it stands in the write-ahead log");
    assert!(states.is_sorted_by(|one, other| one.0 < other.0 && one.1 != other.1));
    let state_at = |cut: usize| states.iter().rposition(|(length, _)| *length <= cut).unwrap();

    let mut dice = Dice(7);
    let mut cuts: Vec<usize> = (0..24).map(|_| dice.roll(wal.len())).collect();
    for (length, _) in &states {
        cuts.extend([*length, length.saturating_sub(1), length + FRAME + 100]);
    }
    let stops = cuts.len() + states.len();
    for cut in cuts {
        let (cut, anything) = (cut.min(wal.len()), u8::try_from(dice.roll(256)).unwrap());
        let mut torn = wal[..cut].to_vec();
        if dice.roll(2) == 0 {
            // What was written last may be anything.
            torn.extend((0..dice.roll(3 * DISK_PAGE)).map(|_| anything));
        }
        let index = opened(&[base[0].clone(), torn]).unwrap();
        assert_eq!(index.tables(), states[state_at(cut)].1, "cut at {cut} of {}", wal.len());
    }
    // From each of these it comes to the same, also when some of its pages were in the database already.
    for (at, (length, _)) in states.iter().enumerate() {
        let mut database = base[0].clone();
        let frames = wal[..*length].get(HEADER..).unwrap_or_default();
        for frame in frames.chunks(FRAME + DISK_PAGE).filter(|_| dice.roll(3) > 0) {
            let page = u32::from_be_bytes(*frame.first_chunk().unwrap()) as usize;
            // The newest of it: older ones are not copied.
            let newest = frames.chunks(FRAME + DISK_PAGE).rfind(|other| other[..4] == frame[..4]);
            database.resize(database.len().max(page * DISK_PAGE), 0);
            database[(page - 1) * DISK_PAGE..page * DISK_PAGE]
                .copy_from_slice(&newest.unwrap()[FRAME..]);
        }
        let mut index = opened(&[database, wal[..*length].to_vec()]).unwrap();
        for step in &STEPS[at..] {
            step(&mut index);
        }
        assert_eq!(index.tables(), states.last().unwrap().1, "from step {at}");
    }
    keep_index_row("the program stops, anywhere in the write-ahead log", stops, 0);
}

/// Questions, and how many records answer them.
fn questions(left: &Range<u64>) -> Vec<(&'static str, Condition, Vec<u64>)> {
    let those = |of: &dyn Fn(u64) -> bool| those(left.clone(), of);
    let middle = u64::midpoint(left.start, left.end);
    let time = |seq: u64| seq.cast_signed() * 1000;
    vec![
        ("own", has(&[unique(middle)], &[]), vec![middle]),
        ("own", has(&[unique(left.end - 1)], &[]), vec![left.end - 1]),
        ("many", has(&[shared(3)], &[]), those(&|seq| seq % 17 == 3)),
        ("pseudonym", has(&[pid(2)], &[]), those(&|seq| seq % 5 == 2)),
        (
            "time",
            Condition::Between(time(middle), time(middle + 900)),
            those(&|seq| (middle..=middle + 900).contains(&seq)),
        ),
        ("name", has(&[], &[name(1)]), those(&|seq| seq % 5 == 1)),
        ("agent", has(&[], &[agent(1)]), those(&|seq| seq % 3 == 1 && seq % 5 != 2)),
        ("forgotten", has(&[], &[name(2)]), Vec::new()),
    ]
}

/// The newest ten, and how many there are.
fn asked(file: &Path, condition: &Condition) -> rusqlite::Result<(Vec<u64>, u64)> {
    let index = Searching::open(ToRead { file, least: 0 }, Duration::from_secs(100), &|_| 0)?;
    let hits = index.search(condition, u64::MAX, 10)?.hits;
    let (counts, _) = index.count(condition, &[Condition::All(Vec::new())])?;
    Ok((hits.iter().map(|hit| hit.seq).collect(), counts[0]))
}

/// One kind of damage to a file.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) -> &'static str {
    const SECTOR: usize = 512;
    let sectors = bytes.len() / SECTOR;
    match dice.roll(6) {
        0 | 1 => {
            let at = dice.roll(bytes.len());
            bytes[at] ^= 1 << dice.roll(8);
            "a bit"
        }
        2 => {
            let at = dice.roll(sectors) * SECTOR;
            bytes[at..at + SECTOR].fill(0);
            "a sector of zeros"
        }
        3 => {
            let at = dice.roll(sectors) * SECTOR;
            bytes[at..at + SECTOR].fill_with(|| u8::try_from(dice.roll(256)).unwrap());
            "a sector of anything"
        }
        4 => {
            let pages = bytes.len() / DISK_PAGE;
            let (one, other) = (dice.roll(pages) * DISK_PAGE, dice.roll(pages) * DISK_PAGE);
            bytes.copy_within(one..one + DISK_PAGE, other);
            "a page of elsewhere"
        }
        _ => {
            bytes.truncate(dice.roll(bytes.len()));
            "cut off"
        }
    }
}

#[test]
fn a_damaged_index_gives_a_right_answer_or_none() {
    let left = 0..SPAN + BLOCK + 100;
    let mut index = Written::new(left.clone(), 9000);
    index.forget(&[2]);
    let whole = settled(index);
    let questions = questions(&left);
    let (mut dice, mut noticed, mut silent) = (Dice(11), 0, BTreeMap::<_, u32>::new());
    for _ in 0..300 {
        let mut damaged = whole.clone();
        let what = damage(&mut damaged[0], &mut dice);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index");
        std::fs::write(&file, &damaged[0]).unwrap();
        for (kind, condition, expected) in &questions {
            match asked(&file, condition) {
                Ok((newest, count))
                    if count == expected.len() as u64
                        && newest == expected[..expected.len().min(10)] => {}
                Ok(_) => *silent.entry((*kind, what)).or_default() += 1,
                Err(_) => noticed += 1,
            }
        }
    }
    assert!(noticed > 100);
    assert_eq!(silent, BTreeMap::new());
    let what = "a bit, a sector or a page of the file is another, or its end is missing";
    keep_index_row(what, 300, 300 * questions.len());
}

#[test]
fn of_many_people_a_damaged_index_finds_whom_it_should_or_fails() {
    const MANY: u64 = 3000;
    let left = 0..SPAN + BLOCK + 100;
    let mut index = Written::new(0..0, 1);
    index.people = MANY;
    index.go_on(left.end, 9000);
    let whole = settled(index);
    let (mut dice, mut noticed, mut silent) = (Dice(17), 0, 0);
    for _ in 0..200 {
        let mut damaged = whole.clone();
        damage(&mut damaged[0], &mut dice);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index");
        std::fs::write(&file, &damaged[0]).unwrap();
        for _ in 0..50 {
            let who = dice.roll(3000) as u64;
            let expected = those(left.clone(), |seq| seq % MANY == who);
            match asked(&file, &has(&[], &[name(who)])) {
                Ok((newest, count))
                    if count == expected.len() as u64
                        && newest == expected[..expected.len().min(10)] => {}
                Ok(_) => silent += 1,
                Err(_) => noticed += 1,
            }
        }
    }
    assert!(noticed > 100);
    assert_eq!(silent, 0, "and {noticed} noticed");
    keep_index_row(
        "the file of an index of 3,000 people is changed in the same ways",
        200,
        200 * 50,
    );
}

/// The rows of a table, as they are put back.
fn put_back(db: &Connection, table: &str, row: &[rusqlite::types::Value]) {
    let places = vec!["?"; row.len()].join(", ");
    db.execute(&format!("INSERT INTO {table} VALUES ({places})"), rusqlite::params_from_iter(row))
        .unwrap();
}

#[test]
fn a_row_that_is_lost_whole_is_missed_or_was_not_needed() {
    // A span that is one, a block that is full and one that is not.
    let left = SPAN / 2..SPAN + BLOCK + 100;
    let mut index = Written::new(left.clone(), 9000);
    index.forget(&[2]);
    let questions = questions(&left);
    let mut missed = BTreeMap::<&str, (usize, usize)>::new();
    // Which rows of others are looked at is the same for many: a few of each are enough.
    for (table, key, step) in [
        ("owner", "grp = ?1 AND term = ?2 AND pid = ?3", 1),
        ("personal", "stretch = ?1 AND pid = ?2", 1),
        ("stretch", "stretch = ?1", 1),
        ("posting", "page = ?1", 23),
        ("event", "page = ?1", 23),
    ] {
        let keys = key.matches('?').count();
        for row in rows(&index.db, &format!("SELECT * FROM {table}")).iter().step_by(step) {
            let lost = format!("DELETE FROM {table} WHERE {key}");
            let gone = index.db.execute(&lost, rusqlite::params_from_iter(&row[..keys])).unwrap();
            assert_eq!(gone, 1);
            let mut is_missed = false;
            for (kind, condition, expected) in &questions {
                match asked(&index.file, condition) {
                    Ok((newest, count)) => {
                        assert_eq!(count, expected.len() as u64, "{kind}, without {row:?}");
                        assert_eq!(newest, expected[..expected.len().min(10)]);
                    }
                    Err(error) => {
                        assert!(super::super::sums::is_damage(&error), "{error:?}");
                        is_missed = true;
                    }
                }
            }
            put_back(&index.db, table, row);
            let (all, noticed) = missed.entry(table).or_default();
            (*all, *noticed) = (*all + 1, *noticed + usize::from(is_missed));
        }
    }
    // Everybody's rows are asked for, and of every stretch.
    for table in ["personal", "stretch"] {
        assert_eq!(missed[table].0, missed[table].1, "{table}: {missed:?}");
    }
    // Of nine terms three are, with the row of nobody and what stands before them.
    assert!(missed["owner"].1 >= 6, "{missed:?}");
    let lost = missed.values().map(|(all, _)| all).sum();
    keep_index_row("a row is lost whole", lost, lost * questions.len());
}

/// Pages of the database that are leaves of a table that is sorted by all of its key, with at least so many rows.
fn sorted_leaves(database: &[u8], least: u8) -> Vec<usize> {
    const SORTED_LEAF: u8 = 10;
    let starts = (DISK_PAGE..database.len()).step_by(DISK_PAGE);
    starts.filter(|at| database[*at] == SORTED_LEAF && database[at + 4] >= least).collect()
}

#[test]
fn a_page_that_lost_rows_or_holds_those_of_another_is_missed() {
    const PEOPLE: u64 = 120;
    let left = 0..SPAN + BLOCK + 100;
    let mut index = Written::new(0..0, 1);
    index.people = PEOPLE;
    index.go_on(left.end, 9000);
    let whole = settled(index);
    // What is personal of somebody takes more room than that somebody has a term.
    let (all, owners) = (sorted_leaves(&whole[0], 1), sorted_leaves(&whole[0], 20));
    assert!(owners.len() > 3 && all.len() > 2 * owners.len(), "{} {}", owners.len(), all.len());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index");
    let (mut dice, mut noticed) = (Dice(23), 0);
    for round in 0..30 {
        let leaves = if round % 2 == 0 { &owners } else { &all };
        let (one, other) = (leaves[dice.roll(leaves.len())], leaves[dice.roll(leaves.len())]);
        let mut database = whole[0].clone();
        match round % 3 {
            // Its last row.
            0 => database[one + 4] -= 1,
            // Its first row: where the rows begin is written behind eight bytes, two each.
            1 => {
                let count = usize::from(database[one + 4]);
                database.copy_within(one + 10..one + 8 + 2 * count, one + 8);
                database[one + 4] -= 1;
            }
            _ => database.copy_within(other..other + DISK_PAGE, one),
        }
        std::fs::write(&file, &database).unwrap();
        for who in 0..PEOPLE {
            let expected = those(left.clone(), |seq| seq % PEOPLE == who);
            match asked(&file, &has(&[], &[name(who)])) {
                Ok((newest, count)) => {
                    assert_eq!(count, expected.len() as u64, "{who} in round {round}, at {one}");
                    assert_eq!(newest, expected[..10]);
                }
                Err(_) => noticed += 1,
            }
        }
    }
    assert!(noticed > 100, "{noticed}");
    keep_index_row("a page lost a row, or holds those of another", 30, 30 * 120);
}

#[test]
fn around_as_many_people_as_are_looked_up_one_by_one_answers_are_the_same() {
    let left = 0..SPAN + 2 * BLOCK + 100;
    for people in [MANY - 1, MANY, MANY + 1] {
        // One of three agents each.
        let people = 3 * people as u64;
        let mut index = Written::new(0..0, 1);
        index.people = people;
        index.go_on(left.end, u64::MAX);
        let of_agent = |but: u64| those(left.clone(), |seq| seq % 3 == 1 && seq % people != but);
        assert_eq!(index.found(&has(&[], &[agent(1)])), of_agent(u64::MAX), "{people}");
        // Somebody who has the agent is lost from the span, or from a block.
        for stretch in [0, Stretch::block_of(left.end - 1).number()] {
            let row = format!("FROM personal WHERE stretch = {stretch} AND pid = {}", pid(4));
            let lost = rows(&index.db, &format!("SELECT * {row}"));
            index.db.execute(&format!("DELETE {row}"), ()).unwrap();
            let told = asked(&index.file, &has(&[], &[agent(1)]));
            assert!(told.is_err(), "{people}, stretch {stretch}: {told:?}");
            put_back(&index.db, "personal", &lost[0]);
        }
        // One of them fewer.
        index.forget(&[4]);
        assert_eq!(index.found(&has(&[], &[agent(1)])), of_agent(4), "{people}, but one");
    }
}

#[test]
fn of_who_is_forgotten_nothing_is_left_in_the_files() {
    const MANY: u64 = 3000;
    let mut index = Written::new(0..0, 1);
    index.people = MANY;
    let mut gone = Vec::new();
    let mut dice = Dice(19);
    // In the middle of spans and after them, so that rows were moved about before and are after.
    for end in [BLOCK + 100, SPAN - 100, SPAN + 700, SPAN + 3 * BLOCK, 2 * SPAN + 500] {
        index.go_on(end, 3000);
        let some: Vec<u64> = (0..40).map(|_| dice.roll(1500) as u64).collect();
        for few in some.chunks(7) {
            index.forget(few);
        }
        // Nothing new of them comes: their keys are destroyed.
        gone.extend(some);
        index.silent.extend(&gone);
        assert!(removal::empty(&index.db).unwrap());
        let found = files(&index.file).concat();
        let is_there = |hash: i64| {
            [hash.to_be_bytes(), hash.to_le_bytes()]
                .iter()
                .any(|h| memchr::memmem::find(&found, h).is_some())
        };
        let left: Vec<u64> = gone.iter().copied().filter(|who| is_there(name(*who))).collect();
        assert_eq!(left, [0; 0], "at {end}, of {}", gone.len());
        assert!(is_there(name(MANY - 1)) && is_there(name(MANY - 2)));
    }
}

#[test]
fn a_damaged_index_that_is_written_on_is_right_or_fails() {
    let left = 0..SPAN + 3 * BLOCK;
    let mut index = Written::new(left.clone(), 9000);
    index.forget(&[2]);
    let whole = settled(index);
    let mut dice = Dice(13);
    let mut noticed = 0;
    for _ in 0..40 {
        let mut damaged = whole.clone();
        damage(&mut damaged[0], &mut dice);
        let Ok(mut index) = opened(&damaged) else {
            noticed += 1;
            continue;
        };
        let all = index.db.unchecked_transaction().unwrap();
        index.filling.begin(index.size);
        let written = index.filling.write(&all).and_then(|()| all.commit());
        noticed += u32::from(written.is_err());
    }
    assert!(noticed > 0);
    keep_index_row("a damaged file is written on", 40, 0);
}

#[test]
fn where_there_is_no_room_nothing_is_written_by_half_and_it_goes_on_when_there_is() {
    let mut index = Written::new(0..SPAN - 5000, 9000);
    let before = index.tables();
    let pages: i64 = index.db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let mut failures = 0;
    loop {
        index.db.pragma_update(None, "max_page_count", pages + 9 * failures).unwrap();
        let all = index.db.unchecked_transaction().unwrap();
        (SPAN - 5000..SPAN).for_each(|seq| add(&mut index.filling, seq, PEOPLE, &index.silent));
        let written = write(&mut index.filling, &all, index.size..SPAN, 0);
        let Err(full) = written else {
            all.commit().unwrap();
            index.size = SPAN;
            break;
        };
        assert_eq!(full.sqlite_error_code(), Some(ErrorCode::DiskFull), "{full:?}");
        drop(all);
        // What was read is read again.
        index.filling = Filling::of(index.size, index.oldest);
        assert_eq!(index.tables(), before, "failure {failures}");
        failures += 1;
    }
    assert!(failures > 3, "{failures} failures");
    index.db.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    index.go_on(SPAN + 10, 3000);
    assert_eq!(index.tables(), Written::new(0..SPAN + 10, 9000).tables());
    keep_index_row("there is no room for what is written", usize::try_from(failures).unwrap(), 0);
}
