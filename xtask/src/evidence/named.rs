//! Tests and headings, by their names.

use std::collections::HashMap;
use std::path::PathBuf;

/// What stands in the files of the workspace.
pub(super) struct Named {
    root: PathBuf,
    files: HashMap<String, Option<String>>,
}

impl Named {
    pub(super) fn at(root: PathBuf) -> Self {
        Self { root, files: HashMap::new() }
    }

    /// Whether `crate/path.rs::test` is a test, `file.md#Heading` a heading, or `crate/path.rs` a file with tests.
    pub(super) fn knows(&mut self, name: &str) -> bool {
        if let Some((file, test)) = name.split_once("::") {
            return self.text(file).is_some_and(|text| has_test(text, test));
        }
        if let Some((file, heading)) = name.split_once('#') {
            let is_it = |line: &str| line.trim_start_matches('#').trim() == heading;
            return self
                .text(file)
                .is_some_and(|text| text.lines().any(|line| line.starts_with('#') && is_it(line)));
        }
        self.text(name)
            .is_some_and(|text| text.contains("#[test]") || text.contains("#[tokio::test"))
    }

    fn text(&mut self, file: &str) -> Option<&str> {
        let path = self.root.join(file);
        let read = || std::fs::read_to_string(path).ok();
        self.files.entry(file.to_owned()).or_insert_with(read).as_deref()
    }
}

/// Whether a function of this name stands under an attribute that makes it a test, or a macro makes one of it.
fn has_test(file: &str, test: &str) -> bool {
    let wanted = format!("fn {test}(");
    let mut is_test = false;
    for line in file.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.contains("fn ") {
            if is_test && line.contains(&wanted) {
                return true;
            }
            is_test = false;
        }
    }
    // Rows of a table that a macro turns into tests: `name: …` or `name => …`.
    let rows = [format!("{test}:"), format!("{test} =>"), format!("({test},")];
    file.contains("macro_rules!") && rows.iter().any(|row| file.contains(row.as_str()))
}

/// The tests that a page names in backticks. In a group whose heading ends in the name of a crate, that
/// crate's folder is left out; `…::test` is of the file that was named before.
pub(super) fn tests_in(page: &str) -> impl Iterator<Item = String> {
    let (mut group, mut file) = (String::new(), String::new());
    let mut found = Vec::new();
    for line in page.lines() {
        if line.starts_with('#') {
            let crates: Vec<&str> = quoted(line).filter(|name| name.starts_with("prov-")).collect();
            group = crates.first().map(|name| format!("{name}/")).unwrap_or_default();
        }
        for name in quoted(line) {
            let Some((path, test)) = name.split_once("::") else { continue };
            if path != "…" {
                if std::path::Path::new(path).extension().is_none_or(|end| end != "rs") {
                    continue;
                }
                let whole = path.starts_with("prov-") || path.starts_with("reference-server");
                file = if whole { path.to_owned() } else { format!("{group}{path}") };
            }
            found.push(format!("{file}::{test}"));
        }
    }
    found.into_iter()
}

fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}
