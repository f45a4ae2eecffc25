//! RFC 4180.

use std::borrow::Cow;

use serde::Serialize;

use super::Record;

pub(super) const HEAD: &str = "log,seq,hash,time,id,action,outcome,actor_kind,actor_id,\
                               resource_type,resource_id,request_id,method,path,origin,leaf\r\n";

/// Cells before the origin.
const CELLS: usize = 14;

pub(super) fn line(record: &Record<'_>) -> String {
    let mut cells = vec![record.log().to_owned(), record.seq.to_string(), record.hash.clone()];
    if let Some(leaf) = &record.leaf {
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
        let resource = leaf.resource.as_ref();
        cells.extend([
            leaf.time.to_string(),
            leaf.id.to_string(),
            leaf.action.to_string(),
            leaf.outcome.as_str().to_owned(),
            word(&leaf.actor.kind),
            text(&leaf.actor.id),
            resource.map(|resource| resource.kind.clone()).unwrap_or_default(),
            resource.map(|resource| resource.id.clone()).unwrap_or_default(),
            leaf.request.id.as_ref().map(ToString::to_string).unwrap_or_default(),
            text(&leaf.request.method),
            text(&leaf.request.path),
        ]);
    }
    cells.resize(CELLS, String::new());
    cells.extend([record.origin.to_owned(), record.text.to_owned()]);
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
    cells.join(",")
}

/// The name of a unit variant.
fn word(kind: &impl Serialize) -> String {
    let value = serde_json::to_value(kind).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// A cell by RFC 4180. What a spreadsheet would take for a formula, also behind white space or as
/// full-width characters, gets an apostrophe before it.
fn quoted(cell: &str) -> String {
    const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    let formula = cell.starts_with(['\t', '\r', '\n']) || cell.trim_start().starts_with(FORMULA);
    let mark = if formula { "'" } else { "" };
    // A record is one line; the leaf has escapes for everything that is changed here.
    let cell = &cell.replace(char::is_control, " ");
    if formula || cell.contains([',', '"']) {
        format!("\"{mark}{}\"", cell.replace('"', "\"\""))
    } else {
        cell.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn no_cell_is_a_formula() {
        let start = ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\u{a0}=", "\u{ff1d}", "\t@"];
        for start in start {
            let cell = quoted(&format!("{start}cmd|' /C calc'!A0"));
            assert!(cell.starts_with("\"'"), "{start:?}: {cell}");
        }
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(quoted("plain-text"), "plain-text");
    }
}
