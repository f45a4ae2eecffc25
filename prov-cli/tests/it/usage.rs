use std::process::{Command, Output};

fn prov(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_prov"))
        .args(arguments)
        .env("PROV_CONFIG_DIR", std::env::temp_dir().join("prov-usage-test-without-sessions"))
        .env_remove("PROV_SERVER")
        .output()
        .unwrap()
}

#[test]
fn every_area_has_help() {
    let areas =
        ["auth", "user", "team", "mfa", "policy", "audit", "kms", "secrets", "ssh", "server"];
    for area in areas {
        let output = prov(&[area, "--help"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("Usage: prov"), "{area}: {text}");
    }
}

#[test]
fn words_that_are_no_command_are_a_usage_error() {
    for arguments in [&["audt"][..], &["kms", "encrypt", "--contxt", "x"], &[]] {
        assert_eq!(prov(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn nobody_signed_in_and_nobody_there_have_exit_codes_of_their_own() {
    let unreachable = "http://127.0.0.1:9";
    assert_eq!(prov(&["--server", unreachable, "whoami"]).status.code(), Some(3));
    assert_eq!(prov(&["--server", unreachable, "ssh", "ca"]).status.code(), Some(6));
}

#[test]
fn tokens_do_not_travel_without_tls() {
    let output = prov(&["--server", "http://prov.example.com", "whoami"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("--insecure"), "{said}");
}
