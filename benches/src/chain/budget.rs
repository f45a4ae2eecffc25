//! What the chain may cost.

use serde::Serialize;

use super::Row;
use super::arrangement::{NO_AUDIT_FRESH, NO_AUDIT_KNOWN, WHOLE_FRESH, WHOLE_KNOWN};

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

/// The row and the bound.
const BUDGETS: &[(&str, f64)] =
    &[(NO_AUDIT_KNOWN, 15.0), (NO_AUDIT_FRESH, 60.0), (WHOLE_KNOWN, 150.0), (WHOLE_FRESH, 150.0)];

impl Budget {
    pub(super) fn of(rows: &[Row]) -> Vec<Self> {
        let budget = |&(name, budget_us): &(&str, f64)| {
            let row = rows.iter().find(|row| row.name == name)?;
            Some(Self { name: name.to_owned(), budget_us, read_us: row.over_bare_us })
        };
        BUDGETS.iter().filter_map(budget).collect()
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let Self { name, budget_us, read_us } = self;
        let part = format!("{:.2}", read_us / budget_us);
        vec![name.clone(), format!("{budget_us:.0}"), format!("{read_us:.1}"), part]
    }
}
