//! What a stop, damage and a lack of room do to an index.

use std::path::Path;

use rusqlite::ErrorCode;

use super::*;

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
    let index =
        Searching::open(ToRead { file, least: 0 }, std::time::Duration::from_secs(100), &|_| 0)?;
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
        let Err(full) = index.filling.write(&all) else {
            Position { size: SPAN, oldest: 0, counted: 0, last_hash: vec![7; 32] }
                .write(&all)
                .unwrap();
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
}
