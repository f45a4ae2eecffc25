//! Tokens that are bound to a key or a certificate, end to end.

use std::path::Path;

use serde_json::{Value, json};
use ureq::http::Method;
use ureq::tls::{Certificate, ClientCert, PrivateKey};

use crate::client::Client;
use crate::node::printed;
use crate::people::{ADMIN_PASSWORD, World, text};
use crate::server::{Home, Server, free_port};

/// A server that takes proofs at the URL it is reached at.
fn taking_proofs(more: &[&str]) -> World {
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let (public, issuer) = (format!("server.public_url={url}"), format!("jwt.issuer={url}"));
    let mut all = vec!["--set", &public, "--set", &issuer, "--set", "jwt.dpop=true"];
    all.extend(more);
    World::over(Home::new().start_at_with(port, &all))
}

/// What `oauth4webapi` finds as a client of this server, and as a resource server for its tokens.
fn client_of(world: &World) -> Option<Value> {
    let arguments = [world.server.url.as_str(), "admin", ADMIN_PASSWORD];
    let told = printed("dpop_client.mjs", "oauth4webapi", &arguments)?;
    Some(serde_json::from_str(&told).unwrap())
}

#[test]
fn a_client_of_others_gets_bound_tokens_and_uses_them() {
    let world = taking_proofs(&[]);
    let Some(told) = client_of(&world) else { return };
    assert_eq!(told["algorithms"], json!(["ES256", "EdDSA", "Ed25519", "RS256", "PS256", "ES384"]));
    assert_eq!(told["login"], json!({"status": 200, "asked": 0, "token_type": "DPoP"}));
    assert_eq!(told["with_proof"]["status"], 200, "{told}");
    assert_eq!(told["with_proof"]["body"]["name"], "admin");
    assert_eq!(told["again"]["status"], 200);
    assert_eq!(told["replay"], json!([200, 401]));
    let algs = "ES256 EdDSA Ed25519 RS256 PS256 ES384";
    let asked = json!(["bearer invalid_token ", format!("dpop  {algs}")]);
    assert_eq!(
        (&told["as_bearer"]["status"], &told["as_bearer"]["challenges"]),
        (&json!(401), &asked)
    );
    let asked = json!([format!("dpop invalid_token {algs}")]);
    assert_eq!(
        (&told["by_thief"]["status"], &told["by_thief"]["challenges"]),
        (&json!(401), &asked)
    );
    assert_eq!(told["elsewhere"]["jkt"], told["thumbprint"]);
    let me = world.admin.get("/api/v1/auth/me").expect(200);
    assert_eq!(told["elsewhere"]["sub"], me["id"], "{me}");
    assert_eq!((&told["refresh_by_thief"], &told["refresh_without"]), (&json!(401), &json!(401)));
    assert_eq!(told["refresh"], json!({"status": 200, "token_type": "DPoP"}));
    assert_eq!((&told["refreshed"], &told["edwards"]), (&json!(200), &json!(200)));
    assert_eq!(told["others"], json!([["ES384", 200], ["PS256", 200], ["RS256", 200]]));
    // Whoever sends no proof has tokens as ever.
    world.admin.get("/api/v1/auth/sessions").expect(200);
}

#[test]
fn with_nonces_the_same_client_is_asked_once_and_goes_on() {
    let world = taking_proofs(&["--set", "jwt.dpop_nonces=true"]);
    let Some(told) = client_of(&world) else { return };
    assert_eq!(told["login"], json!({"status": 200, "asked": 1, "token_type": "DPoP"}));
    assert_eq!(told["with_proof"]["status"], 200);
    assert_eq!(told["with_proof"]["asked"], 0, "it was told the next nonce at the sign-in");
    assert_eq!((&told["refreshed"], &told["edwards"]), (&json!(200), &json!(200)));
    assert_eq!(told["by_thief"]["asked"], 1);
    assert_eq!(told["by_thief"]["status"], 401);
}

#[test]
fn switches_that_can_not_work_are_refused_at_the_start() {
    for (settings, said) in [
        (&["jwt.dpop=true"][..], "server.public_url"),
        (&["jwt.dpop_nonces=true"], "jwt.dpop"),
        (&["jwt.bind_to_certificates=true"], "server.tls"),
    ] {
        let all: Vec<&str> = settings.iter().flat_map(|setting| ["--set", *setting]).collect();
        let (code, log) = Home::new().refused(&all);
        assert_ne!(code, 0);
        assert!(log.contains(said), "{log}");
    }
}

/// The server's own certificate, and a server that binds tokens to those of its clients.
fn over_tls(home: &Home) -> Server {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(home.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(home.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let settings = [
        "server.tls.cert=cert.pem",
        "server.tls.key=key.pem",
        "jwt.bind_to_certificates=true",
        "server.rate_limit=100000/min",
    ];
    let all: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    home.start_with(&all)
}

/// A client that has a certificate of its own making, or none.
fn client(server: &Server, at: &Path, has_certificate: bool) -> Client {
    let own = has_certificate.then(|| {
        let made = rcgen::generate_simple_self_signed(vec!["a client".to_owned()]).unwrap();
        let certificate = Certificate::from_der(made.cert.der()).to_owned();
        let key = PrivateKey::from_pem(made.signing_key.serialize_pem().as_bytes()).unwrap();
        ClientCert::new_with_certs(&[certificate], key)
    });
    Client::over_tls(&server.url, at, own)
}

/// RFC 8705, section 3, over real connections.
#[test]
fn a_token_that_was_issued_over_mutual_tls_holds_for_that_certificate_alone() {
    let home = Home::new();
    let mut server = over_tls(&home);
    let (own, other, none) = (
        client(&server, home.path(), true),
        client(&server, home.path(), true),
        client(&server, home.path(), false),
    );
    let body = json!({
        "token": server.invitation(), "username": "admin", "password": ADMIN_PASSWORD,
    });
    none.post("/api/v1/auth/bootstrap", &body).expect(201);
    let body = json!({ "username": "admin", "password": ADMIN_PASSWORD });
    let tokens = own.post("/api/v1/auth/login", &body).expect(200);
    let token = text(&tokens, "access_token");
    assert_eq!(text(&tokens, "token_type"), "Bearer");
    assert_eq!(own.with_token(token).get("/api/v1/auth/me").expect(200)["name"], "admin");
    for thief in [&other, &none] {
        thief.with_token(token).get("/api/v1/auth/me").refused(401, "auth.invalid_token");
        let body = json!({ "refresh_token": text(&tokens, "refresh_token") });
        let refused = thief.post("/api/v1/auth/refresh", &body);
        refused.refused(401, "auth.refresh_token_invalid");
    }
    let form = Some(("application/x-www-form-urlencoded", format!("token={token}").into_bytes()));
    let asking = own.with_token(token);
    let method = Method::POST;
    let told = asking.try_send(&method, "/api/v1/auth/introspect", form, &[]).unwrap().expect(200);
    let bound_to = text(&told["cnf"], "x5t#S256");
    assert_eq!(bound_to.len(), 43, "{told}");
    let body = json!({ "refresh_token": text(&tokens, "refresh_token") });
    let next = own.post("/api/v1/auth/refresh", &body).expect(200);
    own.with_token(text(&next, "access_token")).get("/api/v1/auth/me").expect(200);
    // Whoever has no certificate has tokens as ever.
    let body = json!({ "username": "admin", "password": ADMIN_PASSWORD });
    let open = none.post("/api/v1/auth/login", &body).expect(200);
    other.with_token(text(&open, "access_token")).get("/api/v1/auth/me").expect(200);
    let found = none.get("/.well-known/openid-configuration").status;
    assert!(found == 200 || found == 404);
}
