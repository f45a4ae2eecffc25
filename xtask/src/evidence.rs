//! What is claimed, and the tests that show it: `docs/asvs.md` and `docs/complaints.md` are made from the lists
//! here, and every test that they or `SECURITY.md` name exists.

mod asvs;
mod complaints;
mod named;

use std::path::PathBuf;

use named::Named;

use crate::steps::Outcome;

/// The root of the workspace that cargo runs this task of. Not the one it was compiled in: checkouts that share
/// a target folder share the program.
fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from).join("..")
}

/// The documents that are made, each with its path.
fn documents() -> [(&'static str, String); 2] {
    [("docs/asvs.md", asvs::page()), ("docs/complaints.md", complaints::page())]
}

/// Makes the documents anew.
pub(crate) fn write() -> Outcome {
    check_names()?;
    for (path, text) in documents() {
        std::fs::write(root().join(path), text).map_err(|e| format!("`{path}`: {e}"))?;
        println!("── wrote {path}");
    }
    Ok(())
}

/// Holds the lists and the documents against what is there.
pub(crate) fn check() -> Outcome {
    check_names()?;
    for (path, text) in documents() {
        let there = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        if there != text {
            return Err(format!("`{path}` is not what the lists say: cargo xtask evidence"));
        }
    }
    println!("── evidence: every test that is named exists");
    Ok(())
}

fn check_names() -> Outcome {
    let security = std::fs::read_to_string(root().join("SECURITY.md"))
        .map_err(|e| format!("`SECURITY.md` of the workspace can not be read: {e}"))?;
    let named = asvs::evidence().chain(complaints::evidence()).map(str::to_owned);
    let named: Vec<String> = named.chain(named::tests_in(&security)).collect();
    let mut there = Named::at(root());
    let missing: Vec<_> = named.iter().filter(|name| !there.knows(name)).cloned().collect();
    match (missing.is_empty(), asvs::gaps()) {
        (true, None) => Ok(()),
        (false, _) => Err(format!("named, and not there:\n  {}", missing.join("\n  "))),
        (true, Some(gap)) => Err(gap),
    }
}

/// Tests and headings as a cell of a table.
fn cell(evidence: &[&str]) -> String {
    let shown = evidence.iter().map(|name| match name.split_once('#') {
        Some((file, heading)) => format!("[{heading}](../{file}#{})", anchor(heading)),
        None => format!("`{name}`"),
    });
    shown.collect::<Vec<_>>().join("<br>")
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_that_is_named_exists_and_the_documents_are_what_the_lists_say() {
        check().unwrap();
    }

    #[test]
    fn a_name_that_is_no_test_is_found_out() {
        let mut there = Named::at(root());
        let this = "xtask/src/evidence.rs::a_name_that_is_no_test_is_found_out";
        assert!(there.knows(this));
        assert!(there.knows("docs/asvs.md#How to read it"));
        for wrong in [
            "xtask/src/evidence.rs::check",
            "xtask/src/evidence.rs::no_such_test",
            "xtask/src/no_such_file.rs::check",
            "docs/asvs.md#No such heading",
            "no_such_file.rs",
        ] {
            assert!(!there.knows(wrong), "{wrong}");
        }
    }

    #[test]
    fn tests_that_a_page_names_are_found_with_their_crates() {
        let page = "### Passwords (`prov-auth`)\n`src/a.rs::one`, `…::two`; `deny.toml`\n\
                    ### Others\n`prov-http/tests/it/b.rs::three`\n";
        let found: Vec<_> = named::tests_in(page).collect();
        assert_eq!(
            found,
            [
                "prov-auth/src/a.rs::one",
                "prov-auth/src/a.rs::two",
                "prov-http/tests/it/b.rs::three"
            ]
        );
    }
}
