//! Tables for people, documents for programs.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::Failure;

/// Columns as wide as their widest cell; the first to the left, the others to the right.
#[must_use]
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        let head = header.get(column).map_or(0, |head| head.chars().count());
        cells.chain([head]).max().unwrap_or(0)
    };
    let header: Vec<String> = header.iter().map(|&head| head.to_owned()).collect();
    let mut text = String::new();
    for row in std::iter::once(&header).chain(rows) {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            // Writing to a string can't fail.
            let _ = if column == 0 {
                write!(text, "{cell:<width$}")
            } else {
                write!(text, "  {cell:>width$}")
            };
        }
        text.push('\n');
    }
    text
}

/// A figure with one decimal; nothing as a dash.
#[must_use]
pub fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

/// Writes the figures as JSON.
///
/// # Errors
/// When the file can't be written.
pub fn write_json(path: &Path, report: &impl Serialize) -> Result<(), Failure> {
    Ok(std::fs::write(path, serde_json::to_vec_pretty(report)?)?)
}
