//! `prov policy` without a server: what it prints, and what its exit code says.

use std::path::Path;
use std::process::{Command, Output};

use prov_authz::PolicyFiles;
use serde_json::Value;

fn prov(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_prov"))
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("PATH", folder)
        .env_remove("PROV_SOLVER")
        .env_remove("PROV_SERVER")
        .output()
        .unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    PolicyFiles::shipped().write_missing(&folder.path().join("policies")).unwrap();
    folder
}

const DEPLOY: [&str; 13] = [
    "policy",
    "explain",
    "deploy",
    "Server",
    "web-1",
    "-a",
    "hostname=w",
    "-a",
    "workspace=s",
    "-a",
    "environment=production",
    "--policies",
    "policies",
];

#[test]
fn a_denial_is_explained_by_a_folder_of_policies() {
    let folder = folder();
    let asked =
        [&DEPLOY[..], &["--team", "sre", "--from", "10.0.0.1", "--at", "2026-03-02T12:00:00Z"]];
    let output = prov(&asked.concat(), folder.path());
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(
        out.starts_with("denied by `prod-deploy-approval`, `prod-deploy-mfa`; allowed with"),
        "{out}"
    );
    assert!(out.contains("unless { principal in Provisioning::Team::\"platform-admin\" || context.mfa_verified }: holds  [production.cedar:"), "{out}");
    assert!(out.contains("* second factor, approval, by prod-sre"), "{out}");
    let json = prov(&[&asked.concat()[..], &["--output", "json"]].concat(), folder.path());
    let told: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(told["remedies"][0]["needs"], serde_json::json!(["second_factor", "approval"]));
    let mut authorize = asked.concat();
    authorize[1] = "authorize";
    assert_eq!(prov(&authorize, folder.path()).status.code(), Some(4));
    authorize.extend(["--mfa", "--approval", "CHG-1"]);
    assert_eq!(prov(&authorize, folder.path()).status.code(), Some(0));
    let nowhere =
        prov(&["policy", "explain", "deploy", "Server", "x", "--policies", "none"], folder.path());
    assert_eq!(nowhere.status.code(), Some(1));
}

#[test]
fn the_tests_of_a_folder_run_and_what_is_wrong_is_named() {
    let folder = folder();
    let output = prov(&["policy", "test", "--junit", "out.xml"], folder.path());
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(out.contains(" passed, 0 failed"), "{out}");
    let xml = std::fs::read_to_string(folder.path().join("out.xml")).unwrap();
    assert!(xml.contains("<testsuite name=\"matrix.toml\""), "{xml}");
    let tests = folder.path().join("policies/tests");
    std::fs::create_dir(&tests).unwrap();
    std::fs::write(tests.join("a.toml"), "clock = \"noon\"\naddress = \"10.0.0.1\"\n").unwrap();
    let output = prov(&["policy", "test", "policies"], folder.path());
    let (_, err) = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("error: a.toml:1:9: `noon` is no time"), "{err}");
    assert!(err.contains("2026-03-02T12:00:00Z"), "{err}");
    let row = "clock = \"2026-03-02T12:00:00Z\"\naddress = \"10.0.0.1\"\n[principals]\np = {}\n[resources]\n\
               e = { type = \"Environment\", id = \"production\" }\n[[tests]]\nname = \"x\"\nprincipal = \"p\"\n\
               action = \"read\"\nresource = \"e\"\nexpect = ";
    std::fs::write(tests.join("a.toml"), format!("{row}\"allow\"")).unwrap();
    let output = prov(&["policy", "test", "policies"], folder.path());
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out.contains("FAIL x  [a.toml:7]\n     expected allow, got deny by no policy"),
        "{out}"
    );
    assert!(err.contains("1 of 1 tests fail"), "{err}");
    std::fs::write(tests.join("a.toml"), format!("{row}\"deny\"")).unwrap();
    let output = prov(&["policy", "test", "policies", "--min-score", "95"], folder.path());
    assert_eq!(output.status.code(), Some(1), "one test notices little: {:?}", said(&output));
    assert_eq!(
        prov(&["policy", "test", "--min-score", "200"], folder.path()).status.code(),
        Some(2)
    );
}

#[test]
fn without_a_solver_the_message_says_how_to_get_one() {
    let folder = folder();
    let output = prov(&["policy", "prove"], folder.path());
    let (_, err) = said(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("cvc5.github.io") && err.contains("--solver"), "{err}");
    let named = prov(&["policy", "prove", "--solver", "/no/such"], folder.path());
    assert!(said(&named).1.contains("there is no solver at `/no/such`"));
}
