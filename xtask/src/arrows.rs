//! Which crate may name which: the house has one hall, and rooms open only onto it.

use std::process::Command;

use serde_json::Value;

use crate::steps::Outcome;

/// What every crate may name.
const HALL: &[&str] = &["prov-core", "prov-http"];

/// What some may name besides the hall.
const ALLOWED: &[(&str, &[&str])] = &[
    ("prov-cli", &["prov-kms", "prov-audit", "prov-authz", "prov-mfa"]),
    ("reference-server", EVERYTHING),
    ("examples", EVERYTHING),
    ("prov-bench", EVERYTHING),
];

/// The crates that others embed.
pub(crate) fn libraries() -> impl Iterator<Item = &'static str> {
    HALL.iter().chain(EVERYTHING).copied().filter(|name| *name != "reference-server")
}

const EVERYTHING: &[&str] = &[
    "prov-store",
    "prov-auth",
    "prov-authz",
    "prov-mfa",
    "prov-kms",
    "prov-secrets",
    "prov-audit",
    "reference-server",
];

/// What must not stand in the tree of a library crate without its optional features: whoever embeds
/// one crate does not want a database, a server or a cloud SDK with it.
const KEPT_OUT: &[(&str, &[&str])] = &[
    ("prov-core", &["tokio", "axum", "hyper", "rusqlite", "tokio-postgres", "http"]),
    ("prov-http", &["axum", "hyper", "rusqlite", "tokio-postgres"]),
    ("prov-auth", &["axum", "hyper", "rusqlite", "tokio-postgres", "ureq", "reqwest"]),
    ("prov-mfa", &["axum", "hyper", "rusqlite", "tokio-postgres"]),
    ("prov-authz", &["axum", "hyper", "rusqlite", "tokio-postgres"]),
    ("prov-kms", &["axum", "hyper", "rusqlite", "tokio-postgres"]),
    ("prov-secrets", &["axum", "hyper", "rusqlite", "tokio-postgres"]),
];

/// Holds the manifests against the tables above.
pub(crate) fn check() -> Outcome {
    let mut wrong = forbidden_arrows()?;
    wrong.extend(second_backend()?);
    for (package, kept_out) in KEPT_OUT {
        wrong.extend(heavy_dependencies(package, kept_out)?);
    }
    if wrong.is_empty() {
        println!("── arrows: every crate names only what it may");
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

fn forbidden_arrows() -> Result<Vec<String>, String> {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1", "--locked"])?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|e| e.to_string())?;
    let packages = list(&metadata, "packages");
    let ours: Vec<&str> = packages.iter().map(|package| text(package, "name")).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = text(package, "name");
        let allowed =
            ALLOWED.iter().find(|(who, _)| *who == name).map_or(&[][..], |(_, what)| what);
        for dependency in list(package, "dependencies") {
            let target = text(dependency, "name");
            let is_own_test = target == name && text(dependency, "kind") == "dev";
            let is_allowed = HALL.contains(&target) || allowed.contains(&target) || is_own_test;
            if ours.contains(&target) && !is_allowed {
                wrong.push(format!(
                    "{name} names {target}: siblings meet through ports in prov-core"
                ));
            }
        }
    }
    if ours.is_empty() { Err("cargo metadata lists no packages".to_owned()) } else { Ok(wrong) }
}

fn list<'v>(value: &'v Value, member: &str) -> &'v [Value] {
    value.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn heavy_dependencies(package: &str, kept_out: &[&str]) -> Result<Vec<String>, String> {
    let tree = cargo(&[
        "tree",
        "--package",
        package,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--locked",
        "--format",
        "{p}",
    ])?;
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    Ok(kept_out
        .iter()
        .filter(|heavy| names.contains(*heavy))
        .map(|heavy| {
            format!("{package} brings {heavy} without being asked: put it behind a feature")
        })
        .collect())
}

/// What asks `jsonwebtoken` for another backend than ours: with two in one build it ends the process at its
/// first use, unless somebody has chosen before.
fn second_backend() -> Result<Option<String>, String> {
    let tree = ["tree", "--workspace", "--all-features", "--locked", "--prefix", "none"];
    let inverted = ["--edges", "features", "--invert", "jsonwebtoken", "--depth", "1"];
    let features = cargo(&[&tree[..], &inverted].concat())?;
    if !features.contains("jsonwebtoken feature \"aws_lc_rs\"") {
        return Err("`cargo tree` tells nothing of jsonwebtoken's features".to_owned());
    }
    let second = features.contains("jsonwebtoken feature \"rust_crypto\"");
    Ok(second.then(|| "jsonwebtoken is built with a second backend (`rust_crypto`)".to_owned()))
}

fn cargo(args: &[&str]) -> Result<String, String> {
    let output = Command::new("cargo").args(args).output().map_err(|e| e.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// salvo#1665, squawk#928, spiceai#10619: two backends in one build break the process at the first token.
    #[test]
    fn salvo_1665_tokens_are_made_and_checked_by_one_backend_only() {
        assert_eq!(second_backend(), Ok(None));
    }
}
