//! `prov login --oidc` and `prov auth issuer` against a certified identity provider, with a real browser.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Stdio};

use crate::browser::Browser;
use crate::cli::codes_of;
use crate::node::Program;
use crate::people::{ADMIN_PASSWORD, World, column, text};
use crate::server::{Home, Server, free_port};
use crate::terminal::Terminal;
use crate::tools::prov;

const SECRET: &str = "a secret: with + signs";

/// A server and an identity provider that know each other's addresses.
struct Place {
    world: World,
    issuer: String,
    admin: Terminal,
    _idp: Program,
}

fn place() -> Option<Place> {
    let program = prov()?;
    let (own, theirs) = (free_port(), free_port());
    let url = format!("http://127.0.0.1:{own}");
    let back = |what: &str| format!("{url}/api/v1/auth/oidc/peer/{what}");
    let (port, callback, logout) = (theirs.to_string(), back("callback"), back("logout"));
    let idp = Program::start("idp.mjs", "oidc-provider", &[&port, &callback, &logout])?;
    let public = format!("server.public_url={url}");
    let settings = ["--set", &public, "--set", "federation.insecure_loopback=true"];
    let world = World::over(Home::new().start_at_with(own, &settings));
    let admin = Terminal::of(&program, &world, "admin", ADMIN_PASSWORD);
    Some(Place { world, issuer: format!("http://127.0.0.1:{theirs}"), admin, _idp: idp })
}

impl Place {
    fn server(&self) -> &Server {
        &self.world.server
    }

    fn add_issuer(&self, rules: &[&str]) {
        self.admin.file("secret", SECRET);
        let mut add = vec!["auth", "issuer", "add", "peer", &self.issuer, "--client-id", "prov"];
        add.extend(["--client-secret-file", "secret"]);
        for rule in rules {
            add.extend(["--rule", rule]);
        }
        self.admin.ok(&add);
    }

    /// Somebody's terminal, at which nobody has signed in.
    fn somebody(&self) -> Terminal {
        Terminal::new(&self.admin.program, &self.server().url)
    }
}

/// `prov login --oidc peer`, which waits for the browser.
struct Waiting {
    child: Child,
    says: BufReader<ChildStderr>,
    link: String,
}

impl Waiting {
    /// Also where the output is for programs: somebody has to open the link.
    fn at(terminal: &Terminal, format: &str) -> Self {
        Self::with(terminal, &["--output", format, "login", "--oidc", "peer"])
    }

    fn with(terminal: &Terminal, arguments: &[&str]) -> Self {
        let mut command = terminal.command(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut says = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.trim().starts_with("http") {
            line.clear();
            assert!(says.read_line(&mut line).unwrap() > 0, "it ended without a link");
        }
        Self { child, says, link: line.trim().to_owned() }
    }

    /// Its exit code and what it said at last.
    fn ended(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.says.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Signs in at the provider as a person does, and consents; returns what the last page says.
fn walk(browser: &Browser, link: &str, name: &str) -> String {
    let at_prompt = |prompt: &str| {
        let script = "return document.querySelector('input[name=prompt]')?.value ?? ''";
        browser.wait_for(script, prompt);
    };
    browser.open(link);
    at_prompt("login");
    browser.fill("input[name=login]", name);
    browser.fill("input[name=password]", "any");
    browser.click("button[type=submit]");
    at_prompt("consent");
    browser.click("button[type=submit]");
    at_prompt("");
    browser.text()
}

#[test]
fn people_sign_in_at_their_terminal_with_the_provider_an_administrator_has_entered() {
    let Some(browser) = Browser::start() else { return };
    let Some(place) = place() else { return };
    place.add_issuer(&["ops=operator:sre", "everyone=viewer"]);
    let listed = place.admin.json(&["auth", "issuer", "list"]);
    assert_eq!(column(&listed, "id"), ["peer"]);
    assert!(!listed.to_string().contains(SECRET), "{listed}");

    let opal = place.somebody();
    let waiting = Waiting::at(&opal, "table");
    assert!(walk(&browser, &waiting.link, "opal").contains("You are signed in"));
    let (code, said) = waiting.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("signed in with peer"), "{said}");
    let me = opal.json(&["whoami"]);
    assert_eq!(text(&me, "name"), "opal@peer");
    assert_eq!(me["roles"], serde_json::json!(["operator", "viewer"]));
    assert_eq!(me["teams"], serde_json::json!(["sre"]));
    opal.fails(4, &["user", "list"]);
    let logins =
        place.world.admin.get("/api/v1/audit/events?action=auth.login.federated").expect(200);
    assert!(logins["items"].as_array().is_some_and(|items| !items.is_empty()), "{logins}");

    // With the provider, what began there goes.
    place.admin.ok(&["auth", "issuer", "remove", "peer"]);
    opal.fails(3, &["whoami"]);
    assert_eq!(column(&place.admin.json(&["auth", "issuer", "list"]), "id"), [""; 0]);
}

/// What the provider asks is its own affair; who must have a second factor here is asked for it here.
#[test]
fn after_the_provider_the_second_step_is_taken_at_the_terminal() {
    let Some(browser) = Browser::start() else { return };
    let Some(place) = place() else { return };
    place.add_issuer(&["everyone=viewer"]);
    place.admin.ok(&["mfa", "policy", "set", "--role", "viewer", "--grace", "0s"]);
    let opal = place.somebody();
    let waiting = Waiting::at(&opal, "table");
    walk(&browser, &waiting.link, "opal");
    let (code, said) = waiting.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("you must have a second factor: prov mfa totp enroll"), "{said}");
    let enrolled = opal.json(&["mfa", "totp", "enroll", "--name", "phone"]);
    let mut codes = codes_of(text(&enrolled, "otpauth_uri"));
    let mut next = || codes.next().unwrap();
    opal.ok(&["mfa", "totp", "verify", text(&enrolled, "id"), &next()]);
    opal.ok(&["logout"]);
    // Codes that come with the command are used when the provider has answered.
    drop(browser);
    let Some(browser) = Browser::start() else { return };
    let code = next();
    let waiting = Waiting::with(&opal, &["login", "--oidc", "peer", "--totp", &code]);
    walk(&browser, &waiting.link, "opal");
    let (exit, said) = waiting.ended();
    assert_eq!(exit, Some(0), "{said}");
    assert!(!said.contains("you must have"), "{said}");
    let me = opal.json(&["whoami"]);
    assert_eq!(me["amr"], serde_json::json!(["otp", "mfa"]), "{me}");
}

#[test]
fn whom_no_rule_knows_does_not_get_in_and_the_page_says_so() {
    let Some(browser) = Browser::start() else { return };
    let Some(place) = place() else { return };
    place.add_issuer(&["ops=operator"]);
    let alice = place.somebody();
    let waiting = Waiting::at(&alice, "json");
    let page = walk(&browser, &waiting.link, "alice");
    assert!(page.contains("auth.") && !page.contains("signed in"), "{page}");
    // The program still waits; a stranger's guess of a code brings it nothing.
    drop(waiting);
    alice.fails(3, &["whoami"]);
    let people = place.admin.json(&["user", "list"]);
    assert_eq!(column(&people, "username"), ["admin"]);
}

#[test]
fn what_an_issuer_can_not_be_is_refused_at_the_terminal() {
    let Some(place) = place() else { return };
    let add = |code: i32, rule: &str| {
        let all = ["auth", "issuer", "add", "peer", &place.issuer, "--client-id", "prov", "--rule"];
        place.admin.fails(code, &[&all[..], &[rule]].concat())
    };
    assert!(add(2, "ops").contains("`ops` is no rule"));
    assert!(add(1, "ops=emperor").contains("emperor"));
    assert_eq!(column(&place.admin.json(&["auth", "issuer", "list"]), "id"), [""; 0]);
    let stranger = place.somebody();
    stranger.fails(3, &["auth", "issuer", "list"]);
    // Nobody has entered this one: there is nothing to wait for in a browser.
    let waiting = Waiting::at(&stranger, "json");
    let answer = place.server().client().get(&waiting.link[place.server().url.len()..]);
    assert_eq!(answer.status, 404, "{answer:?}");
}
