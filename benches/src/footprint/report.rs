//! The figures, and how they are read.

use std::fmt;

use serde::Serialize;

use super::Plan;
use crate::measure::Machine;
use crate::table::table;

/// What the figures leave out.
const LEFT_OUT: &str = "Without TLS, over loopback. The client runs on the same processors. The server was started on an \
                        existing database and hashed no password, so hashing memory is not in it.";

/// What one server needed.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a row of figures")]
pub struct Served {
    /// Resident memory before the first of the requests, in MiB.
    pub idle_mib: f64,
    /// After the last.
    pub after_mib: f64,
    /// Requests in a second.
    pub per_second: f64,
    /// Microseconds of CPU of the server for each.
    pub cpu_us: f64,
    /// Half were answered in at most this many microseconds.
    pub p50_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
}

/// A bound, and what was read.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Budget {
    /// Of what.
    pub name: &'static str,
    /// At most this.
    pub budget: f64,
    /// What it was.
    pub read: f64,
}

/// One run.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// Requests to each server.
    pub requests: usize,
    /// Over so many connections at once.
    pub connections: usize,
    /// Milliseconds from the start on an existing database until it was ready: the median.
    pub ready_ms: f64,
    /// The reference server: who am I, with a token, each request durable in the audit log.
    pub reference: Served,
    /// Bare axum with the same document.
    pub bare: Served,
    /// What it may need.
    pub budgets: Vec<Budget>,
    /// What the figures leave out.
    pub left_out: &'static str,
}

impl Report {
    pub(super) fn new(
        machine: Machine,
        plan: &Plan,
        ready_ms: f64,
        reference: Served,
        bare: Served,
    ) -> Self {
        let budget = |name, budget, read| Budget { name, budget, read };
        let budgets = vec![
            budget("ready with an existing database, ms", 300.0, ready_ms),
            budget("resident after the requests, MiB", 64.0, reference.after_mib),
            budget("CPU per request over bare axum, µs", 150.0, reference.cpu_us - bare.cpu_us),
        ];
        let Plan { requests, connections, .. } = *plan;
        let left_out = LEFT_OUT;
        Self { machine, requests, connections, ready_ms, reference, bare, budgets, left_out }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, requests, connections, reference, bare, .. } = self;
        writeln!(
            f,
            "{} processors, load {}; {requests} requests over {connections} connections to each\n",
            machine.processors, machine.load
        )?;
        let line = |name, of: fn(&Served) -> f64| {
            let (ours, theirs) = (of(reference), of(bare));
            let ratio = format!("{:.2}x", ours / theirs);
            vec![String::from(name), format!("{ours:.1}"), format!("{theirs:.1}"), ratio]
        };
        let lines = [
            line("resident when ready, MiB", |served| served.idle_mib),
            line("resident after the requests, MiB", |served| served.after_mib),
            line("requests per second", |served| served.per_second),
            line("CPU of the server per request, µs", |served| served.cpu_us),
            line("p50, µs", |served| served.p50_us),
            line("p99, µs", |served| served.p99_us),
        ];
        f.write_str(&table(&["", "reference-server", "bare axum", "ratio"], &lines))?;
        let budgets: Vec<Vec<String>> = self
            .budgets
            .iter()
            .map(|Budget { name, budget, read }| {
                let part = format!("{:.2}", read / budget);
                vec![(*name).to_owned(), format!("{budget:.0}"), format!("{read:.1}"), part]
            })
            .collect();
        writeln!(f)?;
        f.write_str(&table(&["", "budget", "read", "of budget"], &budgets))?;
        write!(f, "\n{LEFT_OUT}")
    }
}
