//! The runner of policy tests: both forms, what they measure, and files that are not well formed.

use prov_authz::testing::{PolicyTests, Suite, Survivor, junit};
use prov_authz::{CedarOptions, Finding, PolicyFiles, SourceFile};

const HEAD: &str = r#"
clock = "2026-03-02T12:00:00Z"
address = "10.0.0.1"
[principals]
sam = { teams = ["sre"] }
[resources]
web = { type = "Server", attributes = { hostname = "w", workspace = "s", environment = "production" } }
"#;

fn suite(name: &str, text: &str) -> Result<Suite, Vec<Finding>> {
    Suite::parse(&[SourceFile::new(name, text)])
}

fn tests_of(suite: Suite) -> Result<PolicyTests, Vec<Finding>> {
    PolicyTests::new(&PolicyFiles::shipped(), CedarOptions::default(), suite)
}

fn row(rest: &str) -> String {
    format!(
        "{HEAD}[[tests]]\nname = \"t\"\nprincipal = \"sam\"\naction = \"deploy\"\nresource = \"web\"\n{rest}"
    )
}

#[test]
fn what_is_not_well_formed_is_named_with_its_line_and_a_remedy() {
    let cases = [
        ("clock = ", 1, "", "see the form"),
        ("address = \"10.0.0.1\"", 0, "missing field `clock`", "see the form"),
        (&*row("expect = \"maybe\""), 13, "maybe", "see the form"),
        (&row("expect = \"allow\"\nmfa_verified = true"), 14, "mfa_verified", "see the form"),
        (
            &row("expect = \"allow\"\nat = \"yesterday\""),
            8,
            "`yesterday` is no time",
            "2026-03-02T12",
        ),
        (&row("expect = \"allow\"\naddress = \"here\""), 8, "`here` is no address", "IPv4"),
        (
            &row("expect = \"deny\"").replace("\"sam\"\naction", "\"max\"\naction"),
            8,
            "no principal `max`",
            "sam",
        ),
        (&row("expect = \"deny\"").replace("\"web\"\n", "\"db\"\n"), 8, "no resource `db`", "web"),
        (
            &HEAD.replace("[\"sre\"]", "[\"S R E\"]"),
            5,
            "`S R E` is no name of a team",
            "small letters",
        ),
        (&HEAD.replace("teams = [\"sre\"]", "roles = [\"root\"]"), 5, "`root` is no role", "admin"),
        (HEAD, 0, "there is no test", "[[tests]]"),
    ];
    for (text, line, message, remedy) in cases {
        let findings = suite("t.toml", text).unwrap_err();
        let finding = findings.first().unwrap();
        assert!(finding.message.contains(message), "{finding} for {message}");
        assert!(finding.remedy.as_ref().unwrap().contains(remedy), "{finding} for {remedy}");
        if line > 0 {
            assert_eq!((finding.file.as_str(), finding.line), ("t.toml", line), "{finding}");
        }
    }
}

#[test]
fn two_tests_of_one_name_and_policies_that_do_not_exist_are_refused() {
    let twice =
        format!("{}\n{}", row("expect = \"deny\""), &row("expect = \"deny\"").replace(HEAD, ""));
    let findings = suite("t.toml", &twice).unwrap_err();
    assert!(
        findings[0].message.contains("the name `t` stands at t.toml:8 already"),
        "{findings:?}"
    );
    let unknown = suite("t.toml", &row("expect = \"deny\"\nby = [\"prod-deploy-mf\"]")).unwrap();
    let findings = tests_of(unknown).unwrap_err();
    assert_eq!(
        findings[0].to_string(),
        "t.toml:8:0: test `t`: there is no policy `prod-deploy-mf`; do you mean `prod-deploy-mfa`?"
    );
}

#[test]
fn a_test_that_fails_says_what_came_instead() {
    for (rest, expected) in [
        (
            "expect = \"allow\"",
            "expected allow, got deny by `prod-deploy-approval`, `prod-deploy-mfa`",
        ),
        (
            "expect = \"deny\"\nby = [\"prod-deploy-mfa\"]",
            "expected `prod-deploy-mfa` to determine it, got `prod-deploy-approval`, `prod-deploy-mfa`",
        ),
        (
            "expect = \"deny\"\nssh_key = \"SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\"",
            "could not be asked: `context.ssh_key_fingerprint`",
        ),
    ] {
        let report = tests_of(suite("t.toml", &row(rest)).unwrap()).unwrap().run();
        assert_eq!(report.failed(), 1);
        let failure = report.results[0].failure.as_ref().unwrap();
        assert!(failure.contains(expected), "{failure}");
    }
}

/// As Cedar's own command line reads it: ids by `@id`, reasons as a part of those that came.
const CEDAR: &str = r#"[{
    "name": "sre reads",
    "request": {
        "principal": "Provisioning::User::\"u\"",
        "action": "Provisioning::Action::\"read\"",
        "resource": "Provisioning::Environment::\"production\"",
        "context": { "mfa_verified": false, "ip_address": "10.0.0.1", "time": "2026-03-02T12:00:00Z" }
    },
    "entities": [
        { "uid": { "type": "Provisioning::User", "id": "u" }, "attrs": { "id": "u", "username": "u" },
          "parents": [{ "type": "Provisioning::Team", "id": "sre" }] },
        { "uid": { "type": "Provisioning::Team", "id": "sre" }, "attrs": { "id": "sre", "name": "sre" }, "parents": [] }
    ],
    "decision": "allow", "reason": ["prod-sre"], "num_errors": 0
}]"#;

#[test]
fn the_form_of_cedar_s_own_tests_is_understood() {
    let run = |text: &str| tests_of(suite("cedar.json", text).unwrap()).unwrap().run();
    let report = run(CEDAR);
    assert_eq!(report.failed(), 0, "{report:?}");
    assert_eq!((report.results[0].name.as_str(), report.results[0].line), ("sre reads", 2));
    let failures = [
        (CEDAR.replace("\"allow\"", "\"deny\""), "expected deny, got allow by `prod-sre`"),
        (
            CEDAR.replace("[\"prod-sre\"]", "[\"staging-sre\"]"),
            "expected `staging-sre` among the reasons",
        ),
        (CEDAR.replace("\"num_errors\": 0", "\"num_errors\": 1"), "expected 1 errors, got 0"),
        (CEDAR.replace("Action::\\\"read", "Action::\\\"reed"), "`request.context`"),
        (CEDAR.replace("\"username\": \"u\"", "\"nick\": \"u\""), "`entities`"),
    ];
    for (text, expected) in failures {
        let report = run(&text);
        let failure = report.results[0].failure.as_ref().unwrap();
        assert!(failure.contains(expected), "{failure}");
    }
}

#[test]
fn a_json_file_that_is_no_list_of_tests_is_refused() {
    for (text, message) in [
        ("[{", "EOF"),
        ("{}", "invalid type"),
        ("[{\"name\": \"x\"}]", "test 1 (x): missing field `request`"),
        (
            &*CEDAR.replace("\"allow\"", "\"perhaps\""),
            "test 1 (sre reads): unknown variant `perhaps`",
        ),
    ] {
        let findings = suite("cedar.json", text).unwrap_err();
        assert!(findings[0].message.contains(message), "{findings:?}");
    }
    let elsewhere = CEDAR.find("[\n        { \"uid\"").map(|start| {
        let end = CEDAR.find("],\n    \"decision\"").unwrap() + 1;
        let mut text = CEDAR.to_owned();
        text.replace_range(start..end, "\"../../etc/passwd\"");
        text
    });
    let findings = suite("cedar.json", &elsewhere.unwrap()).unwrap_err();
    assert!(findings[0].message.contains("is not a file beside the tests"), "{findings:?}");
}

#[test]
fn entities_may_stand_in_a_file_beside_the_tests() {
    let folder = tempfile::tempdir().unwrap();
    let start = CEDAR.find("[\n        { \"uid\"").unwrap();
    let end = CEDAR.find("],\n    \"decision\"").unwrap() + 1;
    std::fs::write(folder.path().join("entities.json"), CEDAR.get(start..end).unwrap()).unwrap();
    let mut text = CEDAR.to_owned();
    text.replace_range(start..end, "\"entities.json\"");
    std::fs::write(folder.path().join("cedar.json"), text).unwrap();
    std::fs::write(folder.path().join("more.toml"), row("expect = \"deny\"")).unwrap();
    let read = Suite::read(folder.path()).unwrap();
    assert_eq!(read.names().collect::<Vec<_>>(), ["sre reads", "t"]);
    assert_eq!(tests_of(read).unwrap().run().failed(), 0);
}

#[test]
fn what_no_test_notices_is_listed_with_its_place() {
    let without = Suite::shipped().only(|name| !name.contains("08:00"));
    let mutation = tests_of(without).unwrap().mutate().unwrap();
    let of_hours = |s: &&Survivor| s.policy == "prod-deploy-hours" && s.change == "`>` for `>=`";
    let found = mutation.survivors.iter().find(of_hours).unwrap();
    let place = found.place.as_ref().unwrap();
    let files = PolicyFiles::shipped();
    let file = files.policies.iter().find(|file| file.name == place.file).unwrap();
    let line = file.text.lines().nth(place.line - 1).unwrap();
    assert!(line.contains(">= duration(\"8h\")"), "{place}: {line}");
    assert!(found.changed.as_ref().unwrap().contains("duration"));
}

#[test]
fn tests_that_fail_notice_nothing() {
    let failing = tests_of(suite("t.toml", &row("expect = \"allow\"")).unwrap()).unwrap();
    let findings = failing.mutate().unwrap_err();
    assert!(findings[0].message.starts_with("test `t` fails: expected allow"), "{findings:?}");
}

#[test]
fn a_report_is_junit_that_counts_and_escapes() {
    let name = row("expect = \"allow\"").replace("\"t\"", "'<evil> & \"quoted\"'");
    let report = tests_of(suite("t.toml", &name).unwrap()).unwrap().run();
    let xml = junit(&report);
    assert!(xml.contains("<testsuite name=\"t.toml\" tests=\"1\" failures=\"1\""), "{xml}");
    assert!(
        xml.contains("name=\"&lt;evil&gt; &amp; &quot;quoted&quot;\" classname=\"t\""),
        "{xml}"
    );
    assert!(xml.contains("<failure type=\"decision\" message=\"expected allow"), "{xml}");
    assert!(!xml.contains("<evil>"));
}
