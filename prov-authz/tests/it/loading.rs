//! What may go live, and what is said of what may not.

use std::fs;

use prov_authz::{
    CedarEngine, CedarOptions, Claims, Finding, PolicyFiles, Severity, SourceFile, codes,
    validate_dir,
};

use crate::world::{OFFICE, ask, clock, engine, engine_of, member, server};

/// The shipped set with this file added, in a directory.
fn findings_with(name: &str, text: &str) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let mut files = PolicyFiles::shipped();
    files.policies.push(SourceFile::new(name, text));
    files.write_missing(folder.path()).unwrap();
    let report = validate_dir(folder.path(), &CedarOptions::default());
    assert!(!report.is_valid());
    let error = CedarEngine::open(folder.path(), clock(), CedarOptions::default()).unwrap_err();
    assert!(error.is(codes::POLICIES_INVALID));
    assert_eq!(error.fields().len(), report.findings.len().min(20));
    report.findings
}

const ANY: &str = "permit (principal, action, resource);";

#[test]
fn the_shipped_set_is_valid_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    PolicyFiles::shipped().write_missing(folder.path()).unwrap();
    let report = validate_dir(folder.path(), &CedarOptions::default());
    assert_eq!(report.findings, []);
    assert!(report.is_valid());
    assert_eq!(report.revision.unwrap(), prov_authz::PolicyEngine::revision(&engine()));
    let named = "prod-deploy-mfa prod-deploy-approval prod-deploy-hours prod-delete-mfa \
                 prod-delete-no-force prod-ip-restriction prod-ssh-restricted \
                 prod-cluster-admin-only";
    for id in named.split_whitespace() {
        let policy = report.policies.iter().find(|policy| policy.id == id).unwrap();
        assert_eq!((policy.file.as_str(), policy.effect), ("production.cedar", "forbid"));
        assert!(policy.text.starts_with(&format!("@id(\"{id}\")")), "{}", policy.text);
    }
}

#[test]
fn a_syntax_error_is_found_with_file_line_and_column() {
    let found = findings_with("x.cedar", "// one\n\npermit (principal, action resource);");
    assert_eq!((found[0].file.as_str(), found[0].line, found[0].column), ("x.cedar", 3, 27));
    assert!(found[0].to_string().starts_with("x.cedar:3:27: "), "{}", found[0]);
}

#[test]
fn every_policy_needs_an_id_of_its_own_and_a_description() {
    let described = "@description(\"d\")";
    let cases = [
        (format!("\n{described}\n{ANY}"), 2, "no id"),
        (format!("@id(\"\") {described}\n{ANY}"), 1, "no id"),
        (format!("@id(\"a b\") {described}\n{ANY}"), 1, "can't be an id"),
        (format!("@id(\"x\")\n{ANY}"), 1, "no description"),
        (format!("\n\n@id(\"prod-deploy-mfa\") {described}\n{ANY}"), 3, "production.cedar:4"),
    ];
    for (text, line, message) in cases {
        let found = findings_with("zz.cedar", &text);
        assert_eq!((found[0].file.as_str(), found[0].line), ("zz.cedar", line), "{text}");
        assert!(found[0].message.contains(message), "{}", found[0]);
        assert!(found[0].remedy.is_some(), "{}", found[0]);
    }
}

#[test]
fn strict_validation_finds_what_would_fail_later() {
    let head = "@id(\"zz\")\n@description(\"d\")\n";
    for (body, message) in [
        ("permit (principal, action, resource) when { context.mfa_verfied };", "mfa_verfied"),
        ("permit (principal in Provisioning::Tean::\"sre\", action, resource);", "Tean"),
        ("permit (principal, action == Provisioning::Action::\"explode\", resource);", "explode"),
        ("permit (principal, action, resource) when { resource.hostname == \"x\" };", "hostname"),
        (
            "permit (principal, action, resource) when { context.approval_id == \"x\" };",
            "approval_id",
        ),
    ] {
        let found = findings_with("zz.cedar", &format!("{head}{body}"));
        let error = found.iter().find(|finding| finding.severity == Severity::Error).unwrap();
        assert_eq!(
            (error.file.as_str(), error.policy.as_deref()),
            ("zz.cedar", Some("zz")),
            "{body}"
        );
        assert!(error.line >= 3, "{error}");
        assert!(found.iter().any(|f| f.message.contains(message)), "{body}: {found:?}");
    }
}

#[test]
fn empty_files_and_odd_bytes_are_refused() {
    assert!(findings_with("zz.cedar", "// soon\n")[0].message.contains("no policy"));

    let folder = tempfile::tempdir().unwrap();
    PolicyFiles::shipped().write_missing(folder.path()).unwrap();
    fs::write(folder.path().join("zz.cedar"), [0xff, 0xfe]).unwrap();
    fs::write(folder.path().join("yy.cedar"), vec![b' '; (4 << 20) + 1]).unwrap();
    let report = validate_dir(folder.path(), &CedarOptions::default());
    let files: Vec<_> = report.findings.iter().map(|finding| finding.file.as_str()).collect();
    assert_eq!(files, ["yy.cedar", "zz.cedar"]);
}

#[test]
fn a_directory_without_schema_or_policies_is_refused_and_names_no_path() {
    let folder = tempfile::tempdir().unwrap();
    let shown = |report: prov_authz::Report| {
        assert!(!report.is_valid());
        let text: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        assert!(!text.concat().contains(&*folder.path().to_string_lossy()), "{text:?}");
        text.concat()
    };
    let options = CedarOptions::default();
    assert!(
        shown(validate_dir(&folder.path().join("nowhere"), &options)).contains("can't be read")
    );
    assert!(shown(validate_dir(folder.path(), &options)).contains("no `*.cedar`"));
    fs::write(folder.path().join("a.cedar"), ANY).unwrap();
    assert!(shown(validate_dir(folder.path(), &options)).contains("schema.cedarschema"));
}

#[test]
fn a_schema_prov_could_not_ask_is_refused_when_it_is_loaded() {
    let with_schema = |change: &dyn Fn(&mut String)| {
        let mut files = PolicyFiles::shipped();
        change(&mut files.schema.text);
        engine_of(&files).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(with_schema(&|_| ()), Ok(()));
    let broken = with_schema(&|text| text.push('}')).unwrap_err();
    assert!(broken.contains("schema.cedarschema:"), "{broken}");
    let more = with_schema(&|text| *text = text.replace("username: String", "username: Long"));
    assert!(more.unwrap_err().contains("prov knows `id` and `username`"));
    let demanding =
        with_schema(&|text| *text = text.replace("force?: Bool", "force?: Bool, ticket: Long"));
    assert!(demanding.unwrap_err().contains("context of action `admin`"));
    let foreign =
        with_schema(&|text| *text = text.replace("namespace Provisioning", "namespace X"));
    assert!(foreign.unwrap_err().contains("no namespace `Provisioning`"));
}

#[test]
fn a_schema_with_structured_attributes_is_understood() {
    let mut files = PolicyFiles::shipped();
    files.schema.text = files.schema.text.replace(
        "hostname: String,",
        "hostname: String,\n tags?: Set<String>,\n address?: ipaddr,",
    );
    files.policies.push(SourceFile::new(
        "zz.cedar",
        "@id(\"frozen\")\n@description(\"d\")\n\
         forbid (principal, action, resource is Provisioning::Server)\n\
         when { resource has tags && resource.tags.contains(\"frozen\") };",
    ));
    let engine = engine_of(&files).unwrap();
    let who = member(&["platform-admin"]);
    let tagged = |tags: serde_json::Value| server("production").with("tags", tags);
    let read =
        |what: &prov_authz::ResourceEntity| ask(&engine, &who, "read", what, true, &Claims::NONE);
    assert!(read(&tagged(serde_json::json!(["hot"]))).allowed);
    let frozen = read(&tagged(serde_json::json!(["hot", "frozen"])));
    assert_eq!(frozen.determining_policies, ["frozen"]);
    let odd = read(&tagged(serde_json::json!([1])));
    assert!(!odd.allowed && !odd.errors.is_empty());
    assert!(!read(&server("production").with("address", "no address")).allowed);
    assert!(read(&server("production").with("address", "192.0.2.1")).allowed);
}

#[test]
fn configured_corporate_networks_take_the_place_of_the_shipped_one() {
    let options =
        CedarOptions::default().with_corporate_networks(["192.168.0.0/16", "2001:db8::/32"]);
    let engine = CedarEngine::shipped(clock(), options.clone()).unwrap();
    let who = member(&["sre"]);
    let asked_from = |address: &str| {
        let there = crate::world::circumstances(true, address, crate::world::NOON);
        let what = server("production");
        let request = prov_authz::AccessRequest::by(&who, there, "ssh", &what);
        prov_authz::PolicyEngine::decide(&engine, &request).determining_policies
    };
    assert_eq!(asked_from("192.168.4.4"), ["prod-sre"]);
    assert_eq!(asked_from("2001:db8::7"), ["prod-sre"]);
    assert_eq!(asked_from(OFFICE), ["prod-ip-restriction"]);
    assert!(engine.policy("prod-ip-restriction").unwrap().text.contains("192.168.0.0/16"));
    let default = crate::world::engine();
    let (one, other) = (default.status().revision, engine.status().revision);
    assert_ne!(one, other, "the networks are part of what decides");

    let mut files = PolicyFiles::shipped();
    files.policies.retain(|file| file.name != "production.cedar");
    let error = CedarEngine::from_files(&files, clock(), options).unwrap_err();
    assert!(error.to_string().contains("prod-ip-restriction"), "{error}");
    let broken = CedarOptions::default().with_corporate_networks(["10.0.0.0/40"]);
    let error = CedarEngine::shipped(clock(), broken).unwrap_err();
    assert!(error.to_string().contains("10.0.0.0/40"), "{error}");
}

#[test]
fn a_draft_is_held_against_the_schema_in_force() {
    let engine = engine();
    let good = format!("@id(\"a\") @description(\"d\") {ANY}");
    assert_eq!(engine.validate_draft(&good), []);
    let bad = engine.validate_draft(&format!("{good}\n@id(\"b\") @description(\"d\")\npermit ("));
    assert_eq!(bad[0].file, "draft.cedar");
    assert_eq!(bad[0].line, 3);
}
