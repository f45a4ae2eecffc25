//! What the chain may cost.

use serde::Serialize;

use super::Row;

/// A bound on the CPU time over bare axum, and what was read.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Budget {
    /// Of what.
    pub name: String,
    /// At most this many microseconds.
    pub budget_us: f64,
    /// What it was.
    pub read_us: f64,
}

/// The end of a row's name, whether it stands for many at once, and the bound.
const BUDGETS: &[(&str, bool, f64)] = &[
    ("no audit, known token", false, 15.0),
    ("no audit, fresh token", false, 60.0),
    ("whole chain, known token", true, 150.0),
    ("whole chain, fresh token", true, 150.0),
];

impl Budget {
    pub(super) fn of(rows: &[Row]) -> Vec<Self> {
        let budget = |&(name, many, budget_us): &(&str, bool, f64)| {
            let row =
                rows.iter().find(|row| row.name.ends_with(name) && (row.in_flight > 1) == many);
            row.map(|row| Self { name: name.to_owned(), budget_us, read_us: row.over_bare_us })
        };
        BUDGETS.iter().filter_map(budget).collect()
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let Self { name, budget_us, read_us } = self;
        let part = format!("{:.2}", read_us / budget_us);
        vec![name.clone(), format!("{budget_us:.0}"), format!("{read_us:.1}"), part]
    }
}
