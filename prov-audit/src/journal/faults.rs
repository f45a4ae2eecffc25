//! Power cuts, I/O errors, torn and short writes and full disks at every operation of a log: nothing
//! that was confirmed is lost, nothing is there twice, nothing torn is served, everything is proved,
//! and the log goes on.

mod check;
mod report;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use check::check;
use parking_lot::Mutex;
use report::Report;
use script::{Case, Ledger, Promise, User, mount};
use tokio::runtime::{Builder, Runtime};

use crate::disk::{ABOVE, Cut, Dice, Fault, Moment, Op, State};

/// How many threads try points: most wait for the threads of their logs.
const THREADS: usize = 12;

/// Of how many short logs every operation is interrupted, each with a name of another length.
const SHORT: usize = 7;

/// A place where something goes wrong.
#[derive(Debug, Clone, Copy)]
enum Point {
    /// The power fails before operation number `moment` of a run.
    Cut { run: usize, moment: usize, cut: Cut },
    /// Operation number `at` of a run fails, or the next that can.
    Fault { run: usize, at: u64, fault: Fault },
}

/// A run in which nothing goes wrong.
struct Run {
    case: Case,
    ledger: Ledger,
    moments: Vec<Moment>,
    operations: u64,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// A folder that no other disk is mounted at.
fn fresh_dir() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    Path::new(ABOVE).join(NEXT.fetch_add(1, Ordering::Relaxed).to_string()).join("log")
}

impl Run {
    fn recorded(case: Case) -> Self {
        let dir = fresh_dir();
        let mounted = mount(&dir, State::default());
        mounted.world.record();
        let mut user = User::new(&mounted, &dir);
        runtime().block_on(user.run(&case));
        let ledger = user.ledger;
        assert!(ledger.wrong.is_empty(), "{:?}", ledger.wrong);
        let pruned = ledger.promises.iter().any(|p| matches!(p, Promise::MayGo(_)));
        assert_eq!(pruned, case.long);
        let operations = mounted.world.operations();
        Self { case, ledger, moments: mounted.world.recorded(), operations }
    }
}

/// What a point came to: the operation it befell, and what was wrong with the log after it.
type Tried = (Op, Result<(), String>);

fn try_point(runs: &[Run], point: Point) -> Option<Tried> {
    match point {
        Point::Cut { run, moment, cut } => {
            let run = &runs[run];
            let Moment { op, state, promises } = &run.moments[moment];
            let mut dice = Dice::new((moment as u64) << 8 | cut as u64);
            let state = cut.of(state, &mut dice);
            let asked = run.ledger.asked.iter().cloned().collect();
            let found = Found { state, case: &run.case, asked };
            Some((*op, found.check(&run.ledger.promises[..*promises], &mut dice)))
        }
        Point::Fault { run, at, fault } => try_fault(&runs[run].case, at, fault),
    }
}

/// Uses a log of which one operation fails; then it is stopped in some way, and looked at.
fn try_fault(case: &Case, at: u64, fault: Fault) -> Option<Tried> {
    let dir = fresh_dir();
    let mounted = mount(&dir, State::default());
    mounted.world.plan(at, fault);
    let mut user = User::new(&mounted, &dir);
    runtime().block_on(user.run(case));
    let ledger = user.ledger;
    let op = mounted.world.mend()?;
    if let Some(wrong) = ledger.wrong.first() {
        return Some((op, Err(wrong.clone())));
    }
    let mut dice = Dice::new(at << 8 | fault as u64);
    let cut = [Cut::Killed, Cut::AllLost, Cut::Torn][usize::try_from(dice.below(3)).unwrap()];
    let state = cut.of(&mounted.world.state(), &mut dice);
    let asked = ledger.asked.iter().cloned().collect();
    let found = Found { state, case, asked };
    Some((op, found.check(&ledger.promises, &mut dice)))
}

/// A disk as it is found when the machine starts again.
struct Found<'a> {
    state: State,
    case: &'a Case,
    asked: BTreeSet<Vec<u8>>,
}

impl Found<'_> {
    /// Checks the log, and every third time once more after another power cut: what only the running
    /// machine knew must not have been taken for durable.
    fn check(self, promises: &[Promise], dice: &mut Dice) -> Result<(), String> {
        let (dir, Self { state, case, asked }) = (fresh_dir(), self);
        let mounted = mount(&dir, state);
        let checked = catch_unwind(AssertUnwindSafe(|| {
            runtime().block_on(check(&dir, case, &asked, promises))
        }));
        let records = checked.unwrap_or_else(|_| Err("panics".to_owned()))?;
        if dice.below(3) > 0 {
            return Ok(());
        }
        let state = Cut::AllLost.of(&mounted.world.state(), dice);
        let dir = fresh_dir();
        let _again = mount(&dir, state);
        let now = records.into_iter().map(|(seq, leaf)| Promise::Recorded(seq, leaf));
        let promises: Vec<Promise> = promises.iter().cloned().chain(now).collect();
        let checked = runtime().block_on(check(&dir, case, &asked, &promises));
        checked.map(drop).map_err(|wrong| format!("after a second power cut: {wrong}"))
    }
}

/// Every point: the power fails before each operation of each run, in each way; and each operation of a
/// short and of the long run fails.
fn points(runs: &[Run]) -> Vec<Point> {
    let mut points = Vec::new();
    for (number, run) in runs.iter().enumerate() {
        // A long run does the same again and again.
        for moment in (0..run.moments.len()).step_by(if run.case.long { 2 } else { 1 }) {
            points.extend(Cut::ALL.map(|cut| Point::Cut { run: number, moment, cut }));
        }
    }
    for (run, at) in [0, runs.len() - 1].into_iter().flat_map(|run| {
        let step = if runs[run].case.long { 2 } else { 1 };
        (0..runs[run].operations).step_by(step).map(move |at| (run, at))
    }) {
        // What lasts befalls every operation from there on.
        let faults = Fault::ALL
            .into_iter()
            .filter(|fault| !matches!(fault, Fault::Away | Fault::Filled) || at.is_multiple_of(4));
        points.extend(faults.map(|fault| Point::Fault { run, at, fault }));
    }
    points
}

fn row(point: Point) -> (usize, &'static str) {
    match point {
        Point::Cut { cut, .. } => (cut as usize, cut.name()),
        Point::Fault { fault, .. } => (Cut::ALL.len() + fault as usize, fault.name()),
    }
}

#[test]
fn whatever_goes_wrong_at_ten_thousand_points_nothing_confirmed_is_lost() {
    let cases = (0..SHORT).map(|n| Case::new(n, false)).chain([Case::new(0, true)]);
    let runs: Vec<Run> = cases.map(Run::recorded).collect();
    let points = points(&runs);
    let (next, report, wrong) =
        (AtomicUsize::new(0), Mutex::new(Report::default()), Mutex::new(Vec::new()));
    let work = || {
        // The dear ones first.
        while let Some(point) = points.iter().rev().nth(next.fetch_add(1, Ordering::Relaxed)) {
            let Some((op, result)) = try_point(&runs, *point) else { continue };
            let (number, kind) = row(*point);
            report.lock().add(number, kind, op);
            if let Err(what) = result {
                wrong.lock().push(format!("{point:?} at {op:?}: {what}"));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    let (report, wrong) = (report.into_inner(), wrong.into_inner());
    println!("{}\n{} points, {} wrong", report.table(), report.total(), wrong.len());
    // One of each kind is enough to begin with.
    let mut kinds: BTreeMap<String, (usize, &String)> = BTreeMap::new();
    for text in &wrong {
        let (_, what) = text.split_once(" at ").unwrap();
        let kind = what.chars().filter(|c| !c.is_ascii_digit()).take(160).collect();
        kinds.entry(kind).or_insert((0, text)).0 += 1;
    }
    for (count, text) in kinds.values() {
        println!("{count} × {text}");
    }
    assert!(wrong.is_empty(), "{} points went wrong", wrong.len());
    assert!(report.total() >= 10_000, "{} points", report.total());
    report.keep();
}
