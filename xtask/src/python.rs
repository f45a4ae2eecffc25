//! The Python packages the tests talk to, in a per-user cache that nothing else sees.

use std::path::PathBuf;

use crate::steps::{Outcome, answers, in_ci, run};

/// One package, pinned, and what shows that it is there.
struct Package {
    requirement: &'static str,
    module: &'static str,
    used_for: &'static str,
}

const PACKAGES: &[Package] = &[
    Package {
        requirement: "joserfc==1.8.0",
        module: "joserfc",
        used_for: "verifying access tokens by the published keys",
    },
    Package {
        requirement: "PyJWT[crypto]==2.15.1",
        module: "jwt",
        used_for: "verifying access tokens by the published keys",
    },
];

/// Where the peers of the tests live: `PROV_PEERS`, or `.cache/prov/peers` at home.
fn folder() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/prov/peers"));
    std::env::var_os("PROV_PEERS").map(PathBuf::from).or_else(home)
}

/// Installs what is missing. Where that can't be done it is a visible skip; in CI, a failure.
pub(crate) fn install() -> Outcome {
    let Some(folder) = folder() else { return Err("neither HOME nor PROV_PEERS is set".into()) };
    let home = folder.join("python").display().to_string();
    let python = format!("{home}/bin/python");
    let is_there =
        |package: &&Package| answers(&python, &["-c", &format!("import {}", package.module)]);
    let missing: Vec<&Package> = PACKAGES.iter().filter(|package| !is_there(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut arguments = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    arguments.extend(missing.iter().map(|package| package.requirement));
    let installed = run("python3", &["-m", "venv", &home]).and_then(|()| run(&python, &arguments));
    match installed {
        Err(why) if in_ci() => Err(format!("peers are missing: {why}")),
        Err(why) => {
            println!("SKIPPED installing Python packages: {why}");
            for package in missing {
                println!("  without {}: no test of {}", package.requirement, package.used_for);
            }
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
