//! The life of the policies on the real server: kept, gone back to, replayed, and started on when the
//! folder is broken.

use std::path::{Path, PathBuf};

use prov_authz::PolicyFiles;
use serde_json::{Value, json};

use crate::people::{ADMIN_PASSWORD, World, column, signed_in};
use crate::server::Home;

const FREEZE: &str = "@id(\"freeze\")\n@description(\"d\")\n\
                      forbid (principal, action, resource is Provisioning::Server);\n";

fn folder(home: &Home) -> PathBuf {
    let folder = home.path().join("policies");
    PolicyFiles::shipped().write_missing(&folder).unwrap();
    folder
}

fn settings(folder: &Path) -> [String; 4] {
    let path = format!("cedar.policies_path={}", folder.display());
    ["--set".into(), path, "--set".into(), "server.rate_limit=100000/min".into()]
}

fn start(home: &Home, settings: &[String]) -> crate::server::Server {
    let arguments: Vec<&str> = settings.iter().map(String::as_str).collect();
    home.start_with(&arguments)
}

fn read_a_server(world: &World) -> Value {
    let question = json!({
        "action": "read",
        "resource": { "type": "Server", "id": "web-1", "attributes": {
            "hostname": "web-1", "workspace": "shop", "environment": "development" } },
        "context": {},
    });
    world
        .person("dana", &["developer"], &["developers"])
        .post("/api/v1/authz/authorize", &question)
        .expect(200)
}

#[test]
fn a_set_is_kept_replayed_gone_back_to_and_started_on_when_the_folder_is_broken() {
    let home = Home::new();
    let folder = folder(&home);
    let settings = settings(&folder);
    let mut world = World::over(start(&home, &settings));
    let at = |path: &str| format!("/api/v1/authz/policies{path}");
    assert_eq!(read_a_server(&world)["decision"], "ALLOW");
    let kept = world.admin.get(&at("/history")).expect(200);
    assert_eq!(kept["items"][0]["number"], 1);

    // What would a freeze have changed?
    let draft = json!([{ "name": "freeze.cedar", "text": FREEZE }]);
    let shipped = PolicyFiles::shipped();
    let all = shipped.policies.iter().map(|f| json!({ "name": f.name, "text": f.text }));
    let all: Vec<_> = all.chain(draft.as_array().unwrap().clone()).collect();
    let asked = json!({ "set": { "policies": all }, "from": "1h" });
    let found = world.admin.post(&at("/simulate"), &asked).expect(200);
    assert_eq!(
        (&found["newly_denied"], &found["newly_allowed"]),
        (&json!(1), &json!(0)),
        "{found}"
    );
    assert_eq!(found["samples"][0]["action"], "read");
    assert_eq!(
        found["unreproduced"], 0,
        "every decision of this server is decided the same: {found}"
    );
    assert_eq!(found["incomplete"], 0, "{found}");
    assert!(found["evaluated"].as_u64().unwrap() > 1, "those of the API as well: {found}");

    std::fs::write(folder.join("freeze.cedar"), FREEZE).unwrap();
    world.admin.post(&at("/reload"), &json!({})).expect(200);
    let diff = world.admin.get(&at("/history/diff?from=1&to=2")).expect(200);
    assert_eq!(diff["added"][0]["id"], "freeze");
    let metrics = world.server.client().get("/metrics").text();
    let live = world.admin.get("/api/v1/authz/stats").expect(200);
    let revision = live["revision"].as_str().unwrap();
    assert!(metrics.contains(&format!("prov_policy_set{{revision=\"{revision}\"")), "{metrics}");
    assert!(metrics.contains("prov_policy_set_number 2.0"), "{metrics}");
    world.admin.post(&at("/rollback"), &json!({ "number": 1, "reason": "too early" })).expect(200);
    let metrics = world.server.client().get("/metrics").text();
    assert!(metrics.contains("prov_policy_set_pinned 1.0"), "{metrics}");
    let told = world.admin.get("/api/v1/audit/events?action=authz.policy.*").expect(200);
    let actions = column(&told, "action");
    assert_eq!(actions.first().unwrap(), "authz.policy.rollback", "{actions:?}");
    assert!(actions.contains(&"authz.policy.simulate".to_owned()));

    world.server.stop();
    std::fs::write(folder.join("freeze.cedar"), "forbid (").unwrap();
    let server = start(&home, &settings);
    let ready = server.client().get("/readyz").expect(200);
    assert_eq!(ready["components"]["policies"]["state"], "degraded", "{ready}");
    assert!(home.log().contains("started on the last set that was good"));
    let admin = signed_in(&server.client(), "admin", ADMIN_PASSWORD);
    let stats = admin.get("/api/v1/authz/stats").expect(200);
    assert_eq!((&stats["source"], &stats["pinned"]), (&json!("history"), &json!(true)));
    assert!(stats["last_failure"]["findings"][0].as_str().unwrap().starts_with("freeze.cedar:1"));
    let metrics = server.client().get("/metrics").text();
    assert!(metrics.contains("prov_policy_set_refused 1.0"), "{metrics}");
}

#[test]
fn a_folder_that_nobody_signed_is_refused_at_the_start() {
    let home = Home::new();
    let folder = folder(&home);
    let key = prov_authz::BundleSigner::generate("ann").unwrap().verifier_key();
    let path = format!("cedar.policies_path={}", folder.display());
    let root = format!("cedar.trust_root=[\"{key}\"]");
    let (code, said) = home.refused(&["--set", &path, "--set", &root]);
    assert!(code != 0 && said.contains("is not signed"), "{said}");
    let two = ["--set", &path, "--set", &root, "--set", "cedar.threshold=2"];
    let (code, said) = home.refused(&two);
    assert!(code != 0 && said.contains("cedar.trust_root"), "{said}");
}
