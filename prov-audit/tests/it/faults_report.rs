//! `docs/transcripts/faults.md`: what was broken, and how often. Each test holds what it tried against its part of
//! it; with `PROV_WRITE_TRANSCRIPTS=1` the part is written anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, Write};

const FILE: &str = "../docs/transcripts/faults.md";

/// What a test that fails says.
pub(crate) const TOLD: &str = "write it anew with PROV_WRITE_TRANSCRIPTS=1";

/// What begins the part about the index.
const INDEX: &str = "\n## The index\n";

/// What stands above its table.
const INDEX_HEAD: &str = "
Made by `prov-audit/src/index/tests/faults.rs` and `prov-audit/tests/it/index_faults/`. An index is written,
merged, pruned, made anew, and people are erased from it, while all of this goes wrong. Whatever is asked then, an
answer is right, or there is none and the index is made anew: nothing is left out, nothing is there twice, and nobody
who was erased is found, nor is a keyed hash of what they can be found by in any file.

| what goes wrong | times | questions |
|---|---:|---:|
";

/// How many there are now is about as many as there were: threads that take turns otherwise change a little.
pub(crate) fn is_about(now: usize, kept: usize) -> bool {
    now.abs_diff(kept) * 2 <= now.max(kept)
}

pub(crate) fn is_written_anew() -> bool {
    std::env::var_os("PROV_WRITE_TRANSCRIPTS").is_some()
}

/// The report: what it says of the log, and of the index.
pub(crate) fn kept() -> (String, BTreeMap<String, [usize; 2]>) {
    parts(&std::fs::read_to_string(FILE).unwrap_or_default())
}

/// Writes the report anew, as others may at the same moment.
pub(crate) fn rewrite(change: impl FnOnce(&mut String, &mut BTreeMap<String, [usize; 2]>)) {
    let mut file = File::options().read(true).write(true).open(FILE).unwrap();
    file.lock().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    let (mut log, mut index) = parts(&text);
    change(&mut log, &mut index);
    text = format!("{log}{INDEX}{INDEX_HEAD}");
    for (what, [times, questions]) in index {
        let questions = if questions > 0 { questions.to_string() } else { String::new() };
        writeln!(text, "| {what} | {times} | {questions} |").unwrap();
    }
    file.set_len(0).unwrap();
    file.rewind().unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn parts(text: &str) -> (String, BTreeMap<String, [usize; 2]>) {
    let (log, index) = text.split_once(INDEX).unwrap_or((text, ""));
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let what = cells.next()?.to_owned();
        let mut number =
            || cells.next().map(|cell| if cell.is_empty() { Ok(0) } else { cell.parse() });
        Some((what, [number()?.ok()?, number()?.ok()?]))
    };
    (log.to_owned(), index.lines().filter_map(row).collect())
}

/// Something was done to an index so many times, and so many questions were asked of it then.
pub(crate) fn keep_index_row(what: &str, times: usize, questions: usize) {
    if is_written_anew() {
        rewrite(|_, index| {
            index.insert(what.to_owned(), [times, questions]);
        });
    }
    let (_, index) = kept();
    let row = index.get(what);
    let about = row.is_some_and(|row| is_about(times, row[0]) && is_about(questions, row[1]));
    assert!(about, "`{what}`: {times} times and {questions} questions, not {row:?}; {TOLD}");
}
