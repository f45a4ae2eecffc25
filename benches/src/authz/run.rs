//! Each engine in its turn.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use prov_authz::{CedarEngine, CedarOptions, PolicyEngine};
use prov_core::SystemClock;

use super::cedar::Plain;
use super::native::Native;
use super::rego::Rego;
use super::workload::{Question, Workload, groups, policies};
use super::{Report, Row};
use crate::Failure;
use crate::measure::{Distribution, Machine, cpu_time, micros};

/// What to run.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "whoever measures says all of it")]
pub struct Plan {
    /// Numbers of policies.
    pub policies: Vec<usize>,
    /// Resources that are decided about.
    pub resources: usize,
    /// How long each engine is asked over each number of policies.
    pub each: Duration,
    /// Whether to leave out those that walk every policy, which take their time.
    pub quick: bool,
}

/// Measures.
///
/// # Errors
/// When an engine can't be made, or answers otherwise than the others.
pub fn run(plan: &Plan) -> Result<Report, Failure> {
    let machine = Machine::now();
    let mut rows = Vec::new();
    for count in &plan.policies {
        rows.extend(over(plan, *count)?);
    }
    Ok(Report::new(machine, plan.resources, rows))
}

fn engine(count: usize, options: CedarOptions) -> Result<CedarEngine, Failure> {
    Ok(CedarEngine::from_files(&policies(count), Arc::new(SystemClock::new()), options)?)
}

fn over(plan: &Plan, count: usize) -> Result<Vec<Row>, Failure> {
    let work = Workload::new(plan.resources, groups(count))?;
    let questions: Vec<_> = (0..plan.resources).map(|number| work.question(number)).collect();
    let row =
        |engine, (cpu_us, wall)| Row { engine, policies: count, cpu_us, wall, two_cores: None };
    let mut rows = Vec::new();

    let ours = engine(count, CedarOptions::default())?;
    let decide = |question: Question| {
        work.asked(question).map(|asked| ours.decide(black_box(&asked)).allowed)
    };
    let native = Native::new(count);
    let asked: Vec<_> = questions.iter().map(|question| Native::asked(&work, *question)).collect();
    // Whatever answers otherwise is not the same.
    for (question, asked) in questions.iter().zip(&asked).take(1_000) {
        if decide(*question) != Some(native.decide(asked).0) {
            return Err(format!("{question:?} is answered otherwise by hand").into());
        }
    }
    let mut turn = asked.iter().cycle();
    rows.push(row(
        "by hand",
        measure(plan.each, || turn.next().map(|asked| native.decide(black_box(asked)).0)),
    ));
    let mut turn = questions.iter().cycle();
    let mine = row("prov", measure(plan.each, || turn.next().and_then(|q| decide(*q))));
    let ratio = two_cores(plan.each, &questions, &decide);
    rows.push(Row { two_cores: Some(ratio), ..mine });

    let mut turn = questions.iter().cycle();
    rows.push(row(
        "prov, a denial explained",
        measure(plan.each, || {
            let asked = work.asked_at_night(*turn.next()?)?;
            Some(ours.explain(black_box(&asked)).is_ok_and(|told| told.remedies.is_empty()))
        }),
    ));

    let knowing = engine(count, CedarOptions::default())?;
    knowing.put_entities(&work.servers)?;
    let mut turn = questions.iter().cycle();
    rows.push(row(
        "prov, resources from its inventory",
        measure(plan.each, || {
            let asked = work.asked_by_name(*turn.next()?)?;
            Some(knowing.decide(black_box(&asked)).allowed)
        }),
    ));

    let by_cedar = engine(count, CedarOptions::default().evaluated_by_cedar())?;
    let mut turn = questions.iter().cycle();
    rows.push(row(
        "prov's index, conditions by Cedar",
        measure(plan.each, || {
            let asked = work.asked(*turn.next()?)?;
            Some(by_cedar.decide(black_box(&asked)).allowed)
        }),
    ));
    if !plan.quick {
        rows.push(row("Cedar, all policies", plain(plan, count, &work, &questions, &decide)?));
        rows.push(row(
            "regorus, one rule for each",
            rego(plan, count, &work, &questions, &decide)?,
        ));
    }
    Ok(rows)
}

type Figures = (f64, Distribution);

fn plain(
    plan: &Plan,
    count: usize,
    work: &Workload,
    questions: &[Question],
    decide: &impl Fn(Question) -> Option<bool>,
) -> Result<Figures, Failure> {
    let cedar = Plain::new(&policies(count), work)?;
    for question in questions.iter().take(16) {
        if cedar.decide(work, *question).map(|(allowed, _)| allowed) != decide(*question) {
            return Err(format!("{question:?} is answered otherwise by Cedar").into());
        }
    }
    let mut turn = questions.iter().cycle();
    Ok(measure(plan.each, || Some(cedar.decide(work, black_box(*turn.next()?))?.0)))
}

fn rego(
    plan: &Plan,
    count: usize,
    work: &Workload,
    questions: &[Question],
    decide: &impl Fn(Question) -> Option<bool>,
) -> Result<Figures, Failure> {
    let mut rego = Rego::new(count)?;
    let inputs = questions.iter().take(1_000).map(|question| Rego::input(work, *question));
    let inputs: Vec<_> = inputs.collect::<Result<_, _>>()?;
    for (question, input) in questions.iter().zip(&inputs).take(16) {
        if rego.decide(input.clone()) != decide(*question) {
            return Err(format!("{question:?} is answered otherwise in Rego").into());
        }
    }
    let mut turn = inputs.iter().cycle();
    Ok(measure(plan.each, || rego.decide(black_box(turn.next()?.clone()))))
}

/// CPU of each call over all of them, and the time of single ones.
fn measure(each: Duration, mut call: impl FnMut() -> Option<bool>) -> Figures {
    let warm = Instant::now();
    while warm.elapsed() < each / 4 {
        black_box(call());
    }
    let (start, before, mut calls) = (Instant::now(), cpu_time(), 0_u32);
    while start.elapsed() < each {
        for _ in 0..16 {
            black_box(call());
        }
        calls += 16;
    }
    let cpu_us = micros(cpu_time().saturating_sub(before)) / f64::from(calls);
    let start = Instant::now();
    let mut times = Vec::with_capacity(65_536);
    while start.elapsed() < each && times.len() < 65_536 {
        let before = Instant::now();
        black_box(call());
        times.push(before.elapsed());
    }
    (cpu_us, Distribution::of(times))
}

/// Decisions for each second of CPU on two threads, over those on one, times two: what two cores of
/// one's own would give.
fn two_cores(
    each: Duration,
    questions: &[Question],
    decide: &(impl Fn(Question) -> Option<bool> + Sync),
) -> f64 {
    let on = |threads: usize| {
        let before = cpu_time();
        let share = |thread: usize| {
            let (start, mut calls) = (Instant::now(), 0_u32);
            for question in questions.iter().cycle().skip(thread * questions.len() / 2) {
                black_box(decide(*question));
                calls += 1;
                if calls.is_multiple_of(64) && start.elapsed() >= each {
                    break;
                }
            }
            calls
        };
        let calls: u32 = thread::scope(|scope| {
            let share = &share;
            let all: Vec<_> = (0..threads).map(|at| scope.spawn(move || share(at))).collect();
            all.into_iter().filter_map(|thread| thread.join().ok()).sum()
        });
        f64::from(calls) / cpu_time().saturating_sub(before).as_secs_f64()
    };
    let (one, two) = (on(1), on(2));
    2.0 * two / one
}
