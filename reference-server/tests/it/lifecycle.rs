//! Starting, stopping, and refusing to start.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};

use crate::client::Client;
use crate::people::{ADMIN_PASSWORD, World, column, signed_in, text};
use crate::raw_http;
use crate::server::{Home, PATIENCE};

#[test]
fn a_running_request_finishes_before_the_server_ends() {
    let mut world = World::new();
    let body = json!({ "plaintext": "aGVsbG8=", "context": "env=prod" }).to_string();
    let mut stream = TcpStream::connect(world.server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "POST /api/v1/kms/encrypt HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        world.admin.token.as_ref().unwrap(),
        body.len()
    )
    .unwrap();
    // The server says so when it begins to read the body: the request is running.
    let mut said = [0; 25];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body.as_bytes()[..10]).unwrap();

    world.server.signal("-TERM");
    while TcpStream::connect(world.server.address()).is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    stream.write_all(&body.as_bytes()[10..]).unwrap();
    let answer = raw_http::parse(&raw_http::read_answer(&mut stream), "encrypt");
    let sealed = answer.expect(200);
    let status = world.server.wait();
    assert_eq!(status.code(), Some(0), "{}", world.server.home.log());

    let server = world.server.home.start();
    assert_eq!(server.greeting.len(), 1, "{:?}", server.greeting);
    let admin = server.client().with_token(world.admin.token.as_ref().unwrap());
    let opened = json!({ "ciphertext": sealed["ciphertext"], "context": "env=prod" });
    let opened = admin.post("/api/v1/kms/decrypt", &opened).expect(200);
    assert_eq!(opened["plaintext"], "aGVsbG8=");
    let stopped = admin.get("/api/v1/audit/events?action=server.*").expect(200);
    assert_eq!(column(&stopped, "action"), ["server.start", "server.stop", "server.start"]);
    let ready = server.client().get("/readyz").expect(200);
    assert_eq!(ready["status"], "up", "{ready}");
}

#[test]
fn interrupting_ends_it_in_order_as_well() {
    let mut server = Home::new().start();
    server.signal("-INT");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn only_loopback_is_served_without_tls() {
    let home = Home::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let (code, said) = home.refused(&["--listen", address]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("server.listen") && said.contains("server.tls"), "{said}");
        assert!(!home.data().exists(), "nothing was made");
    }
}

#[test]
fn a_wrong_setting_is_named() {
    let home = Home::new();
    for (setting, named) in [
        ("server.rate_limt=5/min", "rate_limit"),
        ("jwt.algorithm=none", "jwt.algorithm"),
        ("passwords.memory_kib=64", "passwords"),
        ("server.rate_limit=fast", "rate limit"),
    ] {
        let (code, said) = home.refused(&["--listen", "127.0.0.1:0", "--set", setting]);
        assert!(code != 0 && said.contains(named), "{setting}: {code}: {said}");
    }
}

/// Everything in the data folder that must not be touched by a start that is refused.
fn kept(home: &Home) -> Vec<(String, Option<Vec<u8>>)> {
    ["prov.db", "root.key", "audit/standard/log.vkey"]
        .map(|name| (name.to_owned(), std::fs::read(home.data().join(name)).ok()))
        .into()
}

/// A folder with data, its server stopped.
fn stopped() -> (Home, Client) {
    let mut world = World::new();
    world.person("alice", &["viewer"], &[]);
    world.server.stop();
    (world.server.home.clone(), world.admin)
}

const START: &[&str] = &["--listen", "127.0.0.1:0"];

#[test]
fn without_the_right_root_key_nothing_starts_and_nothing_is_made_anew() {
    let (home, admin) = stopped();
    let root = home.data().join("root.key");
    let right = std::fs::read(&root).unwrap();

    std::fs::remove_file(&root).unwrap();
    let before = kept(&home);
    let (code, said) = home.refused(START);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("root key file is missing") && said.contains("restore"), "{said}");
    assert!(kept(&home) == before, "nothing was made anew: {said}");

    let (other, _) = stopped();
    std::fs::copy(other.data().join("root.key"), &root).unwrap();
    let before = kept(&home);
    let (code, said) = home.refused(START);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("root key") && said.contains("restore the right file"), "{said}");
    assert!(kept(&home) == before, "nothing was changed: {said}");

    std::fs::write(&root, &right[..right.len() / 2]).unwrap();
    let (code, said) = home.refused(START);
    assert!(code == 1 && said.contains("damaged"), "{said}");

    std::fs::write(&root, right).unwrap();
    let server = home.start();
    let admin = server.client().with_token(&admin.token.unwrap());
    let users = admin.get("/api/v1/users").expect(200);
    assert_eq!(column(&users, "username"), ["admin", "alice"], "nothing was lost");
}

#[test]
fn two_servers_do_not_share_one_database() {
    let world = World::new();
    let (code, said) = world.server.home.refused(START);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("another process has this database open"), "{said}");
    world.admin.get("/api/v1/auth/me").expect(200);
}

#[test]
fn a_database_that_is_none_is_told() {
    let (home, _) = stopped();
    for name in ["prov.db-wal", "prov.db-shm"] {
        let _ = std::fs::remove_file(home.data().join(name));
    }
    let garbage = b"this is a letter to a friend and no database at all. ".repeat(2000);
    std::fs::write(home.data().join("prov.db"), &garbage).unwrap();
    let (code, said) = home.refused(START);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("database"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    let after = std::fs::read(home.data().join("prov.db")).unwrap();
    assert!(after == garbage, "it was not overwritten");
}

#[test]
fn a_damaged_page_is_told_and_nothing_is_granted_for_it() {
    let (home, admin) = stopped();
    let path = home.data().join("prov.db");
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 8 * 4096, "{}", bytes.len());
    // All pages but the first, which says that it is a database.
    for byte in &mut bytes[4096..] {
        *byte ^= 0x5a;
    }
    std::fs::write(&path, &bytes).unwrap();
    let (code, said) = home.refused(START);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("damaged") && !said.contains("panicked"), "{said}");
    drop(admin);
}

/// A certificate for 127.0.0.1 and its key, as files.
pub(crate) fn certificate(at: &Path) -> Vec<String> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(at.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(at.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let setting =
        |name: &str| format!("server.tls.{name}={}", at.join(format!("{name}.pem")).display());
    vec!["--set".to_owned(), setting("cert"), "--set".to_owned(), setting("key")]
}

/// Shakes hands with these versions of TLS.
fn handshake(
    address: &str,
    at: &Path,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Result<Option<rustls::ProtocolVersion>, std::io::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(at.join("cert.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    Ok(session.protocol_version())
}

#[test]
fn with_a_certificate_it_speaks_tls_1_3_and_nothing_older() {
    let home = Home::new();
    let mut arguments = certificate(home.path());
    arguments.extend(["--set", "server.rate_limit=100000/min"].map(str::to_owned));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let server = home.start_with(&arguments);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);

    let client = Client::over_tls(&server.url, home.path(), None);
    let answer = client.get("/readyz");
    answer.expect(200);
    let hsts = answer.header("strict-transport-security").unwrap();
    assert!(hsts.contains("max-age=31536000"), "{hsts}");

    let new = handshake(server.address(), home.path(), &[&rustls::version::TLS13]);
    assert_eq!(new.unwrap(), Some(rustls::ProtocolVersion::TLSv1_3));
    let old = handshake(server.address(), home.path(), &[&rustls::version::TLS12]);
    let refused = old.unwrap_err().to_string();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    // Whoever speaks plainly to it gets no answer in the clear.
    let plain = raw_http::answered(server.address(), b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(!plain.starts_with(b"HTTP"), "{plain:?}");
    client.get("/livez").text();
}

#[test]
fn whoever_is_too_slow_with_the_head_of_a_request_is_cut_off() {
    let mut world = World::new();
    let mut stream = TcpStream::connect(world.server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ").unwrap();
    // Nothing more comes, and the end of the connection is waited for.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("closed by the server, and not given up by the client");
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    world.server.assert_alive();
}

#[test]
fn an_administrator_can_come_from_a_password_file() {
    let home = Home::new();
    let file = home.path().join("password");
    std::fs::write(&file, format!("{ADMIN_PASSWORD}\n")).unwrap();
    let setting = format!("bootstrap.admin_password_file={}", file.display());
    let mut server = home.start_with(&["--set", &setting, "--set", "bootstrap.admin_user=root"]);
    let me: Value =
        signed_in(&server.client(), "root", ADMIN_PASSWORD).get("/api/v1/auth/me").expect(200);
    assert_eq!((text(&me, "name"), &me["roles"]), ("root", &json!(["admin"])));
    server.stop();
    std::fs::write(&file, "another-password-of-nobody").unwrap();
    let server = home.start_with(&["--set", &setting, "--set", "bootstrap.admin_user=root"]);
    signed_in(&server.client(), "root", ADMIN_PASSWORD);
}
