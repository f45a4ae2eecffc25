//! Text that others chose, on its way to a terminal.
//!
//! A terminal obeys control characters: ESC and the C1 controls move the cursor, change the title,
//! answer as if keys were typed; the bidirectional ones make a text read as another (CVE-2021-42574).
//! So they are shown, as `\u{1b}`.

use std::fmt::Write;

/// The text with every control character shown instead of obeyed; a new line too, because whoever
/// begins a line can forge one of ours.
pub(crate) fn shown(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if is_obeyed(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// The same for a text of several lines.
pub(crate) fn shown_lines(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    match line.strip_suffix("\r\n").or_else(|| line.strip_suffix('\n')) {
        Some(rest) => shown(rest) + "\n",
        None => shown(line),
    }
}

/// JSON that means the same, with every control character as `\u009b` (RFC 8259, section 7). JSON
/// has C0 escaped already where it is no white space; what is left stands inside of strings.
pub(crate) fn json(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut json, c| {
        if is_obeyed(c) && !matches!(c, '\n' | '\r' | '\t') {
            // Writing to a text can't fail; all of these are below U+10000, one unit each.
            let _ = write!(json, "\\u{:04x}", u32::from(c));
        } else {
            json.push(c);
        }
        json
    })
}

/// C0, DEL, C1, and what turns the direction of text or ends a line.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown() {
        let evil = "a\u{1b}[2Jb\u{9b}31mc\u{7f}\r\nd\u{202e}e\t";
        assert_eq!(shown(evil), r"a\u{1b}[2Jb\u{9b}31mc\u{7f}\r\nd\u{202e}e\t");
        assert_eq!(shown("Zoë, 張, 🦦"), "Zoë, 張, 🦦");
        assert_eq!(shown_lines("a\u{1b}\nb\rc\r\n"), "a\\u{1b}\nb\\rc\n");
    }

    #[test]
    fn json_means_the_same_without_control_characters() {
        let value = serde_json::json!({ "a\u{9d}": "\u{1b}]0;x\u{7}\u{9c}\u{85}\u{7f}\u{202e}ë" });
        let text = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| is_obeyed(c) && c != '\n'), "{text:?}");
        assert!(
            text.contains(r"\u009c") && text.contains(r"\u001b") && text.contains('ë'),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
