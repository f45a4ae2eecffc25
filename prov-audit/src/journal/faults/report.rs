//! What was tried, as a table.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::disk::Op;
use crate::faults_report::{self, TOLD, is_about};

const OPERATIONS: [(Op, &str); 13] = [
    (Op::Create, "create"),
    (Op::Write, "write"),
    (Op::SetLength, "truncate"),
    (Op::Sync, "sync"),
    (Op::SyncFolder, "sync folder"),
    (Op::SyncAll, "sync all"),
    (Op::Rename, "rename"),
    (Op::Remove, "remove"),
    (Op::MakeFolder, "mkdir"),
    (Op::Open, "open"),
    (Op::Read, "read"),
    (Op::List, "list"),
    (Op::Look, "stat"),
];

/// How many points were tried, by what went wrong and at which operation.
#[derive(Debug, Default)]
pub(super) struct Report {
    counts: BTreeMap<(usize, &'static str), BTreeMap<Op, usize>>,
}

impl Report {
    /// One more; `row` orders the kinds.
    pub(super) fn add(&mut self, row: usize, kind: &'static str, op: Op) {
        *self.counts.entry((row, kind)).or_default().entry(op).or_default() += 1;
    }

    pub(super) fn total(&self) -> usize {
        self.counts.values().flat_map(BTreeMap::values).sum()
    }

    /// The table, in Markdown.
    pub(super) fn table(&self) -> String {
        let mut text = "| what goes wrong |".to_owned();
        for (_, name) in OPERATIONS {
            let _ = write!(text, " {name} |");
        }
        let _ = write!(text, " all |\n|---|{}\n", "---:|".repeat(OPERATIONS.len() + 1));
        for ((_, kind), counts) in &self.counts {
            let _ = write!(text, "| {kind} |");
            for (op, _) in OPERATIONS {
                let count = counts.get(&op).map_or(String::new(), usize::to_string);
                let _ = write!(text, " {count} |");
            }
            let _ = writeln!(text, " {} |", counts.values().sum::<usize>());
        }
        text
    }

    /// Holds what was tried against the report in the documents: the same rows, and about as many points.
    pub(super) fn keep(&self) {
        if faults_report::is_written_anew() {
            let all = self.total();
            let text = format!("{HEAD}\n{}\n{all} points, none of them wrong.\n", self.table());
            faults_report::rewrite(|log, _| *log = text);
        }
        let (kept, _) = faults_report::kept();
        let kept: BTreeMap<&str, usize> = kept
            .lines()
            .filter_map(|line| {
                let (kind, counts) = line.strip_prefix("| ")?.split_once(" |")?;
                Some((kind, counts.trim_end_matches([' ', '|']).rsplit(' ').next()?.parse().ok()?))
            })
            .collect();
        assert_eq!(kept.len(), self.counts.len(), "{TOLD}");
        for ((_, kind), counts) in &self.counts {
            let now: usize = counts.values().sum();
            let about = kept.get(kind).is_some_and(|kept| is_about(now, *kept));
            assert!(about, "`{kind}`: {now} now; {TOLD}");
        }
    }
}

/// What stands above the table.
const HEAD: &str = "\
# What was broken under the audit log, and how often

Made by `prov-audit/src/journal/faults.rs` and, for the index, the tests named there, which fail when any of it comes
out otherwise: `PROV_WRITE_TRANSCRIPTS=1 cargo test -p prov-audit faults` writes it anew.

## The log

A log on a disk in memory is used: events alone and in groups, segments that are left for the next,
checkpoints, pruning, closing and opening. At each operation on the disk (the columns) something goes
wrong (the rows). Then the machine starts again, with what such a disk may hold: what was synced, and any
part of what was not. Every time the log opens, every event that was confirmed is there, once, with its
number and its bytes; none that was refused for want of room is; every checkpoint that was signed is of
this log; proofs hold; it records and signs on, and `verify` finds it intact. Every third time the power
fails once more right after that, and all of it is looked at again.
";
