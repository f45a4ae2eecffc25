//! The catalogue of actions as a page, made from the table that the program records by.

use std::fmt::Write;

use prov_core::audit::{ActionInfo, CATALOGUE};

/// The page `ACTIONS.md`: every action, by area.
///
/// ```
/// assert!(prov_audit::action_page().contains("| `auth.login` |"));
/// ```
#[must_use]
pub fn action_page() -> String {
    let mut page = format!(
        "# What is recorded\n\nMade from the table in `prov-core/src/audit/action.rs` by `cargo run -p \
         prov-audit --example actions`; do not\nchange it by hand. {} actions. An application that \
         embeds prov may record others of its own.\n",
        CATALOGUE.len()
    );
    let area_of = |info: &ActionInfo| info.name.split('.').next().unwrap_or_default();
    let mut area = "";
    for info in CATALOGUE {
        // Writing to a text does not fail.
        if area_of(info) != area {
            area = area_of(info);
            let _ = write!(page, "\n## {area}\n\n| action | log | meaning |\n|---|---|---|\n");
        }
        let log = crate::log::api_name(info.retention_class());
        let _ = writeln!(page, "| `{}` | {log} | {} |", info.name, info.meaning);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_repository_says_what_the_table_says() {
        let page = include_str!("../ACTIONS.md");
        assert!(page == action_page(), "run `cargo run -p prov-audit --example actions`");
        assert!(CATALOGUE.len() >= 40);
        assert!(CATALOGUE.iter().all(|info| page.contains(&format!("| `{}` |", info.name))));
    }
}
