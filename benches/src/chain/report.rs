//! The figures, and how they are read.

use std::fmt;

use serde::Serialize;

use super::{Budget, Plan};
use crate::measure::{Distribution, Machine};
use crate::table::{figure, table};

/// What the figures leave out.
const LEFT_OUT: &str = "Without TCP, HTTP parsing and TLS: requests are handed to the service, one \
                        after the other or as many at once as `in flight` says, on one thread.";

/// What one arrangement costs.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// Its layers.
    pub name: String,
    /// Requests at once.
    pub in_flight: usize,
    /// Microseconds of CPU for each request until all were answered, all threads: the median of the
    /// rounds.
    pub cpu_us: f64,
    /// The same until the index of the audit log had caught up.
    pub cpu_settled_us: Option<f64>,
    /// All of it over bare axum with as many at once.
    pub over_bare_us: f64,
    /// How many times bare axum's.
    pub ratio: f64,
    /// From the call to the answer.
    pub wall: Distribution,
}

impl Row {
    pub(super) fn new(
        name: &str,
        in_flight: usize,
        cpu_us: f64,
        cpu_settled_us: Option<f64>,
        wall: Distribution,
    ) -> Self {
        let name = name.to_owned();
        Self { name, in_flight, cpu_us, cpu_settled_us, over_bare_us: 0.0, ratio: 1.0, wall }
    }

    /// All CPU that a request costs.
    #[must_use]
    pub fn whole_us(&self) -> f64 {
        self.cpu_settled_us.unwrap_or(self.cpu_us)
    }

    fn compare(&mut self, bare_us: f64) {
        self.over_bare_us = self.whole_us() - bare_us;
        self.ratio = self.whole_us() / bare_us.max(f64::MIN_POSITIVE);
    }
}

/// One run.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// Requests of each arrangement in a round.
    pub requests: usize,
    /// Rounds.
    pub rounds: usize,
    /// One write of 4 KiB with `fdatasync`, before each part that is durable.
    pub fdatasync: Distribution,
    /// The arrangements.
    pub rows: Vec<Row>,
    /// What they may cost.
    pub budgets: Vec<Budget>,
    /// What the figures leave out.
    pub left_out: &'static str,
}

impl Report {
    pub(super) fn new(
        machine: Machine,
        plan: &Plan,
        fdatasync: Distribution,
        mut rows: Vec<Row>,
    ) -> Self {
        let bare: Vec<(usize, f64)> = rows
            .iter()
            .filter(|row| row.name == "bare axum")
            .map(|row| (row.in_flight, row.cpu_us))
            .collect();
        for row in &mut rows {
            let beside = bare.iter().find(|(in_flight, _)| *in_flight == row.in_flight);
            if let Some((_, bare_us)) = beside {
                row.compare(*bare_us);
            }
        }
        let budgets = Budget::of(&rows);
        let Plan { requests, rounds, .. } = *plan;
        Self { machine, requests, rounds, fdatasync, rows, budgets, left_out: LEFT_OUT }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, requests, rounds, fdatasync, .. } = self;
        writeln!(
            f,
            "{} processors, load {}; {rounds} rounds of {requests} requests\n",
            machine.processors, machine.load
        )?;
        let lines: Vec<Vec<String>> = self.rows.iter().map(cells).collect();
        let header = [
            "µs of CPU per request",
            "in flight",
            "answered",
            "+ index",
            "over bare",
            "ratio",
            "wall p50",
            "p99",
            "p99.9",
        ];
        f.write_str(&table(&header, &lines))?;
        writeln!(
            f,
            "\nfdatasync of 4 KiB in this run: p50 {:.0} µs, p99 {:.0} µs, p99.9 {:.0} µs\n",
            fdatasync.p50_us, fdatasync.p99_us, fdatasync.p999_us
        )?;
        let lines: Vec<Vec<String>> = self.budgets.iter().map(Budget::cells).collect();
        f.write_str(&table(&["over bare axum, µs of CPU", "budget", "read", "of budget"], &lines))?;
        write!(f, "\n{LEFT_OUT}")
    }
}

fn cells(row: &Row) -> Vec<String> {
    vec![
        row.name.clone(),
        row.in_flight.to_string(),
        figure(Some(row.cpu_us)),
        figure(row.cpu_settled_us),
        figure(Some(row.over_bare_us)),
        format!("{:.1}x", row.ratio),
        figure(Some(row.wall.p50_us)),
        figure(Some(row.wall.p99_us)),
        figure(Some(row.wall.p999_us)),
    ]
}
