//! `prov policy bundle` and the comparison of folders, in a folder of one's own and without any server.

use std::path::Path;
use std::process::{Command, Output};

use prov_authz::PolicyFiles;

fn prov(home: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_prov"))
        .args(["--output", "json"])
        .args(arguments)
        .env("PROV_CONFIG_DIR", home.join("prov"))
        .env_remove("PROV_SERVER")
        .current_dir(home)
        .output()
        .unwrap()
}

#[track_caller]
fn ok(home: &Path, arguments: &[&str]) -> serde_json::Value {
    let output = prov(home, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "prov {arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn fails(home: &Path, arguments: &[&str]) -> String {
    let output = prov(home, arguments);
    assert!(!output.status.success(), "prov {arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn key(home: &Path, name: &str) -> String {
    let made = ok(home, &["policy", "bundle", "keygen", name, "--key", name]);
    made["public_key"].as_str().unwrap().to_owned()
}

#[test]
fn a_set_that_two_people_signed_is_verified_and_a_changed_one_is_not() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    PolicyFiles::shipped().write_missing(&home.join("set")).unwrap();
    let (ann, bob) = (key(home, "ann"), key(home, "bob"));
    assert!(fails(home, &["policy", "bundle", "keygen", "ann", "--key", "ann"]).contains("exists"));
    let verify = ["policy", "bundle", "verify", "set", "--trust", &ann, "--trust", &bob];
    let both = [&verify[..], &["--threshold", "2"]].concat();
    assert!(fails(home, &both).contains("not signed"));
    ok(home, &["policy", "bundle", "create", "set", "--version", "7"]);
    ok(home, &["policy", "bundle", "sign", "set", "--key", "ann"]);
    assert!(fails(home, &both).contains("1 trusted signatures, and 2 are needed"));
    assert_eq!(ok(home, &verify)["signers"], serde_json::json!(["ann"]));
    ok(home, &["policy", "bundle", "sign", "set", "--key", "bob"]);
    assert_eq!(ok(home, &both)["version"], 7);
    assert!(fails(home, &["policy", "bundle", "sign", "set", "--key", "bob"]).contains("already"));

    std::fs::write(home.join("set/extra.cedar"), "permit (principal, action, resource);").unwrap();
    assert!(fails(home, &both).contains("extra.cedar"));
    let carol = key(home, "carol");
    assert!(carol.starts_with("carol+"));
    let refused = fails(home, &["policy", "bundle", "sign", "set", "--key", "carol"]);
    assert!(refused.contains("extra.cedar"), "nobody signs for what is not listed: {refused}");
}

#[test]
fn a_private_key_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let public = key(home.path(), "ann");
    let file = home.path().join("ann");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let private = std::fs::read_to_string(file).unwrap();
    assert!(private.starts_with("PRIVATE+KEY+ann+") && !public.contains("PRIVATE"));
}

#[test]
fn two_folders_are_compared_by_policy() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for folder in ["old", "new"] {
        PolicyFiles::shipped().write_missing(&home.join(folder)).unwrap();
    }
    std::fs::remove_file(home.join("new/staging.cedar")).unwrap();
    let diff = ok(home, &["policy", "diff", "old", "new"]);
    assert_eq!(diff["added"], serde_json::json!([]));
    assert!(diff["removed"].as_array().unwrap().iter().all(|p| p["file"] == "staging.cedar"));
    assert!(fails(home, &["policy", "diff", "old", "7"]).contains("two folders"));
}
