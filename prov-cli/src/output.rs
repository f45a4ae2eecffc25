//! Printing answers: tables for people, JSON and YAML for programs.

use std::io::Write;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::cli::OutputFormat;
use crate::failure::{Failure, Outcome};
use crate::terminal::{self, shown, shown_lines};

/// What is longer is not shown in a table; `--output json` has it.
const LONGEST_CELL: usize = 300;

/// Prints an answer. A list becomes a table of `columns` (all of the first item's when empty), an
/// object a table of its members.
pub(crate) fn show(format: OutputFormat, answer: &Value, columns: &[&str]) -> Outcome {
    match format {
        OutputFormat::Json => print(&json(answer)?)?,
        OutputFormat::Yaml => print(yaml(answer)?.trim_end_matches('\n'))?,
        OutputFormat::Table => show_table(answer, columns)?,
    }
    Ok(())
}

/// JSON without any control character that a terminal would obey.
pub(crate) fn json(answer: &Value) -> Outcome<String> {
    serde_json::to_string_pretty(answer)
        .map(|text| terminal::json(&text))
        .map_err(|e| Failure::of("printing the answer", e))
}

/// YAML; where that would hold a control character it is JSON, which is YAML as well (YAML 1.2,
/// section 1.2) and has an escape for each.
fn yaml(answer: &Value) -> Outcome<String> {
    let text =
        serde_saphyr::to_string(answer).map_err(|e| Failure::of("printing the answer", e))?;
    if terminal::json(&text) == text && !text.contains('\r') { Ok(text) } else { json(answer) }
}

/// Prints a text and a new line.
pub(crate) fn print(text: &str) -> Outcome {
    write(&[text.as_bytes(), b"\n"])
}

/// The same; false when nobody reads it any more (`prov … | head`).
pub(crate) fn print_while_read(text: &str) -> Outcome<bool> {
    write_while_read(&[text.as_bytes(), b"\n"])
}

/// Writes to stdout. Whoever reads it may have had enough: that is no failure.
pub(crate) fn write(pieces: &[&[u8]]) -> Outcome {
    write_while_read(pieces).map(drop)
}

/// The same; false when nobody reads it any more.
pub(crate) fn write_while_read(pieces: &[&[u8]]) -> Outcome<bool> {
    let mut out = std::io::stdout().lock();
    let written =
        pieces.iter().try_for_each(|piece| out.write_all(piece)).and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Failure::of("writing", e)),
    }
}

fn show_table(answer: &Value, columns: &[&str]) -> Outcome {
    let items = answer.get("items").unwrap_or(answer);
    match items {
        Value::Array(rows) => {
            print(&rows_table(rows, columns).to_string())?;
            if let Some(cursor) = answer.get("next_cursor").and_then(Value::as_str) {
                eprintln!("more: --cursor {}", shown(cursor));
            }
        }
        Value::Object(members) => {
            let mut table = plain();
            for (name, value) in members {
                // Long material goes to a file or to a program, not into a table.
                if value.as_str().is_some_and(|text| text.len() > LONGEST_CELL) {
                    table.add_row([shown(name), format!("({} characters)", cell(value).len())]);
                    continue;
                }
                table.add_row([shown(name), cell(value)]);
            }
            print(&table.to_string())?;
        }
        Value::Null => {}
        other => print(&cell(other))?,
    }
    Ok(())
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
        columns.iter().map(|name| shown(name.rsplit('/').next().unwrap_or(name)).to_uppercase()),
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
        Value::String(text) => shown_lines(text),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(_) | Value::Bool(_) | Value::Number(_) => terminal::json(&value.to_string()),
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

    #[test]
    fn no_output_holds_a_control_character() {
        let evil = json!({ "name": "a\u{1b}[2J\u{9b}31m\u{7f}\r\u{9d}0;x\u{9c}" });
        let nested = json!({ "k\u{9b}": evil, "list": [evil, "\u{9b}"], "plain": "x" });
        let in_table = rows_table(std::slice::from_ref(&nested), &[]).to_string();
        for text in [in_table, json(&nested).unwrap(), yaml(&nested).unwrap()] {
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        }
        let back: Value = serde_json::from_str(&json(&nested).unwrap()).unwrap();
        assert_eq!(back, nested, "and means the same");
        let turned = yaml(&json!({ "name": "a\u{202e}b" })).unwrap();
        assert!(!turned.contains('\u{202e}'), "{turned:?}");
        assert_eq!(yaml(&json!({ "plain": "x" })).unwrap(), "plain: x\n");
    }
}
