//! The Python packages the tests talk to, in a per-user cache that nothing else sees.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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
    Package {
        requirement: "spiffe==0.3.2",
        module: "spiffe._proto.workload_pb2_grpc",
        used_for: "trust bundles of a SPIFFE Workload API",
    },
    Package {
        requirement: "cvc5==1.3.1",
        module: "cvc5",
        used_for: "proving invariants of policies by an SMT solver",
    },
];

/// Speaks SMT-LIB on standard input and output: the package has the library of cvc5, not the program.
const CVC5: &str = include_str!("cvc5.py");

/// Where the peers of the tests live: `PROV_PEERS`, or `.cache/prov/peers` at home.
pub(crate) fn folder() -> Option<PathBuf> {
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
        return solver(&folder, &python);
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
        Ok(()) => solver(&folder, &python),
    }
}

/// A program `cvc5` in a folder of its own, in front of the library.
fn solver(folder: &Path, python: &str) -> Outcome {
    let folder = folder.join("cvc5");
    let program = folder.join("cvc5");
    let text = format!("#!{python}\n{CVC5}");
    if std::fs::read_to_string(&program).is_ok_and(|present| present == text) {
        return Ok(());
    }
    let write = || {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(&program, &text)?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))
    };
    write().map_err(|error| format!("`{}` can't be written: {error}", program.display()))
}
