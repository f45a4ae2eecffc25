//! What is known decides, whatever a request says.

use prov_authz::{
    AccessRequest, CedarEngine, CedarOptions, Claims, Contradiction, EntityRef, InventoryPolicy,
    PolicyEngine, PolicyFiles, ResourceEntity, SourceFile, codes,
};
use prov_core::{Error, codes as core_codes};

use crate::world::{
    NOON, OFFICE, ask, circumstances, clock, cluster, engine, engine_of, environment, member,
    policy_directory, server, workspace,
};

fn knowing(options: CedarOptions, known: &[ResourceEntity]) -> CedarEngine {
    let engine = CedarEngine::shipped(clock(), options).unwrap();
    engine.put_entities(known).unwrap();
    engine
}

fn check(engine: &CedarEngine, what: &ResourceEntity) -> prov_core::Result<()> {
    let ann = member(&["developers"]);
    engine.check(&AccessRequest::by(&ann, circumstances(true, OFFICE, NOON), "create", what))
}

fn may(engine: &CedarEngine, team: &str, action: &str, what: &ResourceEntity) -> bool {
    ask(engine, &member(&[team]), action, what, true, &Claims::NONE.with_approval("CHG-1")).allowed
}

#[test]
fn a_production_server_presented_as_development_helps_nobody() {
    let forged = server("development");
    // Without the inventory, the asker's word counts.
    assert!(may(&engine(), "developers", "create", &forged));
    for contradiction in [Contradiction::Refused, Contradiction::Dropped] {
        for policy in [InventoryPolicy::Open, InventoryPolicy::Closed] {
            let options =
                CedarOptions::default().with_inventory(policy).with_contradiction(contradiction);
            let engine = knowing(options, &[server("production")]);
            for action in ["create", "delete", "ssh", "deploy", "update"] {
                assert!(!may(&engine, "developers", action, &forged), "{action} {contradiction:?}");
            }
            let told = check(&engine, &forged);
            match contradiction {
                Contradiction::Dropped => assert!(told.is_ok()),
                Contradiction::Refused => {
                    let error = told.unwrap_err();
                    assert!(error.is(core_codes::INVALID_REQUEST));
                    assert_eq!(error.fields()[0].field, "resource.attributes.environment");
                    assert!(!format!("{:?}", error.fields()).contains("production"), "{error:?}");
                }
            }
        }
    }
}

#[test]
fn a_forged_parent_is_no_more_believed_than_a_forged_attribute() {
    let engine = knowing(CedarOptions::default(), &[server("production")]);
    let forged = ResourceEntity::new("Server", "web-1").within("Environment", "development");
    assert!(!may(&engine, "developers", "create", &forged));
    assert_eq!(check(&engine, &forged).unwrap_err().fields()[0].field, "resource.parents");
    let dropped = CedarOptions::default().with_contradiction(Contradiction::Dropped);
    let engine = knowing(dropped, &[server("production")]);
    assert!(!may(&engine, "developers", "create", &forged));
    assert!(check(&engine, &forged).is_ok());
}

#[test]
fn forged_numbers_and_owners_are_not_believed() {
    let options = CedarOptions::default().with_contradiction(Contradiction::Dropped);
    let engine =
        knowing(options, &[cluster("development", 6), workspace("development", "user_eve")]);
    assert!(!may(&engine, "developers", "create", &cluster("development", 5)));
    assert!(!may(&engine, "developers", "update", &workspace("development", "user_ann")));
    let engine = knowing(CedarOptions::default(), &[workspace("development", "user_ann")]);
    assert!(may(&engine, "developers", "update", &ResourceEntity::new("Workspace", "shop")));
}

#[test]
fn a_known_resource_need_not_be_described() {
    let engine = knowing(CedarOptions::default(), &[server("development"), environment("staging")]);
    let bare = ResourceEntity::new("Server", "web-1");
    assert!(may(&engine, "developers", "create", &bare));
    for stated in [
        bare.clone().with("environment", "development"),
        bare.clone().with("id", "web-1"),
        bare.clone().within("Workspace", "shop"),
        server("development"),
    ] {
        assert!(may(&engine, "developers", "create", &stated), "{stated:?}");
    }
    for wrong in [bare.clone().with("id", "web-2"), bare.clone().with("colour", "red")] {
        assert!(check(&engine, &wrong).is_err(), "{wrong:?}");
    }
    // One that is not known must be described in full.
    assert!(check(&engine, &ResourceEntity::new("Server", "web-2")).is_err());
}

#[test]
fn where_the_inventory_is_closed_nothing_else_is_decided_about() {
    let options = CedarOptions::default().with_inventory(InventoryPolicy::Closed);
    let engine = knowing(options, &[server("development")]);
    assert!(may(&engine, "developers", "create", &server("development")));
    let mut other = server("development");
    other.entity = EntityRef::new("Server", "web-2");
    assert!(!may(&engine, "platform-admin", "create", &other));
    let error = check(&engine, &other).unwrap_err();
    assert_eq!(error.fields()[0].field, "resource.id");
    assert!(error.fields()[0].message.contains("inventory"));
    // prov's own API is always known.
    let admin = crate::world::holder(prov_core::Role::Admin);
    let api = ResourceEntity::api("users");
    assert!(ask(&engine, &admin, "list", &api, true, &Claims::NONE).allowed);
}

#[test]
fn an_unknown_resource_is_in_all_that_its_claimed_parent_is_known_to_be_in() {
    let engine = knowing(CedarOptions::default(), &[workspace("production", "user_ann")]);
    // It says development, and stands in a workspace that is in production.
    let claimed = server("development");
    let deploy = ask(&engine, &member(&["sre"]), "deploy", &claimed, false, &Claims::NONE);
    assert!(deploy.determining_policies.contains(&"prod-deploy-mfa".to_owned()), "{deploy:?}");
    engine.remove_entities(&[EntityRef::new("Workspace", "shop")]).unwrap();
    let deploy = ask(&engine, &member(&["sre"]), "deploy", &claimed, false, &Claims::NONE);
    assert!(deploy.allowed, "{deploy:?}");
}

/// The shipped schema with teams in teams.
fn nested() -> PolicyFiles {
    let mut files = PolicyFiles::shipped();
    files.schema.text = files.schema.text.replace("entity Team {", "entity Team in [Team] {");
    files
}

fn team(id: &'static str) -> ResourceEntity {
    ResourceEntity::new("Team", id).with("name", id)
}

#[test]
fn who_is_in_a_team_is_in_the_teams_that_it_is_known_to_be_in() {
    let engine = engine_of(&nested()).unwrap();
    let ssh = |engine: &CedarEngine| may(engine, "oncall", "ssh", &server("production"));
    let reads_policies = |engine: &CedarEngine| {
        let api = ResourceEntity::api("policies");
        ask(engine, &member(&["oncall"]), "list", &api, true, &Claims::NONE).allowed
    };
    let before = (ssh(&engine), reads_policies(&engine));
    assert!(!before.0);
    engine
        .put_entities(&[
            team("oncall").within("Team", "night"),
            team("night").within("Team", "sre"),
        ])
        .unwrap();
    assert!(ssh(&engine));
    let _ = reads_policies(&engine);
    engine.put_entities(&[team("night")]).unwrap();
    assert_eq!((ssh(&engine), reads_policies(&engine)), before);
    let error = engine.put_entities(&[team("night").within("Team", "oncall")]).unwrap_err();
    assert!(error.fields()[0].message.contains("Team::\"night\" in Team::\"oncall\""), "{error}");
}

#[test]
fn attributes_that_name_entities_lead_to_what_is_known_of_them() {
    let mut files = PolicyFiles::shipped();
    files.schema.text = files.schema.text.replace(
        "entity Taskserv in [Environment, Workspace] {",
        "entity Taskserv in [Environment, Workspace] {\n    home?: Workspace,",
    );
    files.policies.push(SourceFile::new(
        "home.cedar",
        "@id(\"home\")\n@description(\"the owner of its home does as they like\")\n\
         permit (principal, action, resource is Provisioning::Taskserv)\n\
         when { resource has home && resource.home.owner_id == principal.id };",
    ));
    let engine = engine_of(&files).unwrap();
    let taskserv = ResourceEntity::new("Taskserv", "t1")
        .with("name", "t1")
        .with("workspace", "other")
        .with("environment", "development")
        .with(
            "home",
            serde_json::json!({"__entity": {"type": "Provisioning::Workspace", "id": "shop"}}),
        );
    let allowed = |engine: &CedarEngine| {
        ask(
            engine,
            &member(&[]),
            "deploy",
            &ResourceEntity::new("Taskserv", "t1"),
            true,
            &Claims::NONE,
        )
    };
    engine.put_entities(&[taskserv]).unwrap();
    // An attribute of what is not known is an error, which denies.
    let unknown = allowed(&engine);
    assert!(!unknown.allowed && !unknown.errors.is_empty(), "{unknown:?}");
    engine.put_entities(&[workspace("development", "user_ann")]).unwrap();
    assert!(allowed(&engine).allowed, "{:?}", allowed(&engine));
    engine.put_entities(&[workspace("development", "user_eve")]).unwrap();
    assert!(!allowed(&engine).allowed);
}

#[test]
fn what_the_schema_does_not_allow_is_not_entered() {
    let engine = engine();
    let long = "x".repeat(513);
    let refused = |entity: ResourceEntity, field: &str| {
        let error: Error = engine.put_entities(&[entity]).unwrap_err();
        assert!(error.is(core_codes::INVALID_REQUEST));
        assert_eq!(error.fields()[0].field, field, "{error}");
    };
    refused(ResourceEntity::new("Spaceship", "x"), "type");
    refused(ResourceEntity::new("Elsewhere::Server", "x"), "type");
    refused(ResourceEntity::new("User", "user_ann").within("Team", "platform-admin"), "type");
    refused(ResourceEntity::new("Role", "admin"), "type");
    refused(ResourceEntity::new("Api", "users"), "type");
    refused(ResourceEntity::new("Environment", ""), "id");
    refused(ResourceEntity::new("Environment", long), "id");
    refused(ResourceEntity::new("Environment", "a\0b"), "id");
    refused(ResourceEntity::new("Environment", "a\nb"), "id");
    refused(ResourceEntity::new("Server", "x"), "attributes.environment");
    refused(server("x\0y"), "attributes.environment");
    refused(server("production").with("hostname", 7), "attributes.hostname");
    refused(server("production").with("colour", "red"), "attributes.colour");
    refused(server("production").with("id", "web-2"), "attributes.id");
    refused(server("production").within("Environment", "development"), "parents");
    refused(server("production").within("Server", "web-2"), "parents");
    refused(environment("production").within("Environment", "staging"), "parents");
    assert!(engine.entities().is_empty());
    let both = [server("development"), ResourceEntity::new("Server", "x")];
    assert!(engine.put_entities(&both).is_err());
    assert!(engine.entities().is_empty(), "all or none");
}

fn entities(list: &str) -> tempfile::TempDir {
    let folder = policy_directory();
    std::fs::write(folder.path().join("entities.json"), list).unwrap();
    folder
}

const WEB: &str = r#"[
  {"uid": {"type": "Provisioning::Server", "id": "web-1"},
   "attrs": {"hostname": "h", "workspace": "shop", "environment": "production"},
   "parents": [{"__entity": {"type": "Provisioning::Workspace", "id": "shop"}}]},
  {"uid": {"type": "Provisioning::Workspace", "id": "shop"},
   "attrs": {"id": "shop", "name": "shop", "owner_id": "user_ann", "environment": "production"},
   "parents": []}
]"#;

#[test]
fn entities_of_the_directory_go_live_with_its_policies_and_go_with_them() {
    let folder = entities(WEB);
    let engine = CedarEngine::open(folder.path(), clock(), CedarOptions::default()).unwrap();
    assert_eq!(engine.entities().len(), 2);
    assert!(!may(&engine, "developers", "create", &ResourceEntity::new("Server", "web-1")));
    let before = engine.revision();
    std::fs::write(folder.path().join("entities.json"), WEB.replace("production", "development"))
        .unwrap();
    assert_ne!(engine.reload_from(folder.path()).unwrap(), before, "the file is part of the set");
    assert!(may(&engine, "developers", "create", &ResourceEntity::new("Server", "web-1")));
    engine.put_entities(&[environment("staging")]).unwrap();
    std::fs::remove_file(folder.path().join("entities.json")).unwrap();
    engine.reload_from(folder.path()).unwrap();
    let left: Vec<_> =
        engine.entities().page(None, None, 9).items.iter().map(|e| e.id().to_owned()).collect();
    assert_eq!(left, ["staging"], "what was entered stays");
}

#[test]
fn a_file_of_entities_that_is_wrong_is_refused_with_line_and_remedy() {
    let missing = WEB.replace(r#""hostname": "h", "#, "");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let twice = format!("{},{}", WEB.trim_end().trim_end_matches(']'), WEB.trim_start_matches('['));
    let foreign = WEB.replace("Provisioning::Server", "Elsewhere::Server");
    let unknown = WEB.replace("Provisioning::Server", "Provisioning::Spaceship");
    let long = WEB.replace("\"web-1\"", &format!("{:?}", "x".repeat(513)));
    let nul = WEB.replace("web-1", "web\\u0000");
    let tags = WEB.replace(r#""parents": []"#, r#""parents": [], "tags": {"a": "b"}"#);
    let cases = [
        ("{}", 1, "no list"),
        ("[{]", 1, "no list"),
        (&missing, 2, "hostname"),
        (&deep, 1, "recursion limit"),
        (&twice, 9, "twice"),
        (&foreign, 2, "another namespace"),
        (&unknown, 2, "Spaceship"),
        (&long, 2, "512 bytes"),
        (&nul, 2, "control"),
        (&tags, 5, "tags"),
    ];
    for (text, line, words) in cases {
        let folder = entities(WEB);
        let engine = CedarEngine::open(folder.path(), clock(), CedarOptions::default()).unwrap();
        let before = engine.revision();
        std::fs::write(folder.path().join("entities.json"), text).unwrap();
        let error = engine.reload_from(folder.path()).unwrap_err();
        assert!(error.is(codes::POLICIES_INVALID));
        let finding = &engine.status().last_failure.unwrap().findings[0];
        assert_eq!((finding.file.as_str(), finding.line), ("entities.json", line), "{finding}");
        assert!(finding.message.contains(words), "{finding}");
        assert!(finding.remedy.is_some());
        assert_eq!((engine.revision(), engine.entities().len()), (before, 2));
    }
}

#[test]
fn a_schema_that_known_entities_do_not_fit_does_not_go_live() {
    let folder = policy_directory();
    let engine = CedarEngine::open(folder.path(), clock(), CedarOptions::default()).unwrap();
    engine.put_entities(&[server("production")]).unwrap();
    let path = folder.path().join("schema.cedarschema");
    let schema = std::fs::read_to_string(&path).unwrap();
    let stricter =
        schema.replace("    hostname: String,", "    hostname: String,\n    rack: String,");
    std::fs::write(&path, stricter).unwrap();
    let error = engine.reload_from(folder.path()).unwrap_err();
    let finding = &engine.status().last_failure.unwrap().findings[0];
    assert!(finding.message.contains("Server::\"web-1\""), "{error} {finding}");
    let wider =
        schema.replace("    hostname: String,", "    hostname: String,\n    rack?: String,");
    std::fs::write(&path, wider).unwrap();
    engine.reload_from(folder.path()).unwrap();
    engine.put_entities(&[server("production").with("rack", "r1")]).unwrap();
}

#[test]
fn a_circle_in_the_file_of_entities_is_refused_with_its_members_and_a_remedy() {
    let folder = policy_directory();
    let path = folder.path().join("schema.cedarschema");
    let schema = std::fs::read_to_string(&path).unwrap();
    let nested = schema.replace("entity Team {", "entity Team in [Team] {");
    std::fs::write(&path, nested).unwrap();
    let engine = CedarEngine::open(folder.path(), clock(), CedarOptions::default()).unwrap();
    let before = engine.revision();
    let team = |id: &str, above: &str| {
        format!(
            r#"{{"uid": {{"type": "Provisioning::Team", "id": "{id}"}}, "attrs": {{"name": "{id}"}},
                 "parents": [{{"type": "Provisioning::Team", "id": "{above}"}}]}}"#
        )
    };
    let ring = [team("a", "b"), team("b", "c"), team("c", "a")].join(",");
    let list = format!("[{},\n{ring}]", team("harmless", "b"));
    std::fs::write(folder.path().join("entities.json"), list).unwrap();
    let error = engine.reload_from(folder.path()).unwrap_err();
    assert!(error.is(codes::POLICIES_INVALID));
    let finding = &engine.status().last_failure.unwrap().findings[0];
    // At the first that is in itself, after one on two lines that is not.
    assert_eq!((finding.file.as_str(), finding.line, finding.column), ("entities.json", 3, 1));
    for team in ["Team::\"a\"", "Team::\"b\"", "Team::\"c\""] {
        assert!(finding.message.contains(team), "{finding}");
    }
    assert!(finding.remedy.is_some());
    assert_eq!((engine.revision(), engine.entities().len()), (before, 0));
}
