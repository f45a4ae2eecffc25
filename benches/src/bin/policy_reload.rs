//! What it costs to replace a policy set: the first load beside a reload of one changed file, and
//! many reloads under full load. Run with `--release`.
#![expect(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use prov_authz::{
    AccessRequest, CedarEngine, CedarOptions, Circumstances, PolicyEngine, PolicyFiles,
    ResourceEntity,
};
use prov_bench::Failure;
use prov_bench::measure::{Machine, cpu_time, median, micros};
use prov_bench::table::write_json;
use prov_core::{Clock, Principal, PrincipalKind, SystemClock};
use serde::Serialize;

/// What it costs to replace a policy set
#[derive(Debug, Parser)]
struct Arguments {
    /// Policies beside the shipped ones; may be repeated
    #[arg(long = "policies", default_values_t = [20, 200, 2_000, 20_000])]
    sizes: Vec<usize>,
    /// Reloads of one changed file for each size
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Reloads under full load
    #[arg(long, default_value_t = 1_000)]
    reloads: usize,
    /// Also writes the figures here
    #[arg(long)]
    json: Option<PathBuf>,
}

/// How many policies stand in a file.
const EACH: usize = 100;

/// The figures: milliseconds of CPU time.
#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    sizes: Vec<Size>,
    load: Load,
}

#[derive(Debug, Serialize)]
struct Size {
    policies: usize,
    /// Reading, parsing, validating and indexing all of them.
    cold_ms: f64,
    /// The same after one policy of one file has changed: the middle of all rounds.
    warm_ms: f64,
    /// Of that, putting it in force when it is ready, in microseconds.
    swap_us: f64,
}

#[derive(Debug, Serialize)]
struct Load {
    policies: usize,
    reloads: usize,
    decisions: u64,
    /// Decisions that named another set than the one that decided; must be none.
    torn: u64,
    /// Reloads that were refused; must be none.
    failed: usize,
}

fn main() -> Result<(), Failure> {
    let Arguments { sizes, rounds, reloads, json } = Arguments::parse();
    let machine = Machine::now();
    let mut rows = Vec::new();
    println!("{:>9} {:>10} {:>10} {:>10}", "policies", "cold ms", "warm ms", "swap us");
    for policies in sizes {
        let row = measure(policies, rounds)?;
        let Size { policies, cold_ms, warm_ms, swap_us } = &row;
        println!("{policies:>9} {cold_ms:>10.2} {warm_ms:>10.2} {swap_us:>10.1}");
        rows.push(row);
    }
    let load = under_load(200, reloads)?;
    println!(
        "{} reloads of {} policies under {} decisions: {} torn, {} refused",
        load.reloads, load.policies, load.decisions, load.torn, load.failed
    );
    let is_whole = load.torn == 0 && load.failed == 0;
    let report = Report { machine, sizes: rows, load };
    json.map_or(Ok(()), |path| write_json(&path, &report))?;
    if is_whole { Ok(()) } else { Err("a decision was torn, or a reload failed".into()) }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn measure(policies: usize, rounds: usize) -> Result<Size, Failure> {
    let folder = tempfile::tempdir()?;
    write_set(folder.path(), policies)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let start = cpu_time();
    let engine = CedarEngine::open(folder.path(), clock, CedarOptions::default())?;
    let cold_ms = millis(cpu_time().saturating_sub(start));
    let (mut warm, mut swap) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        write_file(folder.path(), 0, policies.min(EACH), round)?;
        let start = cpu_time();
        let candidate = engine.candidate(folder.path())?;
        let ready = cpu_time();
        engine.install(candidate);
        warm.push(millis(cpu_time().saturating_sub(start)));
        swap.push(micros(cpu_time().saturating_sub(ready)));
    }
    Ok(Size { policies, cold_ms, warm_ms: median(warm), swap_us: median(swap) })
}

fn write_set(folder: &Path, policies: usize) -> Result<(), Failure> {
    PolicyFiles::shipped().write_missing(folder)?;
    for file in 0..policies.div_ceil(EACH) {
        write_file(folder, file, (policies - file * EACH).min(EACH), 0)?;
    }
    Ok(())
}

/// A file of policies about teams, workspaces and hours, of which the first depends on the round.
fn write_file(folder: &Path, file: usize, policies: usize, round: usize) -> Result<(), Failure> {
    let mut text = String::new();
    for number in 0..policies {
        let hour = if number == 0 { round % 24 } else { number % 24 };
        let at = file * EACH + number;
        write!(
            text,
            "@id(\"site-{at}\")\n@description(\"deployments of workspace {at}\")\npermit (\n  \
             principal in Provisioning::Team::\"team-{}\",\n  \
             action in [Provisioning::Action::\"deploy\", Provisioning::Action::\"update\"],\n  \
             resource is Provisioning::Server in Provisioning::Workspace::\"w-{at}\"\n)\nwhen {{\n  \
             context.mfa_verified && context has approval_id &&\n  \
             context.time.toTime() >= duration(\"{hour}h\")\n}};\n\n",
            at % 97
        )?;
    }
    let next = folder.join(".next");
    fs::write(&next, text)?;
    fs::rename(next, folder.join(format!("site-{file:04}.cedar")))?;
    Ok(())
}

/// Two sets that answer differently, put in force in turn while every processor decides: what a
/// decision says and the revision it names belong together.
fn under_load(policies: usize, reloads: usize) -> Result<Load, Failure> {
    let (open, shut) = (tempfile::tempdir()?, tempfile::tempdir()?);
    write_set(open.path(), policies)?;
    write_set(shut.path(), policies)?;
    let freeze = "@id(\"freeze\")\n@description(\"d\")\n\
                  forbid (principal, action, resource is Provisioning::Server);\n";
    fs::write(shut.path().join("freeze.cedar"), freeze)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let engine = CedarEngine::open(open.path(), Arc::clone(&clock), CedarOptions::default())?;
    let allowing = engine.revision();
    let (done, decisions, torn) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut failed = 0;
    let decide = || {
        let sre =
            Principal::new(PrincipalKind::User, "user_1", "ann").with_teams("sre".parse().ok());
        let server = ResourceEntity::new("Server", "web-1")
            .with("hostname", "web-1")
            .with("workspace", "shop")
            .with("environment", "development");
        let here = Circumstances::new(true, Some([10, 0, 0, 1].into()), clock.now());
        while !done.load(Ordering::Relaxed) {
            let decision = engine.decide(&AccessRequest::by(&sre, here, "read", &server));
            decisions.fetch_add(1, Ordering::Relaxed);
            let is_whole = decision.allowed == (decision.revision == allowing);
            torn.fetch_add(u64::from(!is_whole || !decision.errors.is_empty()), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(decide);
        }
        for round in 0..reloads {
            let folder = if round % 2 == 0 { shut.path() } else { open.path() };
            failed += usize::from(engine.reload_from(folder).is_err());
        }
        done.store(true, Ordering::Relaxed);
    });
    let (decisions, torn) = (decisions.into_inner(), torn.into_inner());
    Ok(Load { policies, reloads, decisions, torn, failed })
}
