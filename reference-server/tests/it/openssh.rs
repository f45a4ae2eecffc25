//! A certificate from the server opens a real OpenSSH server.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Client;
use crate::people::{World, text};
use crate::tools::{printed, run, tool};

/// A real server of SSH that trusts our certificate authority, ended when dropped.
struct Sshd {
    child: Child,
    at: tempfile::TempDir,
    port: u16,
    user: String,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    /// Lets in whoever has a certificate for `principal`, as the user who runs this test.
    fn start(nobody: &Client, admin: &Client, principal: &str) -> Self {
        let user = printed(Command::new("id").arg("-un")).trim().to_owned();
        if user == "root" {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let host_key = pair(&at.join("host"));
        let names = json!({ "public_key": host_key, "hostnames": ["127.0.0.1"], "ttl": "1h" });
        let host = admin.post("/api/v1/ssh/host/sign", &names).expect(200);
        std::fs::write(at.join("host-cert.pub"), text(&host, "certificate")).unwrap();
        let ca = nobody.get("/api/v1/ssh/ca").expect(200);
        std::fs::write(at.join("user_ca"), text(&ca["user"][0], "public_key")).unwrap();
        let hosts = format!("@cert-authority * {}\n", text(&ca["host"][0], "public_key"));
        std::fs::write(at.join("known_hosts"), hosts).unwrap();
        std::fs::write(at.join(format!("principals_{user}")), format!("{principal}\n")).unwrap();
        fetch_krl(nobody, at);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::write(at.join("config"), config(at, port)).unwrap();
        let mut command = Command::new("/usr/sbin/sshd");
        command.arg("-D").arg("-f").arg(at.join("config")).arg("-E").arg(at.join("log"));
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let mut server = Self { child, at: folder, port, user };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert_eq!(server.child.try_wait().unwrap(), None, "{}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.at.path().join("log")).unwrap_or_default()
    }

    /// Signs in with this certificate for the key in `id`, and runs a command.
    fn login(&self, certificate: &str) -> Result<String, String> {
        let at = self.at.path();
        std::fs::write(at.join("id-cert.pub"), certificate).unwrap();
        let option = |name: &str, path: &str| format!("{name}={}", at.join(path).display());
        let (code, out, error) = run(Command::new("ssh")
            .args(["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"])
            .args(["-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null"])
            .args(["-o", &option("UserKnownHostsFile", "known_hosts")])
            .args(["-o", &option("CertificateFile", "id-cert.pub"), "-i"])
            .arg(at.join("id"))
            .args(["-p", &self.port.to_string(), &format!("{}@127.0.0.1", self.user)])
            .arg("echo signed-in"));
        if code == Some(0) { Ok(out) } else { Err(error) }
    }
}

fn config(at: &Path, port: u16) -> String {
    let at = at.display();
    format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nHostCertificate {at}/host-cert.pub\n\
         TrustedUserCAKeys {at}/user_ca\nRevokedKeys {at}/krl\nAuthorizedPrincipalsFile {at}/principals_%u\n\
         AuthorizedKeysFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\nUsePAM no\nStrictModes no\nPidFile {at}/pid\n\
         LogLevel VERBOSE\nMaxStartups 100\n"
    )
}

/// As the manual says: a new file, renamed over the old one.
fn fetch_krl(nobody: &Client, at: &Path) {
    let krl = nobody.get("/api/v1/ssh/krl");
    assert_eq!(krl.status, 200);
    std::fs::write(at.join("krl.new"), &krl.body).unwrap();
    std::fs::rename(at.join("krl.new"), at.join("krl")).unwrap();
}

/// Makes a key pair and gives its public line.
fn pair(at: &Path) -> String {
    let mut command = Command::new("ssh-keygen");
    printed(command.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(at));
    std::fs::read_to_string(at.with_extension("pub")).unwrap()
}

/// Whether everything is there that these tests need.
fn installed() -> bool {
    ["/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/ssh-keygen"]
        .into_iter()
        .all(|path| tool(path).is_some())
}

fn sign(client: &Client, public_key: &str) -> Value {
    let body = json!({ "public_key": public_key, "ttl": "1h" });
    client.post("/api/v1/ssh/sign", &body).expect(200)
}

#[test]
fn a_certificate_opens_a_real_server_until_it_is_revoked() {
    if !installed() {
        return;
    }
    let world = World::new();
    let nobody = world.server.client();
    let alice = world.person("alice", &["operator"], &["sre"]);
    let mallory = world.person("mallory", &["developer"], &[]);
    let sshd = Sshd::start(&nobody, &world.admin, "alice");
    let at = sshd.at.path();
    let public = pair(&at.join("id"));

    let signed = sign(&alice, &public);
    let certificate = text(&signed, "certificate");
    assert_eq!(sshd.login(certificate).as_deref(), Ok("signed-in\n"), "{}", sshd.log());
    assert!(sshd.log().contains(text(&signed, "key_id")), "sshd's log names lease and user");

    let other = sign(&mallory, &public);
    assert!(sshd.login(text(&other, "certificate")).is_err(), "mallory is not alice");
    assert!(sshd.log().contains("does not contain an authorized principal"), "{}", sshd.log());
    let claimed = json!({ "public_key": public, "principals": ["alice"], "ttl": "1h" });
    let claimed = mallory.post("/api/v1/ssh/sign", &claimed);
    assert_eq!(claimed.status, 403, "nobody is certified as somebody else: {claimed:?}");

    let spare = sign(&alice, &public);
    let lease = text(&signed, "lease_id");
    alice.delete(&format!("/api/v1/ssh/keys/{lease}")).expect(200);
    fetch_krl(&nobody, at);
    assert!(sshd.login(certificate).is_err(), "it is revoked");
    assert!(sshd.log().contains("revoked"), "{}", sshd.log());
    let spare = text(&spare, "certificate");
    assert_eq!(sshd.login(spare).as_deref(), Ok("signed-in\n"), "the others are not");
}

#[test]
fn a_generated_pair_opens_a_real_server() {
    if !installed() {
        return;
    }
    let world = World::new();
    let alice = world.person("alice", &["developer"], &[]);
    let sshd = Sshd::start(&world.server.client(), &world.admin, "alice");
    let issued = alice.post("/api/v1/ssh/keys", &json!({ "ttl": "1h" })).expect(201);
    let key = sshd.at.path().join("id");
    std::fs::write(&key, text(&issued, "private_key")).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let answer = sshd.login(text(&issued, "certificate"));
    assert_eq!(answer.as_deref(), Ok("signed-in\n"), "{}", sshd.log());
}
