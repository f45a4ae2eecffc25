//! A real OpenSSH server as the judge.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use prov_secrets::ssh::{
    CertificateType, IssuedCertificate, Ssh, SshHostRequest, SshRole, SshSignRequest,
};

use crate::openssh::{keygen, pair, printed, run, tool};
use crate::world::{SshWorld, caller};

/// A server that trusts our certificate authority, ended when dropped.
struct Server {
    child: Child,
    at: PathBuf,
    port: u16,
    user: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ca_line(ssh: &Ssh, certifies: CertificateType) -> String {
    let keys = ssh.ca_public_keys().unwrap();
    keys.into_iter().find(|key| key.certifies == certifies).unwrap().public_key
}

async fn write_krl(ssh: &Ssh, at: &Path) {
    let krl = ssh.krl().await.unwrap();
    // A new file renamed over the old one: sshd refuses everybody while the list is broken.
    std::fs::write(at.join("krl.new"), &krl.bytes).unwrap();
    std::fs::rename(at.join("krl.new"), at.join("krl")).unwrap();
}

impl Server {
    async fn start(sshd: &Path, keygen: &Path, world: &SshWorld, at: &Path) -> Self {
        let user = printed(Command::new("id").arg("-un")).trim().to_owned();
        if user == "root" {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let host_key = pair(keygen, &at.join("host"), &["-t", "ed25519"]);
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let ctx = caller("user_admin", "admin1");
        let signed = world.ssh.sign_host(&ctx, SshHostRequest::new(host_key, names)).await.unwrap();
        std::fs::write(at.join("host-cert.pub"), signed.certificate).unwrap();
        std::fs::write(at.join("user_ca"), ca_line(&world.ssh, CertificateType::User)).unwrap();
        std::fs::write(at.join(format!("principals_{user}")), "alice\n").unwrap();
        let host_ca = ca_line(&world.ssh, CertificateType::Host);
        std::fs::write(at.join("known_hosts"), format!("@cert-authority * {host_ca}\n")).unwrap();
        write_krl(&world.ssh, at).await;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::write(at.join("config"), config(at, port)).unwrap();
        let log = at.join("log");
        let child = Command::new(sshd)
            .arg("-D")
            .arg("-f")
            .arg(at.join("config"))
            .arg("-E")
            .arg(&log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, at: at.to_owned(), port, user };
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let waited = started.elapsed() < Duration::from_secs(20);
            assert!(waited, "sshd: {}", std::fs::read_to_string(&log).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Signs in with this certificate and runs a command.
    fn login(&self, certificate: &IssuedCertificate, known_hosts: &str) -> Result<String, String> {
        let path = self.at.join("id-cert.pub");
        std::fs::write(&path, &certificate.certificate).unwrap();
        let output = run(Command::new("ssh")
            .args(["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"])
            .args(["-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", self.at.join(known_hosts).display()))
            .arg("-o")
            .arg(format!("CertificateFile={}", path.display()))
            .arg("-i")
            .arg(self.at.join("id"))
            .args(["-p", &self.port.to_string(), &format!("{}@127.0.0.1", self.user)])
            .arg("echo signed-in"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.at.join("log")).unwrap_or_default()
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

#[tokio::test(flavor = "multi_thread")]
async fn openssh_lets_in_whom_it_should_and_nobody_else() {
    let (Some(sshd), Some(keygen), Some(_)) =
        (tool("/usr/sbin/sshd"), keygen(), tool("/usr/bin/ssh"))
    else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let world = SshWorld::on_this_machine().await;
    let server = Server::start(&sshd, &keygen, &world, at).await;
    let public = pair(&keygen, &at.join("id"), &["-t", "ed25519"]);
    let sign = async |user: &str, request: SshSignRequest| {
        world.ssh.sign_user(&caller("user_1", user), request).await.unwrap()
    };
    let request = || SshSignRequest::new(public.clone());

    let good = sign("alice", request()).await;
    let answer = server.login(&good, "known_hosts");
    assert_eq!(answer.as_deref(), Ok("signed-in\n"), "{}", server.log());
    assert!(server.log().contains(&good.key_id), "sshd's log names lease and user");

    let wrong_principal = sign("mallory", request()).await;
    assert!(server.login(&wrong_principal, "known_hosts").is_err());
    assert!(server.log().contains("Certificate does not contain an authorized principal"));

    let elsewhere = sign("alice", request().from_addresses(Some("10.0.0.0/8".into()))).await;
    assert!(server.login(&elsewhere, "known_hosts").is_err());
    let here = sign("alice", request().from_addresses(Some("127.0.0.0/8".into()))).await;
    assert!(server.login(&here, "known_hosts").is_ok(), "{}", server.log());

    let brief = sign("alice", request().for_ttl(Some(Duration::from_secs(1)))).await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert!(server.login(&brief, "known_hosts").is_err());
    assert!(server.log().contains("Certificate invalid: expired"), "{}", server.log());

    // A host whose certificate comes from another authority is not trusted.
    let stranger = SshWorld::on_this_machine().await;
    let other = ca_line(&stranger.ssh, CertificateType::Host);
    std::fs::write(at.join("other_hosts"), format!("@cert-authority * {other}\n")).unwrap();
    assert!(
        server.login(&good, "other_hosts").unwrap_err().contains("Host key verification failed")
    );

    world.ssh.revoke(&caller("user_1", "alice"), &good.lease_id).await.unwrap();
    write_krl(&world.ssh, at).await;
    assert!(server.login(&good, "known_hosts").is_err(), "revoked");
    assert!(server.log().contains("revoked"), "{}", server.log());
    assert!(server.login(&here, "known_hosts").is_ok(), "the others are not");
}

#[tokio::test(flavor = "multi_thread")]
async fn openssh_runs_only_the_command_that_the_role_forces() {
    let (Some(sshd), Some(keygen), Some(_)) =
        (tool("/usr/sbin/sshd"), keygen(), tool("/usr/bin/ssh"))
    else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let world = SshWorld::on_this_machine().await;
    let server = Server::start(&sshd, &keygen, &world, directory.path()).await;
    let public = pair(&keygen, &directory.path().join("id"), &["-t", "ed25519"]);
    let ctx = caller("user_1", "alice");
    let mut role =
        SshRole::new("forced").allowing(["{{username}}"]).for_role(prov_core::Role::Viewer);
    role.force_command = Some("echo forced".into());
    world.ssh.roles().create(&ctx, &role).await.unwrap();
    let request = SshSignRequest::new(public).by_role("forced");
    let signed = world.ssh.sign_user(&ctx, request).await.unwrap();
    assert_eq!(server.login(&signed, "known_hosts").as_deref(), Ok("forced\n"), "{}", server.log());
}
