//! The figures, and how they are read.

use std::fmt;

use serde::Serialize;

use crate::measure::{Distribution, Machine};
use crate::table::{figure, table};

/// What the figures leave out.
const LEFT_OUT: &str = "regorus and the program by hand get the hour, the network and, by hand, numbers for names \
                        ready made; the others start from the request.";

/// One engine over one number of policies.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// Its name.
    pub engine: &'static str,
    /// The number of policies.
    pub policies: usize,
    /// Microseconds of CPU for each decision, on one thread.
    pub cpu_us: f64,
    /// From the call to the answer.
    pub wall: Distribution,
    /// Decisions for each second of CPU on two threads, over those on one, times two.
    pub two_cores: Option<f64>,
}

/// One run.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// Resources that were decided about.
    pub resources: usize,
    /// The figures.
    pub rows: Vec<Row>,
    /// What the figures leave out.
    pub left_out: &'static str,
}

impl Report {
    pub(super) const fn new(machine: Machine, resources: usize, rows: Vec<Row>) -> Self {
        Self { machine, resources, rows, left_out: LEFT_OUT }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, resources, rows, left_out } = self;
        writeln!(
            f,
            "{} processors, load {} at the start, {resources} resources",
            machine.processors, machine.load
        )?;
        let header =
            ["engine", "policies", "p50 µs", "p99 µs", "CPU µs", "per core and s", "two cores"];
        let cells = |row: &Row| {
            vec![
                row.engine.to_owned(),
                row.policies.to_string(),
                format!("{:.2}", row.wall.p50_us),
                format!("{:.2}", row.wall.p99_us),
                format!("{:.2}", row.cpu_us),
                format!("{:.0}", 1e6 / row.cpu_us.max(f64::MIN_POSITIVE)),
                row.two_cores.map_or_else(|| figure(None), |ratio| format!("{ratio:.2}")),
            ]
        };
        let cells: Vec<_> = rows.iter().map(cells).collect();
        write!(f, "{}", table(&header, &cells))?;
        write!(f, "{left_out}")
    }
}
