//! Printing rows beside the first of them.

use std::path::Path;

use crate::Row;

/// Prints the rows; the first is what the others are measured against.
pub fn print(rows: &[Row]) {
    println!(
        "{:<52} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "per request, µs", "cpu", "over bare", "p50", "p99", "p99.9", "requests"
    );
    let bare = rows.first().map_or(0.0, |row| row.cpu);
    for row in rows {
        println!(
            "{:<52} {:>9.2} {:>9.2} {:>9.1} {:>9.1} {:>9.1} {:>9}{}",
            row.name,
            row.cpu,
            row.cpu - bare,
            row.p50,
            row.p99,
            row.p999,
            row.requests,
            if row.refused == 0 { String::new() } else { format!("  {} REFUSED", row.refused) }
        );
    }
}

/// Writes the rows as JSON.
///
/// # Errors
/// When the file can't be written.
pub fn write_json(path: &Path, rows: &[Row]) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(rows).map_err(std::io::Error::other)?;
    std::fs::write(path, text)
}
