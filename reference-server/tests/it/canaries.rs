//! Text that callers can put anywhere in the API, and where of all this anything stands afterwards.
//!
//! Every place of every operation of the document gets a canary of its own: members of bodies, names of
//! members, parts of paths, parameters of queries, headers, bodies that are none. Then every file that the
//! server has written, and all it has said, is searched for what canaries have in common, in the clear, in
//! base64 and in hexadecimal. What is found must be in [`MAY_STAND`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::bodies::good_bodies;
use crate::client::Client;
use crate::document::{Operation, operations};
use crate::people::{ADMIN_PASSWORD, World, login, text};
use crate::server::Home;

/// What every canary has; six digits follow.
const MARK: &str = "qxcanary";

/// Where an id belongs a canary looks like one as far as a name can (`john_smith`).
const IDS: [&str; 3] = ["/id", "/user", "/principal"];

/// Canaries, by their numbers: where each was put.
#[derive(Debug, Default)]
struct Planted(Vec<String>);

impl Planted {
    fn at(&mut self, place: impl Into<String>) -> String {
        let (place, number) = (place.into(), self.0.len());
        let start = if IDS.iter().any(|id| place.ends_with(id)) { "z_" } else { "z" };
        self.0.push(place);
        format!("{start}{MARK}{number:06}")
    }
}

/// One that was found: where it was put, in which file, and how it is spelt there.
type Found = (String, String, &'static str);

/// What may stand in the clear, and where: in events (the log, its copies), or as the id of a record in the
/// store. Each line is a decision to defend.
const MAY_STAND: &[(&str, &str, &str)] = &[
    ("POST /api/v1/teams: body /name", EVENTS, "the name of a team is its id"),
    ("POST /api/v1/teams: body /name", STORE, "the name of a team is its id"),
    ("PUT /api/v1/users/{id}/teams: body /teams/0", EVENTS, "the name of a team is its id"),
    ("PUT /api/v1/mfa/policy: body /teams/0", EVENTS, "the name of a team is its id"),
    ("DELETE /api/v1/teams/{id}: path", EVENTS, "the team that an administrator named"),
    ("POST /api/v1/auth/issuers: body /name", EVENTS, "the name of a provider is its id"),
    ("POST /api/v1/auth/issuers: body /name", STORE, "the name of a provider is its id"),
    ("POST /api/v1/auth/issuers: body /issuer", EVENTS, "the public URL of a provider"),
    ("DELETE /api/v1/auth/issuers/{id}: path", EVENTS, "the provider that an administrator named"),
    ("POST /api/v1/secrets/roles: body /name", EVENTS, "the name of a role is its id"),
    ("POST /api/v1/secrets/roles: body /name", STORE, "the name of a role is its id"),
    ("body /key_id", EVENTS, "the id of a key"),
    ("POST /api/v1/kms/keys: body /key_id", STORE, "the id of a key"),
    ("/api/v1/kms/keys/{id}/", EVENTS, "the id of a key"),
    ("PUT /api/v1/authz/entities: body /entities/0/", EVENTS, "what is entered in the inventory"),
    ("PUT /api/v1/authz/entities: body /entities/0/id", STORE, "what is entered in the inventory"),
    ("/api/v1/authz/entities/{type}/{id}: path", EVENTS, "what stands in the inventory, or not"),
    ("/resource/type", EVENTS, "what was decided about"),
    ("/resource/id", EVENTS, "what was decided about"),
    ("/action/name", EVENTS, "what was asked for"),
    ("/subject/type", EVENTS, "the kind of those who were asked about"),
    ("/resource/attributes/hostname", EVENTS, "what the decision followed from, to be made again"),
    ("/resource/attributes/workspace", EVENTS, "what the decision followed from, to be made again"),
    ("/context/approval_id", EVENTS, "what the decision followed from, to be made again"),
];

const EVENTS: &str = "events";
const STORE: &str = "the store";

/// What a file holds.
fn kind_of(file: &str) -> &str {
    let of_the_log = file.contains("/segments/") || file.contains("/tile/entries/");
    match file {
        _ if of_the_log || file.starts_with("copy/") => EVENTS,
        _ if file.starts_with("data/prov.db") => STORE,
        other => other,
    }
}

/// Bits that are left over, and padding that is not there, are of no interest.
fn lenient(alphabet: &Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let config = config.with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

/// How the mark looks in base64 of a text in which it begins at this offset, without what depends on its
/// neighbours; and how many of its letters that leaves out.
fn in_base64(offset: usize) -> (String, usize) {
    let padded = [vec![0; offset], MARK.as_bytes().to_vec()].concat();
    let whole = padded.len() / 3 * 3;
    let from = usize::from(offset > 0);
    let text = lenient(&STANDARD).encode(&padded[..whole]);
    (text[from * 4..].to_owned(), from * 3 - offset * from)
}

/// Every canary in these bytes, with how it is spelt.
fn found_in(bytes: &[u8]) -> BTreeSet<(usize, &'static str)> {
    let mut found = BTreeSet::new();
    let number = |text: &[u8]| {
        let digits: Vec<u8> = text.iter().copied().take_while(u8::is_ascii_digit).collect();
        std::str::from_utf8(digits.get(..6)?).ok()?.parse::<usize>().ok()
    };
    let after =
        |at: usize, length: usize| &bytes[at.min(bytes.len())..(at + length).min(bytes.len())];
    for at in memmem::find_iter(bytes, MARK) {
        found.extend(number(after(at + MARK.len(), 6)).map(|number| (number, "in the clear")));
    }
    for mark in [hex::encode(MARK), hex::encode_upper(MARK)] {
        for at in memmem::find_iter(bytes, &mark) {
            let rest = hex::decode(after(at + mark.len(), 12)).unwrap_or_default();
            found.extend(number(&rest).map(|number| (number, "in hexadecimal")));
        }
    }
    for offset in 0..3 {
        let (mark, left_out) = in_base64(offset);
        for at in memmem::find_iter(bytes, &mark) {
            let rest = after(at, 32);
            let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
            let rest: Vec<u8> = rest.iter().take_while(is_base64).copied().collect();
            let decoded = [&STANDARD, &URL_SAFE].map(|alphabet| lenient(alphabet).decode(&rest));
            let decoded = decoded.into_iter().flatten().next().unwrap_or_default();
            let rest = decoded.get(MARK.len() - left_out..).unwrap_or_default();
            found.extend(number(rest).map(|number| (number, "in base64")));
        }
    }
    found
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Every text in a body, by where it stands.
fn texts(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(all) => {
            (0..).zip(all).for_each(|(n, one): (usize, _)| texts(one, &format!("{at}/{n}"), found));
        }
        Value::Object(all) => {
            for (name, one) in all {
                texts(one, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => {}
    }
}

/// The server, and who asks it; whoever is signed out signs in again.
struct Caller<'a> {
    world: &'a World,
    admin: Client,
    done: usize,
    refused: usize,
}

impl Caller<'_> {
    fn send(
        &mut self,
        method: &Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
        header: Option<(&str, &str)>,
    ) {
        let headers: Vec<(&str, &str)> = header.into_iter().collect();
        let Ok(answer) = self.admin.try_send(method, path, body, &headers) else { return };
        match answer.status {
            200..300 => self.done += 1,
            _ => self.refused += 1,
        }
        assert!(answer.status < 500 || answer.status == 503, "{}: {}", answer.asked, answer.text());
        if self.admin.get("/api/v1/auth/me").status == 401 {
            let tokens = login(&self.world.server.client(), "admin", ADMIN_PASSWORD);
            self.admin = self.world.server.client().with_token(text(&tokens, "access_token"));
        }
    }

    fn json(&mut self, method: &Method, path: &str, body: &Value) {
        self.send(
            method,
            path,
            Some(("application/json", serde_json::to_vec(body).unwrap())),
            None,
        );
    }
}

/// Puts canaries into everything of an operation but its good body.
fn around(caller: &mut Caller<'_>, operation: &Operation, planted: &mut Planted) {
    let (name, method) = (operation.name(), &operation.method);
    let path = operation.path_with("nothing");
    // What would go on for ten minutes is refused behind everything that is looked at before.
    let header = path.ends_with("/stream").then_some(("last-event-id", "none"));
    if operation.has_parameter() {
        let canary = planted.at(format!("{name}: path"));
        caller.send(method, &operation.path_with(&canary), None, None);
    }
    for parameter in operation.query.iter().map(String::as_str).chain(["unknown"]) {
        let canary = planted.at(format!("{name}: query {parameter}"));
        caller.send(method, &format!("{path}?{parameter}={canary}"), None, header);
    }
    let canary = planted.at(format!("{name}: name in the query"));
    caller.send(method, &format!("{path}?{canary}=1"), None, header);
    if operation.body.is_some() {
        for kind in ["application/json", "application/x-www-form-urlencoded", "text/plain"] {
            let canary = planted.at(format!("{name}: body that is none"));
            caller.send(method, &path, Some((kind, canary.into_bytes())), None);
        }
        let canary = planted.at(format!("{name}: name in the body"));
        caller.json(method, &path, &json!({ canary: 1 }));
        let canary = planted.at(format!("{name}: media type"));
        let kind = format!("text/{canary}");
        caller.send(method, &path, Some((&kind, b"{}".to_vec())), None);
    }
}

/// Puts canaries into every text of a good body: in its place, and behind it.
fn within(caller: &mut Caller<'_>, name: &str, path: &str, body: &Value, planted: &mut Planted) {
    let method: Method = name.split(' ').next().unwrap().parse().unwrap();
    let template = name.split(' ').nth(1).unwrap();
    if template.contains('{') {
        let canary = planted.at(format!("{name}: path"));
        let mut path = template.to_owned();
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            path.replace_range(from..=to, &canary);
        }
        caller.json(&method, &path, body);
    }
    let mut places = Vec::new();
    texts(body, "", &mut places);
    for place in places {
        for alone in [true, false] {
            let mut changed = body.clone();
            let canary = planted.at(format!("{name}: body {place}"));
            let text = changed.pointer_mut(&place).unwrap();
            let before = if alone { "" } else { text.as_str().unwrap() };
            *text = format!("{before}{canary}").into();
            caller.json(&method, path, &changed);
        }
    }
}

/// Headers that the server reads, that others send, and one that nobody knows.
const HEADERS: &[&str] = &[
    "accept",
    "accept-language",
    "cookie",
    "dpop",
    "forwarded",
    "idempotency-key",
    "if-match",
    "last-event-id",
    "origin",
    "referer",
    "traceparent",
    "user-agent",
    "workload-identity-token",
    "x-client-cert",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-nobody-knows",
    "x-request-id",
];

fn in_headers(caller: &mut Caller<'_>, planted: &mut Planted) {
    let body = || Some(("application/json", br#"{"token":"x"}"#.to_vec()));
    for header in HEADERS {
        for (method, path, body) in [
            (Method::GET, "/api/v1/auth/me", None),
            (Method::GET, "/api/v1/audit/events", None),
            (Method::POST, "/api/v1/auth/introspect", body()),
            (Method::GET, "/nowhere", None),
        ] {
            let canary = planted.at(format!("header {header}"));
            caller.send(&method, path, body, Some((header, &canary)));
        }
    }
    let nobody = caller.world.server.client();
    for scheme in ["Bearer", "Basic", "DPoP", "Other"] {
        for path in ["/api/v1/auth/me", "/api/v1/users"] {
            let value = format!("{scheme} {}", planted.at("header authorization"));
            let refused = nobody.try_send(&Method::GET, path, None, &[("authorization", &value)]);
            assert_eq!(refused.unwrap().status, 401);
        }
    }
    // Paths that are none, and methods.
    let canary = planted.at("unknown path");
    caller.send(&Method::GET, &format!("/{canary}"), None, None);
    let canary = planted.at("unknown path");
    caller.send(&Method::POST, &format!("/api/v1/{canary}?a={canary}"), None, None);
    let canary = planted.at("method");
    caller.send(&canary.parse().unwrap(), "/api/v1/users", None, None);
}

#[test]
fn of_what_callers_write_nothing_stands_where_it_must_not() {
    let home = Home::new();
    let world = World::over(home.start_with(&[
        "--set",
        "server.rate_limit=1000000/min",
        "--set",
        "telemetry.log=trace",
        "--set",
        "audit.sinks=[{ name = \"copy\", type = \"file\", path = \"copy\", format = \"jsonl\" }]",
    ]));
    let good = good_bodies(&world);
    let all = operations(&world.server.client());
    let mut planted = Planted::default();
    let mut caller = Caller { admin: world.admin.clone(), world: &world, done: 0, refused: 0 };
    for (name, path, body, _) in &good {
        within(&mut caller, name, path, body, &mut planted);
    }
    for operation in &all {
        around(&mut caller, operation, &mut planted);
    }
    in_headers(&mut caller, &mut planted);
    let (done, refused) = (caller.done, caller.refused);
    println!("{} canaries: {done} requests done, {refused} refused", planted.0.len());
    assert!(done > 150 && refused > 500 && planted.0.len() > 1000);
    // What was taken is there, for those who may read it.
    let users = world.server.client().with_token(caller.admin.token.as_deref().unwrap());
    assert!(users.get("/api/v1/users?limit=1000").text().contains(MARK));
    let mut server = world.server;
    server.stop();

    let mut found: BTreeMap<Found, usize> = BTreeMap::new();
    let mut note = |file: String, bytes: &[u8]| {
        for (number, spelt) in found_in(bytes) {
            let place = planted.0.get(number).cloned().unwrap_or_default();
            *found.entry((place, file.clone(), spelt)).or_default() += 1;
        }
    };
    note("stdout".to_owned(), server.all_of_stdout().as_bytes());
    let files = files_below(home.path());
    for file in &files {
        let name = file.strip_prefix(home.path()).unwrap().to_string_lossy().into_owned();
        note(name, &std::fs::read(file).unwrap());
    }
    let names: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
    for part in ["stderr", "prov.db", ".seg", "index/standard.sqlite", "copy/", "tile/entries"] {
        assert!(names.iter().any(|name| name.contains(part)), "no {part} in {names:?}");
    }
    let may = |(place, file, spelt): &&Found| {
        let is_known = |(known, there, _): &(&str, &str, &str)| {
            place.contains(known) && kind_of(file) == *there && *spelt == "in the clear"
        };
        MAY_STAND.iter().any(is_known)
    };
    let wrong: Vec<_> = found.keys().filter(|found| !may(found)).collect();
    assert!(wrong.is_empty(), "{} of them: {wrong:#?}", wrong.len());
    for (known, there, why) in MAY_STAND {
        let is_there = |(place, file, _): &Found| place.contains(known) && kind_of(file) == *there;
        assert!(found.keys().any(is_there), "`{known}` is not in `{there}` ({why})");
    }
}

#[test]
fn the_search_finds_canaries_however_they_are_spelt() {
    let mut planted = Planted::default();
    planted.at("nowhere");
    let canary = planted.at("somewhere");
    for before in ["", "a", "ab", "abc", "abcd"] {
        for behind in ["", "!", "and more", "???>>>"] {
            let whole = format!("{before}{canary}{behind}");
            for (spelt, how) in [
                (whole.clone(), "in the clear"),
                (hex::encode(&whole), "in hexadecimal"),
                (hex::encode_upper(&whole), "in hexadecimal"),
                (base64::engine::general_purpose::STANDARD.encode(&whole), "in base64"),
                (base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&whole), "in base64"),
            ] {
                let found = found_in(format!("\0{spelt}\0").as_bytes());
                assert_eq!(found, BTreeSet::from([(1, how)]), "{spelt}");
            }
        }
    }
    assert!(found_in(b"zqxcanar zqxcanary12 and 7a71786361").is_empty());
}
