//! Programs that sign in with SPIFFE documents: by certificate over TLS, by token, and for somebody.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use prov_authz::PolicyFiles;
use serde_json::{Value, json};
use ureq::http::Method;
use ureq::tls::{Certificate, ClientCert, PrivateKey};

use crate::client::{Answer, Client};
use crate::lifecycle::certificate;
use crate::people::{ADMIN_PASSWORD, World, password_of, signed_in};
use crate::python::Script;
use crate::server::{Home, PATIENCE};

/// The trust domain's agent, which is not ours.
struct Agent {
    script: Script,
    folder: PathBuf,
}

impl Agent {
    fn start(home: &Home) -> Option<Self> {
        let folder = home.path().join("agent");
        std::fs::create_dir(&folder).unwrap();
        let socket = folder.join("agent.sock").display().to_string();
        let module = "spiffe._proto.workload_pb2_grpc";
        let mut script = Script::start("workload_api.py", module, &[&socket])?;
        assert_eq!(script.line(), "ready");
        Some(Self { script, folder })
    }

    fn tell(&mut self, command: &str) -> String {
        self.script.ask(&[command.to_owned()]).remove(0)
    }

    /// A certificate and its key, for a client.
    fn certificate(&mut self, path: &str) -> ClientCert {
        assert_eq!(self.tell(&format!("svid {path}")), "done");
        let read = |name: &str| std::fs::read(self.folder.join(name)).unwrap();
        let chain = Certificate::from_pem(&read("svid.pem")).unwrap();
        ClientCert::new_with_certs(&[chain], PrivateKey::from_pem(&read("key.pem")).unwrap())
    }

    fn token(&mut self, audience: &str, path: &str) -> String {
        self.tell(&format!("jwt {audience} {path}"))
    }
}

/// The shipped policies, whose actions programs take as well.
fn policies(home: &Home) -> PathBuf {
    let mut files = PolicyFiles::shipped();
    let program = "entity Workload in [Team, Role] { id: String, name: String };\n  entity User in";
    let schema = files.schema.text.replacen("entity User in", program, 1);
    files.schema.text = schema.replace("principal: [User]", "principal: [User, Workload]");
    let folder = home.path().join("policies");
    files.write_missing(&folder).unwrap();
    folder
}

/// A server with TLS that knows programs below `/ns/prov` as auditors, and one as an administrator.
fn world(home: &Home, trust: &str) -> World {
    let config = format!(
        r#"
        [cedar]
        policies_path = "{}"
        [workloads]
        audience = ["prov-api"]
        {trust}
        [[workloads.rules]]
        id = "spiffe://example.org/ns/prov/*"
        roles = ["auditor"]
        [[workloads.rules]]
        id = "spiffe://example.org/ns/prov/root"
        roles = ["admin"]
        "#,
        policies(home).display()
    );
    let file = home.path().join("security.toml");
    std::fs::write(&file, config).unwrap();
    let file = file.display().to_string();
    let mut arguments = certificate(home.path());
    let more = ["--config", &file, "--set", "server.rate_limit=100000/min"];
    arguments.extend(more.map(str::to_owned));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut server = home.start_with(&arguments);
    let anybody = Client::over_tls(&server.url, home.path(), None);
    let first = json!({
        "token": server.invitation(), "username": "admin", "password": ADMIN_PASSWORD,
    });
    anybody.post("/api/v1/auth/bootstrap", &first).expect(201);
    let admin = signed_in(&anybody, "admin", ADMIN_PASSWORD);
    World { server, admin }
}

/// Asks until the answer has this status: news of trust takes a moment.
#[track_caller]
fn wait_for(status: u16, ask: impl Fn() -> Answer) -> Value {
    let began = Instant::now();
    loop {
        let answer = ask();
        if answer.status == status {
            return answer.json();
        }
        assert!(began.elapsed() < PATIENCE, "{answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

const ME: &str = "/api/v1/auth/me";
const USERS: &str = "/api/v1/users";
const TEAMS: &str = "/api/v1/teams";
const PROGRAM: &str = "/ns/prov/sa/report";
const ROOT: &str = "/ns/prov/root";

fn new_team(name: &str) -> Value {
    json!({ "name": name })
}

#[test]
fn programs_sign_in_by_certificate_and_by_token_and_follow_the_agents_rotations() {
    let home = Home::new();
    let Some(mut agent) = Agent::start(&home) else { return };
    let socket = agent.folder.join("agent.sock");
    let world = world(&home, &format!("endpoint = \"unix://{}\"", socket.display()));
    let url = &world.server.url;
    let by = |certificate| Client::over_tls(url, home.path(), Some(certificate));
    let anybody = Client::over_tls(url, home.path(), None);

    let program = by(agent.certificate(PROGRAM));
    let me = wait_for(200, || program.get(ME));
    assert_eq!(me["id"], format!("spiffe://example.org{PROGRAM}"));
    assert_eq!(me["roles"], json!(["auditor"]));
    program.get(USERS).expect(200);
    program.post(TEAMS, &new_team("one")).refused(403, "authz.access_denied");
    by(agent.certificate(ROOT)).post(TEAMS, &new_team("one")).expect(201);

    let token = agent.token("prov-api", PROGRAM);
    let me = wait_for(200, || anybody.with_token(&token).get(ME));
    assert_eq!(me["id"], format!("spiffe://example.org{PROGRAM}"));
    anybody.with_token(&token).get(USERS).expect(200);
    for other in [agent.token("somebody-else", PROGRAM), agent.token("prov-api", "/ns/other")] {
        assert_eq!(anybody.with_token(&other).get(ME).status, 401);
    }
    // A certificate of a program that nobody knows is no reason to let it in, nor to hinder a person.
    let unknown = by(agent.certificate("/ns/other"));
    assert_eq!(unknown.get(ME).status, 401);
    assert_eq!(anybody.get(ME).status, 401, "nothing was presented");
    let ready = anybody.get("/readyz").expect(200);
    assert_eq!(ready["components"]["workload_api"]["state"], "up", "{ready}");

    agent.tell("rotate");
    let next = by(agent.certificate(PROGRAM));
    wait_for(200, || next.get(ME));
    // Its connections outlive the rotation, and are asked again all the same.
    wait_for(401, || program.get(ME));
    let renewed = agent.token("prov-api", PROGRAM);
    wait_for(200, || anybody.with_token(&renewed).get(ME));
    wait_for(401, || anybody.with_token(&token).get(ME));
    let events = world.admin.get("/api/v1/audit/events?action=team.create").expect(200);
    assert_eq!(events["items"][0]["actor"]["id"], format!("spiffe://example.org{ROOT}"));
}

#[test]
fn a_program_that_acts_for_somebody_presents_both_and_has_never_more_than_whom_it_acts_for() {
    let home = Home::new();
    let Some(mut agent) = Agent::start(&home) else { return };
    let bundle = agent.folder.join("bundle.json");
    assert_eq!(agent.tell("bundle"), "done");
    let trust = format!("bundles = {{ \"example.org\" = \"{}\" }}", bundle.display());
    let world = world(&home, &trust);
    let anybody = Client::over_tls(&world.server.url, home.path(), None);
    let password = password_of("vera");
    let vera = json!({
        "username": "vera", "password": password, "must_change_password": false,
        "roles": ["viewer"], "teams": [],
    });
    world.admin.post(USERS, &vera).expect(201);
    let vera = signed_in(&anybody, "vera", &password).token.unwrap();
    let admin = world.admin.token.clone().unwrap();

    for by_certificate in [true, false] {
        // Presents a person's token and the program's own document.
        let mut both = |path: &str, person: &str| {
            let own = by_certificate.then(|| agent.certificate(path));
            let client = Client::over_tls(&world.server.url, home.path(), own).with_token(person);
            let document = (!by_certificate).then(|| agent.token("prov-api", path));
            move |method: &Method, to: &str, body: Option<Value>| {
                let headers: Vec<_> = document
                    .iter()
                    .map(|text| ("workload-identity-token", text.as_str()))
                    .collect();
                let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
                client.try_send(method, to, body, &headers).unwrap()
            }
        };
        let (get, post) = (&Method::GET, &Method::POST);
        let name = if by_certificate { "two" } else { "three" };
        // An administrator's program acts for somebody who may do next to nothing.
        let for_vera = both(ROOT, &vera);
        assert_eq!(for_vera(get, ME, None).expect(200)["name"], "vera");
        for_vera(get, USERS, None).refused(403, "authz.access_denied");
        for_vera(post, TEAMS, Some(new_team(name))).refused(403, "authz.access_denied");
        // And a program that may read acts for an administrator.
        let for_admin = both(PROGRAM, &admin);
        for_admin(get, USERS, None).expect(200);
        for_admin(post, TEAMS, Some(new_team(name))).refused(403, "authz.access_denied");
        // What both may is done, in the name of the person and by the program.
        both(ROOT, &admin)(post, TEAMS, Some(new_team(name))).expect(201);
        let events = world.admin.get("/api/v1/audit/events?action=team.create").expect(200);
        let newest = &events["items"][0];
        assert_eq!(newest["actor"]["name"], "admin", "{newest}");
        assert_eq!(newest["context"]["acted_by"], format!("spiffe://example.org{ROOT}"));
        // A document that does not hold is no reason to go on as the person alone.
        assert_eq!(both("/ns/other", &admin)(get, ME, None).status, 401);
    }
    let twice = [("workload-identity-token", "x"), ("workload-identity-token", "x")];
    let asked = anybody.with_token(&admin).try_send(&Method::GET, ME, None, &twice).unwrap();
    assert_eq!(asked.status, 400);

    // The file is read again: another authority, and the one before is trusted no more.
    let program =
        Client::over_tls(&world.server.url, home.path(), Some(agent.certificate(PROGRAM)));
    program.get(ME).expect(200);
    agent.tell("rotate");
    assert_eq!(agent.tell("bundle"), "done");
    wait_for(401, || program.get(ME));
    let next = Client::over_tls(&world.server.url, home.path(), Some(agent.certificate(PROGRAM)));
    wait_for(200, || next.get(ME));
}

#[test]
fn an_agent_that_is_no_socket_of_this_machine_is_refused_at_the_start() {
    let home = Home::new();
    for endpoint in ["tcp://192.0.2.1:8081", "agent.sock"] {
        let setting = format!("workloads.endpoint={endpoint}");
        let (code, said) = home.refused(&["--listen", "127.0.0.1:0", "--set", &setting]);
        assert!(code != 0 && said.contains("socket of this machine"), "{said}");
    }
    // One that is not there yet hinders nobody but programs.
    let absent = format!("workloads.endpoint=unix://{}", home.path().join("none.sock").display());
    let server = home.start_with(&["--set", &absent]);
    let ready = server.client().get("/readyz").expect(200);
    assert_eq!(ready["components"]["workload_api"]["state"], "degraded", "{ready}");
}
