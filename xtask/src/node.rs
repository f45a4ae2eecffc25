//! The Node.js packages the tests talk to, in a per-user cache that nothing else sees.

use crate::python;
use crate::steps::{Outcome, in_ci, run};

/// What is installed together, pinned.
const PACKAGES: &[(&str, &str)] = &[
    ("oauth4webapi@3.8.8", "tokens that are bound to a key"),
    ("oidc-provider@9.13.3", "signing in with an identity provider"),
];

/// Installs what is missing. Where that can't be done it is a visible skip; in CI, a failure.
pub(crate) fn install() -> Outcome {
    let Some(peers) = python::folder() else {
        return Err("neither HOME nor PROV_PEERS is set".into());
    };
    let folder = peers.join("node");
    // Says which versions are there.
    let marker = folder.join("installed");
    let wanted: Vec<&str> = PACKAGES.iter().map(|(package, _)| *package).collect();
    let wanted_text = wanted.join("\n");
    if std::fs::read_to_string(&marker).is_ok_and(|present| present == wanted_text) {
        return Ok(());
    }
    let into = folder.display().to_string();
    let mut arguments = vec!["install", "--silent", "--no-audit", "--no-fund", "--prefix", &into];
    arguments.extend(&wanted);
    let installed = std::fs::create_dir_all(&folder)
        .map_err(|e| e.to_string())
        .and_then(|()| run("npm", &arguments))
        .and_then(|()| std::fs::write(&marker, &wanted_text).map_err(|e| e.to_string()));
    match installed {
        Err(why) if in_ci() => Err(format!("packages of Node.js are missing: {why}")),
        Err(why) => {
            println!("SKIPPED installing packages of Node.js: {why}");
            for (package, used_for) in PACKAGES {
                println!("  without {package}: no test of {used_for}");
            }
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
