use std::time::Duration;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read_text(text: &str, pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("security.toml");
    std::fs::write(&path, text).unwrap();
    read(Some(&path), &environment(pairs), &[])
}

#[test]
fn without_any_configuration_the_defaults_of_the_specification_hold() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.toml");
    std::fs::write(&empty, "").unwrap();
    let config = read(Some(&empty), &Environment::new(), &[]).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8443");
    assert_eq!(config.jwt.issuer, "control-center");
    assert_eq!(config.jwt.audience, ["orchestrator", "cli"]);
    assert_eq!(config.jwt.access_token_ttl, Duration::from_mins(15));
    assert_eq!(config.store_url(), "sqlite:prov-data/prov.db");
    assert_eq!(config.server.rate_limit, "100/min");
}

#[test]
fn command_line_beats_environment_beats_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("security.toml");
    std::fs::write(&path, "[jwt]\nissuer = \"file\"\naudience = [\"file\"]\n").unwrap();
    let environment = environment(&[
        ("JWT_ISSUER", "named"),
        ("PROV__JWT__ISSUER", "prefixed"),
        ("JWT_AUDIENCE", "a, b"),
        ("PROV__SERVER__LISTEN", "127.0.0.1:9000"),
    ]);
    let config = read(Some(&path), &environment, &[]).unwrap();
    assert_eq!(config.jwt.issuer, "prefixed");
    assert_eq!(config.jwt.audience, ["a", "b"]);
    let overrides = [("server.listen".to_owned(), "127.0.0.1:9001".to_owned())];
    let config = read(Some(&path), &environment, &overrides).unwrap();
    assert_eq!(config.server.listen.port(), 9001);
}

#[test]
fn every_name_that_deployments_rely_on_reaches_its_setting() {
    let environment = environment(&[
        ("DATABASE_URL", "postgres://db/prov"),
        ("JWT_PRIVATE_KEY_PATH", "/k/private.pem"),
        ("JWT_PUBLIC_KEY_PATH", "/k/public.pem"),
        ("CEDAR_POLICIES_PATH", "/policies"),
        ("CEDAR_ENABLE_HOT_RELOAD", "false"),
        ("KMS_BACKEND", "age"),
        ("MFA_TOTP_ISSUER", "Fleet"),
        ("RUST_LOG", "debug"),
    ]);
    let config = read(Some(Path::new("/dev/null")), &environment, &[]).unwrap();
    assert_eq!(config.store_url(), "postgres://db/prov");
    assert_eq!(config.jwt.private_key_path.unwrap().to_str(), Some("/k/private.pem"));
    assert!(config.jwt.public_key_path.is_some() && config.cedar.policies_path.is_some());
    assert!(!config.cedar.hot_reload);
    assert_eq!(config.kms.backend, KmsBackendName::Age);
    assert_eq!(
        (config.mfa.totp_issuer.as_str(), config.telemetry.log.as_str()),
        ("Fleet", "debug")
    );
}

#[test]
fn a_text_may_stand_in_quotes_as_in_the_file() {
    for value in ["Fleet", "\"Fleet\"", "'Fleet'"] {
        let config = read_text("", &[("PROV__MFA__TOTP_ISSUER", value)]).unwrap();
        assert_eq!(config.mfa.totp_issuer, "Fleet", "{value}");
    }
}

#[test]
fn a_wrong_key_is_named_with_the_nearest_right_one() {
    for (text, wrong, right) in [
        ("[jwt]\nisuer = \"x\"", "isuer", "issuer"),
        ("[sever]\nlisten = \"x\"", "sever", "server"),
        ("[kms]\nbackend = \"locl\"", "locl", "local"),
    ] {
        let message = read_text(text, &[]).unwrap_err().to_string();
        assert!(message.contains(&format!("`{wrong}`")), "{message}");
        assert!(message.contains(&format!("did you mean `{right}`?")), "{message}");
    }
    let message = read_text("", &[("PROV__JWT__ISUER", "x")]).unwrap_err().to_string();
    assert!(message.contains("did you mean `issuer`?"), "{message}");
}

#[test]
fn what_this_version_does_not_have_is_refused_by_name() {
    let text = "[telemetry]\notlp_endpoint = \"http://127.0.0.1:4317\"";
    let message = read_text(text, &[]).unwrap_err().to_string();
    assert!(message.contains("`telemetry`") && message.contains("`otlp_endpoint`"), "{message}");
    assert!(message.contains("expected `log` or `format`"), "{message}");
}

#[test]
fn leases_are_looked_at_as_often_as_is_said() {
    let config = read_text("[secrets]\ncleanup_interval = \"30s\"", &[]).unwrap();
    assert_eq!(config.secrets.cleanup_interval, Duration::from_secs(30));
    let config = read_text("", &[("PROV__SECRETS__CLEANUP_INTERVAL", "5s")]).unwrap();
    assert_eq!(config.secrets.cleanup_interval, Duration::from_secs(5));
    for wrong in ["0s", "1ms", "2h", "-1s"] {
        let text = format!("[secrets]\ncleanup_interval = \"{wrong}\"");
        let message = read_text(&text, &[]).unwrap_err().to_string();
        assert!(message.contains("secrets.cleanup_interval"), "{message}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_place() {
    let message = read_text("[jwt]\naccess_token_ttl = \"-5m\"", &[]).unwrap_err().to_string();
    assert!(message.contains("jwt.access_token_ttl") && message.contains("negative"), "{message}");
    let message = read_text("[jwt\n", &[]).unwrap_err().to_string();
    assert!(message.contains("security.toml") && message.contains("line 1"), "{message}");
}

#[test]
fn an_address_for_others_without_tls_is_refused_unless_insecure_is_said() {
    let open = "[server]\nlisten = \"0.0.0.0:8443\"\n";
    let message = read_text(open, &[]).unwrap_err().to_string();
    assert!(message.contains("--insecure"), "{message}");
    assert!(read_text(&format!("{open}insecure = true"), &[]).is_ok());
    let tls = format!("{open}tls = {{ cert = \"c.pem\", key = \"k.pem\" }}");
    assert!(read_text(&tls, &[]).is_ok());
}

#[test]
fn weak_password_hashing_is_refused() {
    assert!(read_text("[passwords]\nmemory_kib = 1024", &[]).is_err());
    assert!(read_text("[passwords]\niterations = 1", &[]).is_err());
}

#[test]
fn strings_of_the_file_are_expanded() {
    let config = read_text(
        "[jwt]\nissuer = \"${WHO:-nobody}\"\n[kms]\nbackend = \"${KMS:-age}\"",
        &[("WHO", "me")],
    )
    .unwrap();
    assert_eq!((config.jwt.issuer.as_str(), config.kms.backend), ("me", KmsBackendName::Age));
}

#[test]
fn only_what_a_restart_applies_is_named_as_such() {
    let running =
        read_text("[server]\nrate_limit = \"100/min\"\n[telemetry]\nlog = \"info\"", &[]).unwrap();
    let next =
        read_text("[server]\nrate_limit = \"5/min\"\n[telemetry]\nlog = \"debug\"", &[]).unwrap();
    assert!(running.sections_that_need_a_restart(&next).is_empty());
    let next = read_text("[jwt]\nissuer = \"other\"\n[server]\nmax_body = 5", &[]).unwrap();
    assert_eq!(running.sections_that_need_a_restart(&next), ["server", "jwt"]);
}

#[test]
fn second_keys_of_joined_logs_are_refused_when_they_are_none() {
    for wrong in ["a.example/audit/a/standard", "a+00000000+Bg==", "x, y"] {
        let text = format!("[audit]\njoin_ml_dsa_44_keys = \"{wrong}\"\n");
        let refused = read_text(&text, &[]).unwrap_err().to_string();
        assert!(refused.contains("`audit.join_ml_dsa_44_keys`"), "{wrong}: {refused}");
    }
}
