//! Printing answers: tables for people, JSON and YAML for programs.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::cli::OutputFormat;
use crate::failure::{Failure, Outcome};

/// Prints an answer. A list becomes a table of `columns` (all of the first item's when empty), an
/// object a table of its members.
pub(crate) fn show(format: OutputFormat, answer: &Value, columns: &[&str]) -> Outcome {
    match format {
        OutputFormat::Json => {
            let text = serde_json::to_string_pretty(answer)
                .map_err(|e| Failure::of("printing the answer", e))?;
            println!("{text}");
        }
        OutputFormat::Yaml => {
            let text = serde_saphyr::to_string(answer)
                .map_err(|e| Failure::of("printing the answer", e))?;
            print!("{text}");
        }
        OutputFormat::Table => show_table(answer, columns),
    }
    Ok(())
}

fn show_table(answer: &Value, columns: &[&str]) {
    let items = answer.get("items").unwrap_or(answer);
    match items {
        Value::Array(rows) => {
            println!("{}", rows_table(rows, columns));
            if let Some(cursor) = answer.get("next_cursor").and_then(Value::as_str) {
                eprintln!("more: --cursor {cursor}");
            }
        }
        Value::Object(members) => {
            let mut table = plain();
            for (name, value) in members {
                table.add_row([name.clone(), cell(value)]);
            }
            println!("{table}");
        }
        Value::Null => {}
        other => println!("{}", cell(other)),
    }
}

fn rows_table(rows: &[Value], columns: &[&str]) -> Table {
    let mut table = plain();
    let own: Vec<&str>;
    let columns = if columns.is_empty() {
        own = rows
            .first()
            .and_then(Value::as_object)
            .map(|first| first.keys().map(String::as_str).collect())
            .unwrap_or_default();
        &own
    } else {
        columns
    };
    table.set_header(
        columns.iter().map(|name| name.rsplit('/').next().unwrap_or(name).to_uppercase()),
    );
    for row in rows {
        table.add_row(columns.iter().map(|name| {
            let pointer = format!("/{name}");
            row.pointer(&pointer).map(cell).unwrap_or_default()
        }));
    }
    table
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// One value in a table. Control characters are shown, not obeyed: an attacker may have chosen them.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text
            .chars()
            .flat_map(|c| {
                if c.is_control() && c != '\n' {
                    c.escape_default().collect::<Vec<_>>()
                } else {
                    vec![c]
                }
            })
            .collect(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(_) | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_shows_the_columns_asked_for_and_escapes_control_characters() {
        let rows = [json!({"id": "1", "actor": {"name": "a\u{1b}[31mb"}, "roles": ["x", "y"]})];
        let text = rows_table(&rows, &["id", "actor/name", "roles", "absent"]).to_string();
        assert!(text.contains("NAME") && text.contains("x, y"), "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}"), "{text}");
    }
}
